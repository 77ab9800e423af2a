"""Rows as Xero wrote them to RECORD lines, compiled once per stream from its schema.

Nearly every record leaves as it came: its bytes are written, with its dates converted where they
stand. Before, as the row is read, it is checked against the schema. Only one that does not fit is
opened: fields that are not wanted are left out, and what has the wrong type becomes null, with one
warning for each field.
"""

from __future__ import annotations

import logging
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw

from tap_xero import dates
from tap_xero.output import conform, date_fields
from tap_xero.paging.rows import decode_rows, encode
from tap_xero.transport import json_text

if TYPE_CHECKING:
    from tap_xero.output.conform import Plan, Schema
    from tap_xero.paging.pages import Page
    from tap_xero.paging.rows import Row

LOGGER = logging.getLogger(__name__)


class Records:
    """Turns the rows of one stream into RECORD lines.

    `schema` is the stream's resolved schema, `selected` the names of the top-level fields to
    keep, `lists` those that line tables hold; `version` goes into each message of a full table.
    `tenant_id` is written first in each record, as TenantID.
    """

    def __init__(  # noqa: PLR0913 - what makes a RECORD line; each is one fact
        self,
        tap_stream_id: str,
        schema: Schema,
        *,
        selected: frozenset[str],
        lists: frozenset[str] = frozenset(),
        version: int | None = None,
        tenant_id: str | None = None,
    ) -> None:
        self._stream = tap_stream_id
        self._selected = selected
        self._known = lists.union(schema["properties"])
        self._as_they_come = True
        self._warned: set[str] = set()
        self._kept = kept = {
            name: part for name, part in schema["properties"].items() if name in selected
        }
        self._with_dates = date_fields.converter(kept)
        self._fitting = conform.decoder(kept)
        self._head = b'{"type":"RECORD","stream":%s,"record":' % msgspec.json.encode(tap_stream_id)
        # With a tenant the head ends inside of the record, which then begins behind its brace.
        self._behind_brace = 0 if tenant_id is None else 1
        if tenant_id is not None:
            self._head += b'{"TenantID":%s,' % msgspec.json.encode(tenant_id)
        self._version = b"" if version is None else b',"version":%d' % version

    @cached_property
    def _plan(self) -> Plan:
        """What makes a record fit; most streams never need it, and it takes a while to make."""
        return conform.plan(self._kept, self._report)

    def as_record(self, row: Raw) -> tuple[bytes, Any] | None:
        """Return the record of a row that can be written as it came, and its fields by name.

        Whoever reads a list looks into each row anyway, in a thread of its own; with this it is
        looked at but once. Returns None for a row that has to be opened.
        """
        if not self._as_they_come:
            return None
        record = self._with_dates(row)
        fields = self._fitting(record)
        return None if fields is None else (record, fields)

    def lines(self, page: Page) -> list[bytes]:
        """Return a RECORD message for each row of the page, one a line, in pieces to be joined."""
        extracted = dates.now_text(page.source.received)
        tail = b'%s,"time_extracted":"%s"}\n' % (self._version, extracted.encode())
        parts: list[bytes] = []
        for row in page.rows:
            record = json_text.restore(self._record(row, extracted))
            parts += (self._head, record[self._behind_brace :], tail)
        return parts

    def _record(self, row: bytes, extracted: str) -> bytes:
        if not isinstance(row, Raw):
            return row
        found = self.as_record(row)
        return found[0] if found else self._mended(row, extracted)

    def _mended(self, as_sent: Raw, extracted: str) -> bytes:
        (row,) = decode_rows([as_sent])
        surplus = row.keys() - self._selected
        self._leave_out(row, surplus, extracted)
        # The rows of a list are alike: the next one will have to be opened, too.
        self._as_they_come = not surplus
        record = self._with_dates(bytes(encode(row)))
        if self._fitting(record):
            return record
        (row,) = decode_rows([record])
        conform.apply(self._plan, row)
        return bytes(encode(row))

    def _leave_out(self, row: Row, surplus: set[str], extracted: str) -> None:
        for name in surplus:
            del row[name]
            if name not in self._known and name not in self._warned:
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
