"""What reading the pages costs at least: `floor.py decode CONFIG` or `floor.py pipe CONFIG`.

`decode` downloads the pages, decodes them and writes each record on one line. `pipe` downloads the
pages and writes their bytes. Both page by number, convert nothing and keep no state.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import requests

if TYPE_CHECKING:
    from collections.abc import Iterator


def main() -> None:
    """Write all invoices to stdout."""
    kind, path = sys.argv[1:]
    write = {"decode": _write_records, "pipe": sys.stdout.buffer.write}[kind]
    for page in _pages(json.loads(Path(path).read_bytes())):
        write(page)


def _write_records(page: bytes) -> None:
    for invoice in orjson.loads(page)["Invoices"]:
        sys.stdout.buffer.write(orjson.dumps(invoice) + b"\n")


def _pages(config: dict[str, str]) -> Iterator[bytes]:
    """Yield the body of each page up to the first one without an invoice."""
    session = requests.Session()
    session.headers.update(
        {
            "Accept": "application/json",
            "Authorization": f"Bearer {config['access_token']}",
            "xero-tenant-id": config["tenant_id"],
        }
    )
    url = f"{config['api_url']}/api.xro/2.0/Invoices"
    params = {"order": "UpdatedDateUTC ASC", "pageSize": "1000", "unitdp": "4"}
    page = 0
    while True:
        page += 1
        response = session.get(url, params={**params, "page": str(page)}, timeout=300)
        response.raise_for_status()
        if b'"InvoiceID"' not in response.content:
            return
        yield response.content


if __name__ == "__main__":
    main()
