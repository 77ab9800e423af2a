r"""Rows as Xero writes them, and back.

Inside the demo a row is a *document*: a dict whose strings, numbers (`Decimal`, `int`) and lists
are what goes on the wire, instants already written as `/Date(ms+0000)/`, so that rendering is one
call of a C encoder.  At the edge to tests a row is *plain*: instants are int milliseconds.
Which fields hold instants is decided by name, never by how a text looks.

Every `/` is written `\/`, as .NET does; a slash occurs in JSON only inside strings, so one
replacement over the whole text is right.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Any

import msgspec

Document = dict[str, Any]

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

INSTANTS = frozenset(
    {
        "CreatedDateUTC",
        "Date",
        "DateTimeUTC",
        "DateUTC",
        "DeliveryDate",
        "DueDate",
        "EndDate",
        "EndOfYearLockDate",
        "ExpectedArrivalDate",
        "ExpectedPaymentDate",
        "ExpiryDate",
        "FullyPaidOnDate",
        "JournalDate",
        "NextScheduledDate",
        "PaymentDueDate",
        "PeriodLockDate",
        "PlannedPaymentDate",
        "ReportingDate",
        "StartDate",
        "UpdatedDateUTC",
    }
)

_WRITTEN_INSTANT = re.compile(r"/Date\((-?\d+)(?:[+-]\d{4})?\)/")
_ENCODER = msgspec.json.Encoder(decimal_format="number")


def instant(ms: int) -> str:
    """Write milliseconds since the epoch as rows do, e.g. `/Date(1541176592690+0000)/`."""
    return f"/Date({ms}+0000)/"


@lru_cache(maxsize=8192)
def date_text(ms: int) -> str:
    """Write the calendar date of an instant as in DateString, e.g. `2018-10-20T00:00:00`."""
    return (EPOCH + timedelta(milliseconds=ms)).strftime("%Y-%m-%dT00:00:00")


def stamp_text(ms: int) -> str:
    """Write an instant as in UpdatedDateUTCString: whole seconds, e.g. `2018-11-02T16:31:30Z`."""
    return (EPOCH + timedelta(seconds=ms // 1000)).strftime("%Y-%m-%dT%H:%M:%SZ")


def to_document(plain: Document) -> Document:
    """Write the instants of a plain row (int milliseconds) as Xero does, at every depth."""
    return {name: _to_wire(name, value) for name, value in plain.items()}


def _to_wire(name: str, value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, dict):
        return to_document(value)
    if isinstance(value, list):
        return [_to_wire(name, each) for each in value]
    if name in INSTANTS and isinstance(value, int) and not isinstance(value, bool):
        return instant(value)
    return value


def to_plain(document: Document) -> Document:
    """Read the instants of a document back as int milliseconds, at every depth; a deep copy."""
    return {name: _to_plain(name, value) for name, value in document.items()}


def _to_plain(name: str, value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, dict):
        return to_plain(value)
    if isinstance(value, list):
        return [_to_plain(name, each) for each in value]
    if name in INSTANTS:
        ms = read_instant(value)
        return value if ms is None else ms
    return value


def read_instant(value: object) -> int | None:
    """Read `/Date(ms+zzzz)/` as milliseconds since the epoch; None for anything else."""
    match = _WRITTEN_INSTANT.fullmatch(value) if isinstance(value, str) else None
    return int(match[1]) if match else None


def render(document: Any, *, pretty: bool, depth: int = 0) -> bytes:  # noqa: ANN401
    """Write a document as JSON; pretty is Xero's two blanks a level and CRLF, `depth` levels in."""
    return layout(_ENCODER.encode(document).replace(b"/", b"\\/"), pretty=pretty, depth=depth)


def layout(text: bytes, *, pretty: bool, depth: int = 0) -> bytes:
    """Lay out JSON text as `render` does, its tokens untouched."""
    if not pretty:
        return text
    return msgspec.json.format(text, indent=2).replace(b"\n", b"\r\n" + b"  " * depth)


def render_list(rows: list[bytes], *, pretty: bool) -> bytes:
    """Join rendered rows (of depth 2) to the list that stands in an answer."""
    if not rows:
        return b"[]"
    if not pretty:
        return b"[" + b",".join(rows) + b"]"
    return b"[\r\n    " + b",\r\n    ".join(rows) + b"\r\n  ]"


def render_answer(head: Document, plural: str, rows: bytes, *, pretty: bool) -> bytes:
    """Write the envelope around a rendered list."""
    envelope = render(head, pretty=pretty)
    if not pretty:
        return envelope[:-1] + b',"' + plural.encode() + b'":' + rows + b"}"
    return envelope[: -len(b"\r\n}")] + b',\r\n  "' + plural.encode() + b'": ' + rows + b"\r\n}"
