"""Rows as Xero wrote them to RECORD lines, compiled once per stream from its schema.

Nearly every record leaves as it came: its bytes are written, with the dates converted in place.
`as_record` does this on the thread that reads, as soon as a row has arrived, and checks the record
against the schema. Fields that Xero added since the schema was written are cut out of the bytes.

A row that does not fit is decoded by `lines`: fields that are not selected are left out, and values
of a wrong type are repaired, with one warning for each field.
"""

from __future__ import annotations

import logging
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
from msgspec import Raw

from tap_xero import dates
from tap_xero.output import conform, date_fields, unknown_fields
from tap_xero.paging.rows import decode, encode
from tap_xero.transport.json_text import REPLACEMENT

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

    from tap_xero.output.conform import Repairs, Schema
    from tap_xero.paging.pages import Page
    from tap_xero.paging.rows import Row

    _Decode: TypeAlias = Callable[[bytes], Any | None]
    _Cut: TypeAlias = Callable[[bytes, Any], bytes | None]

LOGGER = logging.getLogger(__name__)

# With more unknown fields than this, it is cheaper to decode each row.
_MOST_CUT = 10
_NO_FIELDS = b"{}"


class Records:
    """Turns the rows of one stream into RECORD lines.

    `schema` is the stream's resolved schema, `selected` the names of the top-level fields to
    keep, `line_table_fields` those that line tables hold; `add_fields` adds to each row the fields
    that Xero has elsewhere in it; `version` goes into each message of a full table. `tenant_id` is
    written first in each record, as TenantID.
    """

    def __init__(  # noqa: PLR0913 - what makes a RECORD line; each is one fact
        self,
        tap_stream_id: str,
        schema: Schema,
        *,
        selected: frozenset[str],
        line_table_fields: frozenset[str] = frozenset(),
        add_fields: Callable[[Row], None] | None = None,
        version: int | None = None,
        tenant_id: str | None = None,
    ) -> None:
        self._stream = tap_stream_id
        self._selected = selected
        self._known = line_table_fields.union(schema["properties"])
        self._unknown: frozenset[str] = frozenset()
        self._add_fields = add_fields
        self._decodes_every_row = add_fields is not None
        self._warned: set[str] = set()
        self._kept = kept = {
            name: part for name, part in schema["properties"].items() if name in selected
        }
        self._with_dates = date_fields.converter(kept)
        # The decoder, and what cuts the unknown fields out, belong together: two threads use them.
        self._reading: tuple[_Decode, _Cut | None] = (conform.decoder(kept), None)
        self._head = b'{"type":"RECORD","stream":%s,"record":' % msgspec.json.encode(tap_stream_id)
        # With a tenant the head ends inside of the record, which then begins behind its brace.
        self._behind_brace = 0 if tenant_id is None else 1
        if tenant_id is not None:
            self._head += b'{"TenantID":%s,' % msgspec.json.encode(tenant_id)
        self._version = b"" if version is None else b',"version":%d' % version

    @cached_property
    def _repairs(self) -> Repairs:
        """The repairs of all fields; most streams never need them, and they take long to make."""
        return conform.repairs_for(self._kept, self._warn_of_misfit)

    def as_record(self, row: Raw) -> tuple[bytes, Any] | None:
        """Return a row as a record that fits the schema, and the record's fields as an object.

        Returns None if the row has to be decoded for that. The thread that reads the row calls
        this, so that a row is looked at only once, for its key and stamp and for its types.
        """
        if self._decodes_every_row:
            return None
        decode_if_fitting, cut = self._reading
        record = self._with_dates(row)
        fields = decode_if_fitting(record)
        if fields is None:
            return self.as_record(row) if self._learns_unknown_fields(row) else None
        known = cut(record, fields) if cut else record
        return None if known is None else (known, fields)

    def lines(self, page: Page) -> list[bytes]:
        """Return a RECORD message for each row of the page, one a line, in pieces to be joined."""
        extracted = dates.now_text(page.source.received)
        tail = b'%s,"time_extracted":"%s"}\n' % (self._version, extracted.encode())
        parts: list[bytes] = []
        for row in page.rows:
            record = self._record(row) if isinstance(row, Raw) else row
            if REPLACEMENT in record:
                self._warn_once(
                    f"{self._stream}: a text holds U+FFFD, in place of a character that cannot be "
                    "stored or was lost before"
                )
            if record == _NO_FIELDS and self._behind_brace:
                parts += (self._head.removesuffix(b","), b"}", tail)
            else:
                parts += (self._head, record[self._behind_brace :], tail)
        return parts

    def _record(self, row: Raw) -> bytes:
        as_record = self.as_record(row)
        return as_record[0] if as_record else self._decoded_record(row)

    def _decoded_record(self, row: Raw) -> bytes:
        """Return the record of a row that has to be decoded: without surplus fields, repaired."""
        fields = decode(row)
        if self._add_fields:
            self._add_fields(fields)
        surplus = fields.keys() - self._selected
        self._warn_of_unknown(surplus - self._known)
        for name in surplus:
            del fields[name]
        record = self._with_dates(encode(fields))
        decode_if_fitting, _ = self._reading
        if decode_if_fitting(record):
            return record
        fields = decode(record)
        conform.repair(fields, self._repairs)
        return bytes(encode(fields))

    def _learns_unknown_fields(self, row: Raw) -> bool:
        """Prepare to cut out the unknown fields of a row; say whether there are new ones.

        Rows of one list have the same fields, so the next rows will have them too.
        """
        fields = decode(row)
        surplus = fields.keys() - self._selected
        unknown = self._unknown | (surplus - self._known)
        self._decodes_every_row = len(unknown) > _MOST_CUT or bool(surplus & self._known)
        if self._decodes_every_row or unknown == self._unknown:
            return False
        self._warn_of_unknown(unknown)
        self._unknown = unknown
        names = sorted(unknown)
        decoder = conform.decoder(self._kept, unknown_fields.fields_for(names))
        self._reading = (decoder, unknown_fields.cutter(names))
        return True

    def _warn_of_unknown(self, names: AbstractSet[str]) -> None:
        for name in sorted(names):
            self._warn_once(
                f"{self._stream}: Xero sends a field {name} that the schema does not know; "
                "it is left out"
            )

    def _warn_of_misfit(self, path: str, before: bytes, after: bytes) -> None:
        outcome = "becomes null" if after == b"null" else "is converted"
        self._warn_once(
            f"{self._stream}.{path}: a value that the schema does not allow {outcome}",
            f", the first is {before[:60].decode(errors='replace')}",
        )

    def _warn_once(self, warning: str, example: str = "") -> None:
        if warning not in self._warned:
            self._warned.add(warning)
            LOGGER.warning("%s%s", warning, example)
