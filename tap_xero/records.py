"""Rows as Xero wrote them to RECORD lines, compiled once per stream from its schema.

Nearly all of a record leaves as it came: msgspec hands over the raw bytes of each top-level
field, and those bytes are written. Two things make work. Dates have to be converted, so the
fields that hold dates, also further down, are taken apart as far as their dates. And a value may
not be what the schema says. That is checked for the whole answer at once, by decoding it in C
into types made from the schema and throwing the result away. Only if that fails, each of its
records is checked alone, and a record that does not fit is rebuilt field by field: what has the
wrong type becomes null, with one warning for each field.

So there is one plan per schema, kept twice: `copying` converts dates and passes everything else,
`mending` looks at every value. On a record that fits the schema both give the same bytes.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
from msgspec import Raw

from tap_xero import dates, wire
from tap_xero.lists import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_xero.pagers import Page

LOGGER = logging.getLogger(__name__)

Schema: TypeAlias = "Mapping[str, Any]"
Report: TypeAlias = "Callable[[str, bytes], None]"
Convert: TypeAlias = "Callable[[bytes], Raw]"

NULL = Raw(b"null")
_INTEGER = re.compile(rb"-?[0-9]+")
_NUMBER_STARTS = frozenset(b"-0123456789")
_ENCODER = msgspec.json.Encoder()
_ROW = msgspec.json.Decoder(Row)
_ITEMS = msgspec.json.Decoder(list[Raw])


class Records:
    """Turns the rows of one stream into RECORD lines.

    `schema` is the stream's resolved schema, `selected` the names of the top-level fields to
    keep, `version` goes into each message of a full table.
    """

    def __init__(
        self,
        tap_stream_id: str,
        schema: Schema,
        *,
        rows_key: str,
        selected: frozenset[str],
        version: int | None = None,
    ) -> None:
        self._stream = tap_stream_id
        self._selected = selected
        self._documented = frozenset(schema["properties"])
        self._warned: set[str] = set()
        kept = {name: part for name, part in schema["properties"].items() if name in selected}
        self._copying = _plan(kept, self._report, convert=_copying)
        self._mending = _plan(kept, self._report, convert=_mending)
        row_type = _checked_type({"type": "object", "properties": kept})
        self._row_check = msgspec.json.Decoder(row_type)
        self._answer_check = msgspec.json.Decoder(_answer_type(rows_key, row_type))
        self._head = {"type": "RECORD", "stream": tap_stream_id}
        self._tail = {} if version is None else {"version": version}

    def lines(self, page: Page) -> bytes:
        """Return a RECORD message for each row of the page, one a line.

        The rows are used up: they hold converted values afterwards.
        """
        if not page.rows:
            return b""
        extracted = dates.now_text(page.source.received)
        fits = _decodes(self._answer_check, page.source.body)
        messages = [
            {
                **self._head,
                "record": self._record(row, extracted, fits=fits),
                **self._tail,
                "time_extracted": extracted,
            }
            for row in page.rows
        ]
        return wire.restore(_ENCODER.encode_lines(messages))

    def _record(self, row: Row, extracted: str, *, fits: bool) -> Row:
        if not row.keys() <= self._selected:
            self._leave_out(row, extracted)
        whole = fits or _decodes(self._row_check, _ENCODER.encode(row))
        for name, convert in (self._copying if whole else self._mending).items():
            if name in row:
                row[name] = convert(bytes(row[name]))
        return row

    def _leave_out(self, row: Row, extracted: str) -> None:
        for name in row.keys() - self._selected:
            del row[name]
            if name not in self._documented and name not in self._warned:
                self._warned.add(name)
                LOGGER.warning(
                    "%s: Xero sends a field %s that the schema does not know (answer of %s); "
                    "it is left out",
                    self._stream,
                    name,
                    extracted,
                )

    def _report(self, path: str, value: bytes) -> None:
        if path not in self._warned:
            self._warned.add(path)
            LOGGER.warning(
                "%s.%s: a value that the schema does not allow becomes null, the first is %s",
                self._stream,
                path,
                value[:60].decode(errors="replace"),
            )


def _decodes(decoder: msgspec.json.Decoder[Any], body: bytes) -> bool:
    try:
        decoder.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _plan(
    properties: Schema, report: Report, convert: Callable[[Schema, str, Report], Convert | None]
) -> dict[str, Convert]:
    """Return a converter for each field that has to be looked at."""
    converters = ((name, convert(part, name, report)) for name, part in properties.items())
    return {name: converter for name, converter in converters if converter is not None}


def _copying(schema: Schema, path: str, report: Report) -> Convert | None:
    """Return what converts the dates in a value that fits `schema`, or None if it has none."""
    kind = _kind(schema)
    if kind == "date-time":
        return _date(path, report)
    if kind == "object":
        fields = {
            name: converter
            for name, part in schema.get("properties", {}).items()
            if (converter := _copying(part, f"{path}.{name}", report))
        }
        return _object(fields, path, report) if fields else None
    if kind == "array":
        item = _copying(schema.get("items", {}), f"{path}[]", report)
        return _array(item, path, report) if item else None
    return None


def _mending(schema: Schema, path: str, report: Report) -> Convert | None:
    """Return what makes any value one that fits `schema`, or None if every value does."""
    kind = _kind(schema)
    if kind == "date-time":
        return _date(path, report)
    if kind == "object":
        properties = schema.get("properties", {}).items()
        fields = {
            name: converter
            for name, part in properties
            if (converter := _mending(part, f"{path}.{name}", report))
        }
        return _object(fields, path, report)
    if kind == "array":
        item = _mending(schema.get("items", {}), f"{path}[]", report)
        return _array(item or Raw, path, report)
    return _scalar(kind, path, report) if kind else None


def _kind(schema: Schema) -> str | None:
    """Return the one type that a value may have beside null, or `date-time`; None for any."""
    if schema.get("format") == "date-time":
        return "date-time"
    types = schema.get("type", [])
    named = {types} if isinstance(types, str) else {*types} - {"null"}
    return named.pop() if len(named) == 1 else None


def _date(path: str, report: Report) -> Convert:
    name = path.rpartition(".")[2]
    # Xero's own naming: what ends so is a moment, everything else is a day (Xero OpenAPI 16.1.0).
    convert = dates.instant if name.endswith(("UTC", "UTCString")) else dates.calendar_day

    def to_date(value: bytes) -> Raw:
        text = convert(value)
        if text is None:
            return _null(value, path, report)
        return Raw(text)

    return to_date


def _object(fields: dict[str, Convert], path: str, report: Report) -> Convert:
    def to_object(value: bytes) -> Raw:
        if not value.startswith(b"{"):
            return _null(value, path, report)
        row = _ROW.decode(value)
        for name in fields.keys() & row.keys():
            row[name] = fields[name](bytes(row[name]))
        return Raw(_ENCODER.encode(row))

    return to_object


def _array(item: Convert, path: str, report: Report) -> Convert:
    def to_array(value: bytes) -> Raw:
        if value == b"[]":
            return Raw(value)
        if not value.startswith(b"["):
            return _null(value, path, report)
        items = [item(bytes(raw)) for raw in _ITEMS.decode(value)]
        return Raw(_ENCODER.encode(items))

    return to_array


def _scalar(kind: str, path: str, report: Report) -> Convert:
    fits = _FITS[kind]

    def to_scalar(value: bytes) -> Raw:
        return Raw(value) if fits(value) else _null(value, path, report)

    return to_scalar


def _null(value: bytes, path: str, report: Report) -> Raw:
    """Return null, and report what stood there unless Xero meant null by it (`[]` too)."""
    if value not in (b"null", b"[]"):
        report(path, value)
    return NULL


_FITS: dict[str, Callable[[bytes], bool]] = {
    "string": lambda value: value.startswith(b'"'),
    "number": lambda value: value[0] in _NUMBER_STARTS,
    "integer": lambda value: _INTEGER.fullmatch(value) is not None,
    "boolean": lambda value: value in (b"true", b"false"),
}


def _answer_type(rows_key: str, row_type: Any) -> Any:  # noqa: ANN401 - types made at run time
    rows = list[row_type] | msgspec.UnsetType | None
    field = msgspec.field(default=msgspec.UNSET, name=rows_key)
    return msgspec.defstruct("Answer", [("rows", rows, field)], gc=False)


def _checked_type(schema: Schema) -> Any:  # noqa: ANN401 - types made at run time
    """Return the type as which msgspec decodes just the values that fit `schema`."""
    kind = _kind(schema)
    if kind == "array":
        return list[_checked_type(schema.get("items", {}))] | None  # type: ignore[misc]
    if kind == "object" and schema.get("properties"):
        fields = [
            (f"f{number}", _checked_type(part) | msgspec.UnsetType, _optional(name))
            for number, (name, part) in enumerate(schema["properties"].items())
        ]
        return msgspec.defstruct("Checked", fields, gc=False) | None
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
