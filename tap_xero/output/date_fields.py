"""Find the dates of a record by their names, and convert them in its bytes.

In JSON without white space, a name, its colon and the opening quote of a text are adjacent, as in
`"DueDate":"`. No text can contain this sequence, because quotes inside a text are escaped. So one
search of the record's bytes finds its dates at every depth, without decoding. A field with the
name of one of the schema's dates counts as a date at any place in the record. A value that is not
a date stays unchanged.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

from tap_xero import dates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from msgspec import Raw

    Schema: TypeAlias = Mapping[str, Any]

# A pattern that begins with a plain word is fastest. Nearly all names of dates contain the first
# word. The second one, for names such as ReportingCodeUpdatedUTC, occurs in many other texts.
_WORDS = ("Date", "ate")
_REMEMBERED = 8192


def is_date(schema: Schema) -> bool:
    """Say whether a field with this schema holds a date."""
    return schema.get("format") == "date-time"


def is_moment(name: str) -> bool:
    """Say whether a date with this name is a moment; else it is a day (Xero OpenAPI 16.1.0)."""
    return name.endswith(("UTC", "UTCString"))


def converter(properties: Schema) -> Callable[[bytes | Raw], bytes]:
    """Return a function that converts the dates of a record, given as JSON without white space.

    `properties` are those of the record's JSON schema. Raises ValueError for a date whose name
    does not contain one of `_WORDS`.
    """
    names = sorted(set(_names(properties)))
    word = next((each for each in _WORDS if all(each in name for name in names)), _WORDS[-1])
    endings = "|".join(rf'{_end(name, word)}(?<=[{{,]"{name}")' for name in names)
    never = "(?!)"
    split = re.compile(f'({word}(?:{endings or never}):"[^"]*")'.encode()).split
    moments = (word + _end(name, word) for name in names if is_moment(name))
    converted = _Converted(moments).__getitem__

    def convert(record: bytes | Raw) -> bytes:
        parts = split(record)
        parts[1::2] = map(converted, parts[1::2])
        return b"".join(parts)

    return convert


class _Converted(dict[bytes, bytes]):
    """Maps a field, from the word on, to the converted field.

    Days are cached, because the same days occur often. Moments are not, because they rarely repeat.
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


def _end(name: str, word: str) -> str:
    """Return the part of the name after the word, with the closing quote."""
    return name[name.rindex(word) + len(word) :] + '"'


def _names(properties: Schema) -> Iterator[str]:
    """Yield the names of all dates in a schema, however deep."""
    for name, part in properties.items():
        if is_date(part):
            yield name
        yield from _names(part.get("properties", {}))
        yield from _names(part.get("items", {}).get("properties", {}))
