"""A tap of the usual make, on singer-python's Transformer and write_record. `usual_tap.py CONFIG`.

It has what taps of this kind have in common, and no more: pages by number, a hook that turns
Xero's dates into text that the Transformer reads, a bookmark after each page.
"""

from __future__ import annotations

import json
import re
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import requests
import singer
from singer import metadata

from tap_xero.discover import catalog

_DATE = re.compile(r"/Date\((-?\d+)(?:[+-]\d{4})?\)/")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def main() -> None:
    """Write SCHEMA, RECORD and STATE messages of all invoices to stdout."""
    config = json.loads(Path(sys.argv[1]).read_bytes())
    entry = next(part for part in catalog()["streams"] if part["tap_stream_id"] == "invoices")
    fields = metadata.to_map(entry["metadata"])
    singer.write_schema("invoices", entry["schema"], ["InvoiceID"], ["UpdatedDateUTC"])
    page = 0
    while invoices := _page(config, page := page + 1):
        extracted = singer.utils.now()
        with singer.Transformer(pre_hook=_read_date) as transformer:
            for invoice in invoices:
                record = transformer.transform(invoice, entry["schema"], fields)
                singer.write_record("invoices", record, time_extracted=extracted)
        bookmark = {"UpdatedDateUTC": record["UpdatedDateUTC"]}
        singer.write_state({"bookmarks": {"invoices": bookmark}})


def _page(config: dict[str, str], page: int) -> list[dict[str, Any]]:
    response = requests.get(
        f"{config['api_url']}/api.xro/2.0/Invoices",
        headers={
            "Accept": "application/json",
            "Authorization": f"Bearer {config['access_token']}",
            "xero-tenant-id": config["tenant_id"],
        },
        params={
            "order": "UpdatedDateUTC ASC",
            "page": str(page),
            "pageSize": "1000",
            "unitdp": "4",
        },
        timeout=300,
    )
    response.raise_for_status()
    invoices: list[dict[str, Any]] = response.json()["Invoices"]
    return invoices


def _read_date(value: Any, _: str, schema: dict[str, Any]) -> Any:  # noqa: ANN401 - any JSON
    if schema.get("format") == "date-time" and isinstance(value, str):
        match = _DATE.fullmatch(value)
        if match:
            return (_EPOCH + timedelta(milliseconds=int(match[1]))).isoformat()
    return value


if __name__ == "__main__":
    main()
