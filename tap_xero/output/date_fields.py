"""The dates of a record, found by their names and converted where they stand.

In JSON without white space a name, its colon and the quote of a text stand together, as in
`"DueDate":"`, and no text can hold that, for quotes inside a text are escaped. So one search of
the record's bytes finds its dates at every depth, and nothing has to be decoded. A field that
has the name of one of the schema's dates is taken for a date wherever it stands; what is no date
after all is left as it is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

from tap_xero import dates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from msgspec import Raw

    Schema: TypeAlias = Mapping[str, Any]

# All names of dates have it in them; a pattern that begins with a plain word is found fastest.
_WORD = "Date"
_REMEMBERED = 8192


def is_date(schema: Schema) -> bool:
    """Say whether a field with this schema holds a date."""
    return schema.get("format") == "date-time"


def is_moment(name: str) -> bool:
    """Say whether a date of this name is a moment; else it is a day (Xero OpenAPI 16.1.0)."""
    return name.endswith(("UTC", "UTCString"))


def converter(properties: Schema) -> Callable[[bytes | Raw], bytes]:
    """Return what converts the dates of a record, given as JSON without white space.

    `properties` are those of the record's JSON schema. Raises ValueError for a date whose name
    does not have the word in it by which dates are found.
    """
    names = sorted(set(_names(properties)))
    endings = "|".join(rf'{_end(name)}(?<=[{{,]"{name}")' for name in names)
    never = "(?!)"
    split = re.compile(f'({_WORD}(?:{endings or never}):"[^"]*")'.encode()).split
    converted = _Converted(_WORD + _end(name) for name in names if is_moment(name)).__getitem__

    def convert(record: bytes | Raw) -> bytes:
        parts = split(record)
        parts[1::2] = map(converted, parts[1::2])
        return b"".join(parts)

    return convert


class _Converted(dict[bytes, bytes]):
    """Fields, from the word on, to what becomes of them.

    A day is remembered: the same ones come again and again, the same moments hardly ever.
    """

    def __init__(self, moments: Iterable[str]) -> None:
        super().__init__()
        self._moments = frozenset(name.encode() for name in moments)

    def __missing__(self, field: bytes) -> bytes:
        name, colon, literal = field.partition(b":")
        if name in self._moments:
            return name + colon + (dates.instant(literal) or literal)
        if len(self) >= _REMEMBERED:
            self.clear()
        converted = self[field] = name + colon + (dates.calendar_day(literal) or literal)
        return converted


def _end(name: str) -> str:
    """Return what stands behind the word in a record, to the end of the name."""
    return name[name.rindex(_WORD) + len(_WORD) :] + '"'


def _names(properties: Schema) -> Iterator[str]:
    """Yield the names of all dates in a schema, however deep."""
    for name, part in properties.items():
        if is_date(part):
            yield name
        yield from _names(part.get("properties", {}))
        yield from _names(part.get("items", {}).get("properties", {}))
