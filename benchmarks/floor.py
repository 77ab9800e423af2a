"""The floor: download the pages, decode, write each record on one line. `floor.py CONFIG`.

It pages by number, converts nothing, checks nothing and keeps no state.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import orjson
import requests


def main() -> None:
    """Write all invoices to stdout."""
    config = json.loads(Path(sys.argv[1]).read_bytes())
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
        invoices = orjson.loads(response.content)["Invoices"]
        if not invoices:
            return
        for invoice in invoices:
            sys.stdout.buffer.write(orjson.dumps(invoice) + b"\n")


if __name__ == "__main__":
    main()
