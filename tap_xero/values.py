r"""What a schema says of values, compiled: where dates are to convert, and what fits.

A plan is a dict of field name to what converts that field's raw JSON; it is made once from the
schema and applied to each row. There are two: `date_plan` leads to those fields that may hold a
date, also further down, and opens no others; `type_plan` looks at every value and turns what
has the wrong type into null. `checker` says fast, in C, whether a record needs the second at
all: it decodes the record into types made from the schema. For a record that it takes, the type
plan changes nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
from msgspec import Raw

from tap_xero import dates
from tap_xero.lists import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Schema: TypeAlias = "Mapping[str, Any]"
# Takes and returns a value as raw JSON on one line.
Convert: TypeAlias = "Callable[[Raw], Raw]"
Plan: TypeAlias = "dict[str, Convert]"
# Is told of each value that becomes null: the field's path, such as `LineItems[].Quantity`.
Report: TypeAlias = "Callable[[str, bytes], None]"

_NULL = Raw(b"null")
_ENCODER = msgspec.json.Encoder()
_ROW = msgspec.json.Decoder(Row)
_ITEMS = msgspec.json.Decoder(list[Raw])


def apply(plan: Plan, row: Row) -> None:
    """Convert those fields of the row that the plan names, in place."""
    for name, convert in plan.items():
        if name in row:
            row[name] = convert(row[name])


def date_plan(properties: Schema, report: Report) -> Plan:
    """Return the plan that converts dates; what has another type than it should is left alone."""
    return _plan(properties, "", lambda schema, path: _dates(schema, path, report))


def type_plan(properties: Schema, report: Report) -> Plan:
    """Return the plan that makes null of every value that the schema does not allow.

    Dates count as text here: they are converted before.
    """
    return _plan(properties, "", lambda schema, path: _types(schema, path, report))


def checker(properties: Schema) -> msgspec.json.Decoder[Any]:
    """Return a decoder that raises DecodeError (or RecursionError) unless a record fits."""
    return msgspec.json.Decoder(_struct(properties))


def _plan(
    properties: Schema, prefix: str, converter: Callable[[Schema, str], Convert | None]
) -> Plan:
    pairs = ((name, converter(part, prefix + name)) for name, part in properties.items())
    return {name: convert for name, convert in pairs if convert}


def _dates(schema: Schema, path: str, report: Report) -> Convert | None:
    kind = _kind(schema)
    if kind == "date-time":
        return _date(path, report)
    if kind == "object":
        properties = schema.get("properties", {})
        plan = _plan(properties, f"{path}.", lambda part, path: _dates(part, path, report))
        return _if_named(schema, _in_object(plan)) if plan else None
    if kind == "array":
        item = _dates(schema.get("items", {}), f"{path}[]", report)
        return _if_named(schema, _in_array(item)) if item else None
    return None


def _date(path: str, report: Report) -> Convert:
    name = path.rpartition(".")[2]
    # Xero's own naming: what ends so is a moment, everything else is a day (Xero OpenAPI 16.1.0).
    convert = dates.instant if name.endswith(("UTC", "UTCString")) else dates.calendar_day

    def to_date(value: Raw) -> Raw:
        literal = bytes(value)
        converted = convert(literal)
        return Raw(converted) if converted else _null(literal, path, report)

    return to_date


def _if_named(schema: Schema, convert: Convert) -> Convert:
    """Open a value only where the name of a date may stand in it, though it be in a text.

    Most nested documents come without their dates, and a search is far cheaper than decoding.
    """
    # Nearly all of Xero's dates have `Date` in their name; a name may be written with escapes.
    needles = {b"Date" if "Date" in name else name.encode() for name in _date_names(schema)}
    needles.add(b"\\u")

    def convert_if_named(value: Raw) -> Raw:
        text = bytes(value)
        for needle in needles:
            if needle in text:
                return convert(value)
        return value

    return convert_if_named


def _date_names(schema: Schema) -> Iterable[str]:
    for name, part in schema.get("properties", {}).items():
        if _kind(part) == "date-time":
            yield name
        yield from _date_names(part)
    if "items" in schema:
        yield from _date_names(schema["items"])


def _types(schema: Schema, path: str, report: Report) -> Convert | None:
    kind = _kind(schema)
    if kind is None:
        return None
    convert = None
    if kind == "object":
        properties = schema.get("properties", {})
        plan = _plan(properties, f"{path}.", lambda part, path: _types(part, path, report))
        convert = _in_object(plan) if plan else None
    elif kind == "array":
        item = _types(schema.get("items", {}), f"{path}[]", report)
        convert = _in_array(item) if item else None
    fits = _FITS[kind]

    def to_type(value: Raw) -> Raw:
        text = bytes(value)
        if not fits(text):
            return _null(text, path, report)
        return convert(value) if convert else value

    return to_type


def _in_object(plan: Plan) -> Convert:
    def convert(value: Raw) -> Raw:
        if not bytes(value).startswith(b"{"):
            return value
        row = _ROW.decode(value)
        apply(plan, row)
        return Raw(_ENCODER.encode(row))

    return convert


def _in_array(item: Convert) -> Convert:
    def convert(value: Raw) -> Raw:
        if not bytes(value).startswith(b"["):
            return value
        return Raw(_ENCODER.encode([item(part) for part in _ITEMS.decode(value)]))

    return convert


def _null(value: bytes, path: str, report: Report) -> Raw:
    """Return null, and report what stood there unless Xero meant null by it (`[]` too)."""
    if value not in (b"null", b"[]"):
        report(path, value)
    return _NULL


def _kind(schema: Schema) -> str | None:
    """Return the one type that a value may have beside null, or `date-time`; None for any."""
    if schema.get("format") == "date-time":
        return "date-time"
    types = schema.get("type", [])
    named = {types} if isinstance(types, str) else {*types} - {"null"}
    return named.pop() if len(named) == 1 else None


_FITS: dict[str, Callable[[bytes], object]] = {
    "string": re.compile(rb'"').match,
    "date-time": re.compile(rb'"').match,
    "number": re.compile(rb"[-0-9]").match,
    "integer": re.compile(rb"-?[0-9]+").fullmatch,
    "boolean": re.compile(rb"true|false").match,
    "object": re.compile(rb"\{").match,
    "array": re.compile(rb"\[").match,
}


def _struct(properties: Schema) -> Any:  # noqa: ANN401 - types made at run time
    fields = [
        (f"f{number}", _checked(part) | msgspec.UnsetType, _optional(name))
        for number, (name, part) in enumerate(properties.items())
    ]
    return msgspec.defstruct("Checked", fields, gc=False)


def _checked(schema: Schema) -> Any:  # noqa: ANN401 - types made at run time
    """Return the type as which msgspec decodes just the values that fit `schema`."""
    kind = _kind(schema)
    if kind == "array":
        return list[_checked(schema.get("items", {}))] | None  # type: ignore[misc]
    if kind == "object" and schema.get("properties"):
        return _struct(schema["properties"]) | None
    return _CHECKED[kind]


def _optional(name: str) -> Any:  # noqa: ANN401 - msgspec types its fields as Any
    return msgspec.field(default=msgspec.UNSET, name=name)


_CHECKED: dict[str | None, Any] = {
    "string": str | None,
    "date-time": str | None,
    "number": float | None,
    "integer": int | None,
    "boolean": bool | None,
    "object": dict[str, Raw] | None,
    None: Raw,
}
