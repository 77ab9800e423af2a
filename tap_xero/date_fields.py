"""The dates of a record, found by their names and converted where they stand.

In JSON without white space a name, its colon and the quote of a text stand together, as in
`"DueDate":"`, and no text can hold that, for quotes inside a text are escaped. So one search of
the record's bytes finds its dates at every depth, and nothing has to be decoded. A field that
has the name of one of the schema's dates is taken for a date wherever it stands; what is no date
after all is left as it is.
"""

from __future__ import annotations

import re
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, TypeAlias

from tap_xero import dates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from msgspec import Raw

    Schema: TypeAlias = Mapping[str, Any]

# All names of dates have it in them; a pattern that begins with a plain word is found fastest.
_WORD = "Date"


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
    days = [_ending(name) for name in names if not is_moment(name)]
    moments = [_ending(name) for name in names if is_moment(name)]
    value = '"[^"]*"'
    pattern = f"{_WORD}(?:(?:{_any_of(days)}):{value}|((?:{_any_of(moments)}):)({value}))"
    return partial(re.compile(pattern.encode()).sub, _converted)


def _names(properties: Schema) -> Iterator[str]:
    """Yield the names of all dates in a schema, however deep."""
    for name, part in properties.items():
        if is_date(part):
            yield name
        yield from _names(part.get("properties", {}))
        yield from _names(part.get("items", {}).get("properties", {}))


def _ending(name: str) -> str:
    """Return a pattern of the name's end behind the word, looking back at what stands before."""
    at = name.rindex(_WORD) + len(_WORD)
    return rf'(?<=[{{,]"{name[:at]}){name[at:]}"'


def _any_of(patterns: list[str]) -> str:
    never = "(?!)"
    return "|".join(patterns) or never


def _converted(field: re.Match[bytes]) -> bytes:
    if field.lastindex is None:
        return _day(field[0])
    name, literal = field.groups()
    return b"Date" + name + (dates.instant(literal) or literal)


# The same days come again and again, the same moments hardly ever.
@lru_cache(maxsize=8192)
def _day(field: bytes) -> bytes:
    name, colon, literal = field.partition(b":")
    return name + colon + (dates.calendar_day(literal) or literal)
