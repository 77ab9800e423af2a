"""Makes the rows of a line table from the pages of its parent."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw

from tap_xero.paging.pages import Page
from tap_xero.paging.rows import Row, decode_rows, encode_rows, items, nested_rows
from tap_xero.streams.line_tables import LINE_TABLES, POSITION, carried_fields
from tap_xero.streams.schema_files import stream_schema
from tap_xero.streams.table import STREAM_BY_ID

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tap_xero.paging.endpoint import EndpointPage
    from tap_xero.streams.line_tables import Level

LOGGER = logging.getLogger(__name__)

_NOTHING = frozenset({b"null", b"[]", b'""'})


class LineSplitter:
    """Makes the rows of one line table from the pages of its parent."""

    def __init__(self, tap_stream_id: str) -> None:
        self._table = next(each for each in LINE_TABLES if each.tap_stream_id == tap_stream_id)
        parent = STREAM_BY_ID[self._table.parent]
        schema = stream_schema(self._table.parent)
        self._carried = carried_fields(parent, schema["properties"])
        self._levels = [(level, has_id) for level, has_id, _ in self._table.levels(schema)]
        self._warned = False

    def page(self, parents: Iterable[Row], source: EndpointPage) -> Page:
        """Return the lines of the rows of its parent, which came in the answer `source`."""
        return Page(encode_rows(line for row in parents for line in self._lines(row)), source)

    def _lines(self, row: Row) -> Iterator[Row]:
        head = {name: row[name] for name in self._carried if name in row}
        parents: list[tuple[Row, Row]] = [(head, row)]
        for number, (level, has_id) in enumerate(self._levels, start=1):
            lines = [
                (carried | key, element)
                for carried, parent in parents
                for key, element in self._elements(parent, level, has_id=has_id)
            ]
            if number < len(self._levels):
                lines = [(_without(carried, POSITION), element) for carried, element in lines]
            parents = lines
        return (element | carried for carried, element in parents)

    def _elements(self, row: Row, level: Level, *, has_id: bool) -> Iterator[tuple[Row, Row]]:
        """Yield the elements of a list in `row`, each with the fields of its key."""
        seen: set[bytes] = set()
        for position, element in enumerate(self._decoded(bytes(row.get(level.field, b"[]"))), 1):
            number = Raw(str(position).encode())
            if not has_id:
                yield {level.key: number, POSITION: number}, element
                continue
            uid = bytes(element.get(level.key, b"null"))
            if not uid.startswith(b'"') or uid == b'""' or uid in seen:
                uid = b'"%d"' % position
            seen.add(uid)
            yield {level.key: Raw(uid), POSITION: number}, element

    def _decoded(self, value: bytes) -> list[Row]:
        if value in _NOTHING:
            return []
        try:
            return nested_rows(value)
        except msgspec.DecodeError:
            self._warn(value)
        found = items(value) if value.startswith(b"[") else []
        return decode_rows(item for item in found if bytes(item).startswith(b"{"))

    def _warn(self, value: bytes) -> None:
        if not self._warned:
            self._warned = True
            LOGGER.warning(
                "%s: an element that is not a JSON object is left out, the first is in %s",
                self._table.tap_stream_id,
                value[:60].decode(errors="replace"),
            )


def _without(row: Row, name: str) -> Row:
    return {field: value for field, value in row.items() if field != name}
