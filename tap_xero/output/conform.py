"""Make a record fit its schema, compiled once per stream.

Nearly every record fits as Xero wrote it. `decoder` finds that out fast, in C: it decodes the
record into types that are made from the schema. Only a record that does not fit is repaired field
by field: a date becomes a date in UTC, a number that came as text becomes a number with the same
digits, and so on. A value that cannot be converted becomes null.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import msgspec
from msgspec import Raw

from tap_xero import dates
from tap_xero.output.date_fields import is_date, is_moment
from tap_xero.paging.rows import NULL, Row, decode, encode, items

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Schema: TypeAlias = "Mapping[str, Any]"
# Takes and returns a value as raw JSON on one line.
Repair: TypeAlias = "Callable[[Raw], Raw]"
# The repair of each field, by its name.
Repairs: TypeAlias = "dict[str, Repair]"
# Called for each value of a wrong type with the path of its field, such as `LineItems[].Quantity`,
# and the value before and after: converted, or `null`.
OnMisfit: TypeAlias = "Callable[[str, bytes, bytes], None]"

_NULL_TEXT = b"null"


def repair(row: Row, repairs: Repairs) -> None:
    """Repair the fields of a row, in place."""
    for name, convert in repairs.items():
        if name in row:
            row[name] = convert(row[name])


def repairs_for(properties: Schema, on_misfit: OnMisfit, prefix: str = "") -> Repairs:
    """Return the repairs that make any row fit these properties of a JSON schema.

    A row that fits already stays as it is. `prefix` is the object's path, such as `Contact.`.
    """
    pairs = (
        (name, _repair_of(part, prefix + name, on_misfit)) for name, part in properties.items()
    )
    return {name: convert for name, convert in pairs if convert}


def decoder(properties: Schema, others: Sequence[Any] = ()) -> Callable[[bytes], Any | None]:
    """Return a function that decodes a record that fits, given as JSON, to an object.

    The function returns None if the record does not fit, or might not. At its top level a record
    that fits has no fields but these, and `others`, given as fields of a msgspec type. The fields
    that it lacks are None in the object.
    """
    fields = [*_fields(properties, {}), *others]
    record_type = msgspec.defstruct("Checked", fields, gc=False, forbid_unknown_fields=True)
    decode_record = msgspec.json.Decoder(record_type).decode

    def decode_if_fitting(record: bytes) -> Any | None:  # noqa: ANN401 - a type made at run time
        try:
            return decode_record(record)
        except (msgspec.DecodeError, RecursionError):
            return None

    return decode_if_fitting


def _repair_of(schema: Schema, path: str, on_misfit: OnMisfit) -> Repair | None:
    """Return the repair of a value with this schema, or None if any value fits."""
    kinds = _kinds(schema)
    if kinds == _DATE:
        return _date_repair(path, on_misfit)
    if not kinds:
        return None
    fits = re.compile(b"|".join(_LOOKS[kind] for kind in kinds), re.DOTALL).fullmatch
    convert = _repair_within(schema, path, on_misfit)

    def to_type(value: Raw) -> Raw:
        literal = bytes(value)
        if not fits(literal):
            return _converted(literal, kinds, path, on_misfit)
        return convert(value) if convert else value

    return to_type


def _date_repair(path: str, on_misfit: OnMisfit) -> Repair:
    convert = dates.instant if is_moment(path) else dates.calendar_day

    def to_date(value: Raw) -> Raw:
        literal = bytes(value)
        date = convert(literal)
        return Raw(date) if date else _null(literal, path, on_misfit)

    return to_date


def _repair_within(schema: Schema, path: str, on_misfit: OnMisfit) -> Repair | None:
    """Return the repair of all values inside an object or an array, or None if there is none."""
    repairs = repairs_for(schema.get("properties", {}), on_misfit, f"{path}.")
    if repairs:
        return _object_repair(repairs)
    item = _repair_of(schema.get("items", {}), f"{path}[]", on_misfit)
    return _array_repair(item) if item else None


def _object_repair(repairs: Repairs) -> Repair:
    def convert(value: Raw) -> Raw:
        try:
            row = decode(value)
        except msgspec.DecodeError:
            return value
        repair(row, repairs)
        return encode(row)

    return convert


def _array_repair(item: Repair) -> Repair:
    def convert(value: Raw) -> Raw:
        return encode([item(part) for part in items(value)])

    return convert


def _converted(value: bytes, kinds: frozenset[str], path: str, on_misfit: OnMisfit) -> Raw:
    """Return the value with another type but the same digits or letters, or else null."""
    for kind in kinds & _CONVERTIBLE.keys():
        match = _CONVERTIBLE[kind].fullmatch(value)
        if match:
            converted = _as_kind(kind, match[match.lastindex or 0])
            on_misfit(path, value, converted)
            return Raw(converted)
    return _null(value, path, on_misfit)


def _as_kind(kind: str, text: bytes) -> bytes:
    if kind == "string":
        return b'"%s"' % text
    return text.lower() if kind == "boolean" else text


def _null(value: bytes, path: str, on_misfit: OnMisfit) -> Raw:
    """Return null. Xero writes `[]` for an object that is null, so that is no misfit."""
    if value not in (_NULL_TEXT, b"[]"):
        on_misfit(path, value, _NULL_TEXT)
    return NULL


def _kinds(schema: Schema) -> frozenset[str]:
    """Return the types that a value may have beside null, or `date-time`; empty means any."""
    if is_date(schema):
        return _DATE
    types = schema.get("type", [])
    return frozenset([types] if isinstance(types, str) else types) - {"null"}


_DATE = frozenset({"date-time"})
# How valid JSON of each type looks.
_LOOKS = {
    "string": rb'".*',
    "number": rb"[-0-9].*",
    "integer": rb"-?[0-9]+",
    "boolean": rb"true|false",
    "object": rb"\{.*",
    "array": rb"\[.*",
}
# How a value of another type looks that can be converted to each type.
_CONVERTIBLE = {
    "string": re.compile(rb"[-0-9].*|true|false"),
    "number": re.compile(rb'"(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)"'),
    "integer": re.compile(rb'"(-?(?:0|[1-9][0-9]*))"'),
    "boolean": re.compile(rb'"(true|false)"', re.IGNORECASE),
}


# Types by the id of the properties that they are made from: equal parts of a schema are one object.
_Made: TypeAlias = dict[int, Any]


def _fields(properties: Schema, made: _Made) -> list[tuple[str, Any, None]]:
    return [(name, _checked(part, made), None) for name, part in properties.items()]


def _checked(schema: Schema, made: _Made) -> Any:  # noqa: ANN401 - types made at run time
    """Return the type that msgspec can decode only from values that fit `schema`."""
    kinds = _kinds(schema)
    if not kinds:
        return Raw
    return reduce(or_, (_checked_kind(kind, schema, made) for kind in kinds), None)


def _checked_kind(kind: str, schema: Schema, made: _Made) -> Any:  # noqa: ANN401 - types made at run time
    if kind == "array":
        return list[_checked(schema.get("items", {}), made)]  # type: ignore[misc]
    parts = schema.get("properties")
    if kind == "object" and parts:
        if id(parts) not in made:
            made[id(parts)] = msgspec.defstruct("Checked", _fields(parts, made), gc=False)
        return made[id(parts)]
    return _CHECKED[kind]


_CHECKED: dict[str, Any] = {
    "string": str,
    # Every date in UTC passes; a value that is no date could not be converted.
    "date-time": Annotated[datetime, msgspec.Meta(tz=True)],
    "number": float,
    "integer": int,
    "boolean": bool,
    "object": dict[str, Raw],
}
