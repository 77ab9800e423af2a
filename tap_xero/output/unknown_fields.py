r"""Cut fields that the schema does not know out of a record, without encoding it anew.

Xero adds fields without notice, and a new one is usually in every row of a list. To decode and
encode each row for it would take half as long again as the rest of the work. So the bytes of the
field are cut out of the record's bytes.

A nested object may have a field of the same name, which has to stay. So a record is only cut where
no mistake is possible: the decoder saw the field at the top level, and its name occurs once. A name
can also be written with `\u` escapes; a record with such an escape is never cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

Field = tuple[str, type, Any]


def fields_for(names: Collection[str]) -> list[Field]:
    """Return the fields of a msgspec type that hold the raw values of the unknown fields."""
    return [
        (_attribute(number), Raw, msgspec.field(default=Raw(), name=name))
        for number, name in enumerate(names)
    ]


def cutter(names: Collection[str]) -> Callable[[bytes, Any], bytes | None]:
    """Return a function that cuts the fields `names` out of a record.

    The function takes the record, JSON without white space, and the object that was decoded from
    it, with `fields_for` the same names. It returns None if the record cannot be cut safely.
    """
    first = tuple(b"{%s:" % msgspec.json.encode(name) for name in names)
    heads = [(b",%s:" % msgspec.json.encode(name), _attribute(at)) for at, name in enumerate(names)]

    def cut(record: bytes, decoded: Any) -> bytes | None:  # noqa: ANN401 - a type made at run time
        if b"\\u" in record or record.startswith(first):
            return None
        for head, attribute in heads:
            value = bytes(getattr(decoded, attribute))
            if not value:
                continue
            before, found, after = record.partition(head)
            if not found or head in after or not after.startswith(value):
                return None
            record = before + after[len(value) :]
        return record

    return cut


def _attribute(number: int) -> str:
    return f"unknown_{number}"
