"""Rows as Xero wrote them: raw JSON, or a dict of field name to raw JSON.

Raw JSON keeps every digit of a number and every character of a text. A row is decoded into a dict
only where code has to look into it, and one field is decoded only when it is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
from msgspec import Raw

if TYPE_CHECKING:
    from collections.abc import Iterable

Row: TypeAlias = dict[str, Raw]

NULL = Raw(b"null")

_ENCODER = msgspec.json.Encoder()
_ROW = msgspec.json.Decoder(Row)
_ROWS = msgspec.json.Decoder(list[Row])
_ITEMS = msgspec.json.Decoder(list[Raw])


def encode(value: object) -> Raw:
    """Return a value as JSON."""
    return Raw(_ENCODER.encode(value))


def encode_rows(rows: Iterable[Row]) -> list[Raw]:
    """Return each row as JSON."""
    return [encode(row) for row in rows]


def decode(row: bytes) -> Row:
    """Return the fields of a row; of two fields with one name the last counts.

    Raises msgspec.DecodeError for JSON that is no object.
    """
    return _ROW.decode(row)


def decode_rows(rows: Iterable[bytes]) -> list[Row]:
    """Return the fields of each row."""
    return [_ROW.decode(row) for row in rows]


def nested_rows(value: bytes) -> list[Row]:
    """Return the rows of a nested list. Raises msgspec.DecodeError unless all are objects."""
    return _ROWS.decode(value)


def items(value: bytes) -> list[Raw]:
    """Return the items of a JSON list. Raises msgspec.DecodeError for anything else."""
    return _ITEMS.decode(value)


def text(row: Row, name: str) -> str:
    """Return the text in a field; "" where the row has none."""
    found: str | None = _field(row, name, str)
    return found or ""


def integer(row: Row, name: str) -> int | None:
    """Return the whole number in a field; None where the row has none."""
    found: int | None = _field(row, name, int)
    return found


def nested(row: Row, name: str) -> Row:
    """Return the object in a field; {} where the row has none."""
    found: Row | None = _field(row, name, Row)
    return found or {}


def _field(row: Row, name: str, kind: Any) -> Any:  # noqa: ANN401 - the kind says what it is
    try:
        return msgspec.json.decode(row.get(name, NULL), type=kind)
    except msgspec.DecodeError:
        return None
