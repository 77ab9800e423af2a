"""What a record must look like, worked out slowly and by other means than the tap's."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def expected(value: Any, schema: dict[str, Any], name: str = "") -> Any:  # noqa: ANN401
    """Return `value`, as Xero sent it, as the tap must write it."""
    types = [kind for kind in schema.get("type", []) if kind != "null"]
    if schema.get("format") == "date-time":
        return date(value, name) if isinstance(value, str) else None
    if types == ["object"]:
        if not isinstance(value, dict):
            return None
        parts = schema.get("properties", {})
        return {key: expected(part, parts.get(key, {}), key) for key, part in value.items()}
    if types == ["array"] and isinstance(value, list):
        return [expected(item, schema.get("items", {}), name) for item in value]
    return value


def record(row: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Return a row as a record: known fields only."""
    known = schema["properties"]
    return {
        name: expected(value, known[name], name) for name, value in row.items() if name in known
    }


def date(text: str, name: str) -> str | None:
    """Return Xero's date as RFC 3339 in UTC; days are not moved into another zone."""
    is_moment = name.endswith(("UTC", "UTCString"))
    match = re.fullmatch(r"/Date\((-?\d+)(?:([+-])(\d\d)(\d\d))?\)/", text)
    if match:
        moment = EPOCH + timedelta(milliseconds=int(match[1]))
        if match[2] and not is_moment:
            offset = timedelta(hours=int(match[3]), minutes=int(match[4]))
            moment += offset if match[2] == "+" else -offset
    else:
        try:
            moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text.replace("Z", "")))
        except ValueError:
            return None
        moment = moment.replace(tzinfo=timezone.utc)
    return f"{moment.year:04}" + moment.strftime("-%m-%dT%H:%M:%S.%fZ")
