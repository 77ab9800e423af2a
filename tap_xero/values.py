"""What a schema says of values, compiled: where dates are to convert, and what fits.

A plan is a dict of field name to what converts that field's raw JSON; it is made once from the
schema and applied to each row. There are two. `date_plan` leads to those fields that may hold a
date, also further down, opens no others, and leaves alone what is not as it expects.
`type_plan` looks at every value: dates are converted, and what has the wrong type becomes null.
`checker` says fast, in C, whether a record needs the second at all: it decodes the record into
types made from the schema. If it can, the type plan would change nothing.
"""

from __future__ import annotations

import re
from functools import lru_cache, partial, reduce
from operator import or_
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
from msgspec import Raw

from tap_xero import dates
from tap_xero.lists import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Schema: TypeAlias = "Mapping[str, Any]"
# Takes and returns a value as raw JSON on one line.
Convert: TypeAlias = "Callable[[Raw], Raw]"
Plan: TypeAlias = "dict[str, Convert]"
# Is told of each value that becomes null: the field's path, such as `LineItems[].Quantity`.
Report: TypeAlias = "Callable[[str, bytes], None]"

_NULL = Raw(b"null")
_ENCODER = msgspec.json.Encoder()
_ROW = msgspec.json.Decoder(Row)
_ROWS = msgspec.json.Decoder(list[Row | None])
_ITEMS = msgspec.json.Decoder(list[Raw])


def apply(plan: Plan, row: Row) -> None:
    """Convert those fields of the row that the plan names, in place."""
    for name, convert in plan.items():
        if name in row:
            row[name] = convert(row[name])


def date_plan(properties: Schema, report: Report) -> Plan:
    """Return the plan that converts dates; lists hold objects, as all of Xero's do."""
    return _plan(properties, "", partial(_dates, report=report))


def type_plan(properties: Schema, report: Report) -> Plan:
    """Return the plan that makes any row fit; it does no harm to one whose dates are converted."""
    return _plan(properties, "", partial(_types, report=report))


def checker(properties: Schema) -> msgspec.json.Decoder[Any]:
    """Return a decoder that raises DecodeError (or RecursionError) unless a record fits."""
    return msgspec.json.Decoder(_struct(properties))


def _plan(
    properties: Schema, prefix: str, converter: Callable[[Schema, str], Convert | None]
) -> Plan:
    pairs = ((name, converter(part, prefix + name)) for name, part in properties.items())
    return {name: convert for name, convert in pairs if convert}


def _dates(schema: Schema, path: str, report: Report) -> Convert | None:
    kinds = _kinds(schema)
    if kinds == _DATE:
        return _date(path, report)
    if "object" in kinds:
        plan = _plan(_properties(schema), f"{path}.", partial(_dates, report=report))
        return _if_dated(_in_object(plan)) if plan else None
    if "array" in kinds:
        items = schema.get("items", {})
        plan = _plan(_properties(items), f"{path}[].", partial(_dates, report=report))
        return _if_dated(_in_objects(plan)) if plan else None
    return None


def _date(path: str, report: Report) -> Convert:
    name = path.rpartition(".")[2]
    assert "Date" in name, f"{path}: `_if_dated` would miss it"  # noqa: S101
    # Xero's own naming: what ends so is a moment, everything else is a day (Xero OpenAPI 16.1.0).
    convert = _instant if name.endswith(("UTC", "UTCString")) else _calendar_day

    def to_date(value: Raw) -> Raw:
        literal = bytes(value)
        return convert(literal) or _null(literal, path, report)

    return to_date


def _instant(literal: bytes) -> Raw | None:
    text = dates.instant(literal)
    return Raw(text) if text else None


@lru_cache(maxsize=8192)
def _calendar_day(literal: bytes) -> Raw | None:
    text = dates.calendar_day(literal)
    return Raw(text) if text else None


def _if_dated(convert: Convert) -> Convert:
    """Open a value only where the name of a date may stand in it, though it be in a text.

    Most nested documents come without their dates, and a search is far cheaper than decoding.
    All names of dates have `Date` in them (`date_plan` checks); one may be written with escapes.
    """

    def convert_if_dated(value: Raw) -> Raw:
        text = bytes(value)
        return convert(value) if b"Date" in text or b"\\u" in text else value

    return convert_if_dated


def _types(schema: Schema, path: str, report: Report) -> Convert | None:
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
    plan = _plan(_properties(schema), f"{path}.", partial(_types, report=report))
    if plan:
        return _in_object(plan)
    item = _types(schema.get("items", {}), f"{path}[]", report)
    return _in_array(item) if item else None


def _in_object(plan: Plan) -> Convert:
    def convert(value: Raw) -> Raw:
        try:
            row = _ROW.decode(value)
        except msgspec.DecodeError:
            return value
        apply(plan, row)
        return Raw(_ENCODER.encode(row))

    return convert


def _in_objects(plan: Plan) -> Convert:
    def convert(value: Raw) -> Raw:
        try:
            rows = _ROWS.decode(value)
        except msgspec.DecodeError:
            return value
        for row in rows:
            if row:
                apply(plan, row)
        return Raw(_ENCODER.encode(rows))

    return convert


def _in_array(item: Convert) -> Convert:
    def convert(value: Raw) -> Raw:
        return Raw(_ENCODER.encode([item(part) for part in _ITEMS.decode(value)]))

    return convert


def _null(value: bytes, path: str, report: Report) -> Raw:
    """Return null, and report what stood there unless Xero meant null by it (`[]` too)."""
    if value not in (b"null", b"[]"):
        report(path, value)
    return _NULL


def _properties(schema: Schema) -> Schema:
    properties: Schema = schema.get("properties", {})
    return properties


def _kinds(schema: Schema) -> frozenset[str]:
    """Return the types that a value may have beside null, or `date-time`; empty means any."""
    if schema.get("format") == "date-time":
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


def _struct(properties: Schema) -> Any:  # noqa: ANN401 - types made at run time
    fields = [
        (f"f{number}", _checked(part) | msgspec.UnsetType, _optional(name))
        for number, (name, part) in enumerate(properties.items())
    ]
    return msgspec.defstruct("Checked", fields, gc=False)


def _checked(schema: Schema) -> Any:  # noqa: ANN401 - types made at run time
    """Return the type as which msgspec decodes just the values that fit `schema`."""
    kinds = _kinds(schema)
    if not kinds:
        return Raw
    return reduce(or_, (_checked_kind(kind, schema) for kind in kinds), None)


def _checked_kind(kind: str, schema: Schema) -> Any:  # noqa: ANN401 - types made at run time
    if kind == "array":
        return list[_checked(schema.get("items", {}))]  # type: ignore[misc]
    if kind == "object" and schema.get("properties"):
        return _struct(schema["properties"])
    return _CHECKED[kind]


def _optional(name: str) -> Any:  # noqa: ANN401 - msgspec types its fields as Any
    return msgspec.field(default=msgspec.UNSET, name=name)


_CHECKED: dict[str, Any] = {
    "string": str,
    "date-time": str,
    "number": float,
    "integer": int,
    "boolean": bool,
    "object": dict[str, Raw],
}
