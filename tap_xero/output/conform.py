"""What a schema says of values, compiled: whether a record fits, and what makes it fit.

`decoder` says fast, in C, whether a record fits as it is: it decodes the record into types made
from the schema. Only if that fails, the record is opened and each of its values is looked at: a
plan is a dict of field name to what converts that field's raw JSON, dates to dates, and what has
the wrong type to null.
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
    from collections.abc import Callable, Mapping

Schema: TypeAlias = "Mapping[str, Any]"
# Takes and returns a value as raw JSON on one line.
Convert: TypeAlias = "Callable[[Raw], Raw]"
Plan: TypeAlias = "dict[str, Convert]"
# Is told of each value that becomes null: the field's path, such as `LineItems[].Quantity`.
Report: TypeAlias = "Callable[[str, bytes], None]"


def apply(parts: Plan, row: Row) -> None:
    """Convert those fields of the row that the plan names, in place."""
    for name, convert in parts.items():
        if name in row:
            row[name] = convert(row[name])


def plan(properties: Schema, report: Report, prefix: str = "") -> Plan:
    """Return what makes any row fit; it does no harm to one that fits."""
    pairs = ((name, _converter(part, prefix + name, report)) for name, part in properties.items())
    return {name: convert for name, convert in pairs if convert}


def decoder(properties: Schema) -> Callable[[bytes], Any | None]:
    """Return what decodes a record, as JSON, that fits as it is: to an object with its fields.

    For a record that does not fit it returns None, and in doubt too. At its top level a record
    that fits has none but these fields; those that it lacks are None in the object.
    """
    read = msgspec.json.Decoder(_struct(properties, {}, forbid_unknown_fields=True)).decode

    def fitting(record: bytes) -> Any | None:  # noqa: ANN401 - a type made at run time
        try:
            return read(record)
        except (msgspec.DecodeError, RecursionError):
            return None

    return fitting


def _date(path: str, report: Report) -> Convert:
    convert = dates.instant if is_moment(path) else dates.calendar_day

    def to_date(value: Raw) -> Raw:
        literal = bytes(value)
        date = convert(literal)
        return Raw(date) if date else _null(literal, path, report)

    return to_date


def _converter(schema: Schema, path: str, report: Report) -> Convert | None:
    kinds = _kinds(schema)
    if kinds == _DATE:
        return _date(path, report)
    if not kinds:
        return None
    fits = re.compile(b"|".join(_LOOKS[kind] for kind in kinds), re.DOTALL).fullmatch
    convert = _inside(schema, path, report)

    def to_type(value: Raw) -> Raw:
        text = bytes(value)
        if not fits(text):
            return _null(text, path, report)
        return convert(value) if convert else value

    return to_type


def _inside(schema: Schema, path: str, report: Report) -> Convert | None:
    """Return what looks at every value inside an object or an array, if it can be either."""
    parts = plan(schema.get("properties", {}), report, f"{path}.")
    if parts:
        return _in_object(parts)
    item = _converter(schema.get("items", {}), f"{path}[]", report)
    return _in_array(item) if item else None


def _in_object(parts: Plan) -> Convert:
    def convert(value: Raw) -> Raw:
        try:
            row = decode(value)
        except msgspec.DecodeError:
            return value
        apply(parts, row)
        return encode(row)

    return convert


def _in_array(item: Convert) -> Convert:
    def convert(value: Raw) -> Raw:
        return encode([item(part) for part in items(value)])

    return convert


def _null(value: bytes, path: str, report: Report) -> Raw:
    """Return null, and report what stood there unless Xero meant null by it (`[]` too)."""
    if value not in (b"null", b"[]"):
        report(path, value)
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


# Types by the id of the properties that they are made from: equal parts of a schema are one object.
_Made: TypeAlias = dict[int, Any]


def _struct(properties: Schema, made: _Made, *, forbid_unknown_fields: bool = False) -> Any:  # noqa: ANN401 - as below
    fields = [(name, _checked(part, made), None) for name, part in properties.items()]
    return msgspec.defstruct(
        "Checked", fields, gc=False, forbid_unknown_fields=forbid_unknown_fields
    )


def _checked(schema: Schema, made: _Made) -> Any:  # noqa: ANN401 - types made at run time
    """Return the type as which msgspec decodes just the values that fit `schema`."""
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
            made[id(parts)] = _struct(parts, made)
        return made[id(parts)]
    return _CHECKED[kind]


_CHECKED: dict[str, Any] = {
    "string": str,
    # Every date in UTC passes; one that is no date could not be converted.
    "date-time": Annotated[datetime, msgspec.Meta(tz=True)],
    "number": float,
    "integer": int,
    "boolean": bool,
    "object": dict[str, Raw],
}
