"""A list of rows that can be edited while it is served, and that keeps what it has rendered.

A generated row is only its number until somebody asks for it; an edited or given row is a
document; a ready-made row is bytes.  Order by stamp is restored when it is next asked for, so an
edit costs nothing by itself.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from decimal import Decimal
from operator import attrgetter
from typing import TYPE_CHECKING

import msgspec

from tap_xero.demo.xero_json import Document

if TYPE_CHECKING:
    from collections.abc import Callable

_BY_STAMP = attrgetter("stamp", "key")
_READER = msgspec.json.Decoder(Document, float_hook=Decimal)


@dataclass(eq=False)
class Row:
    """One row: `stamp` in milliseconds, 0 for none; `hidden` from reads that do not ask for it."""

    __slots__ = ("document", "hidden", "key", "make", "raw", "rendered", "serial", "stamp")

    key: str
    stamp: int
    serial: int
    hidden: bool
    make: tuple[Callable[..., Document], tuple[object, ...]] | None
    document: Document | None
    raw: bytes | None
    rendered: dict[object, bytes] | None

    def read(self) -> Document:
        """Give the row's document; do not change it."""
        if self.document is not None:
            return self.document
        if self.make is None:
            return _READER.decode(self.raw or b"{}")
        function, arguments = self.make
        return function(*arguments)


@dataclass
class Table:
    """The rows of one list, by key, in the order in which they were made."""

    rows: dict[str, Row] = field(default_factory=dict)
    _by_stamp: list[Row] = field(default_factory=list)
    _stale: bool = False
    _serial: int = 0

    def put(  # noqa: PLR0913
        self,
        key: str,
        stamp: int,
        *,
        make: tuple[Callable[..., Document], tuple[object, ...]] | None = None,
        document: Document | None = None,
        raw: bytes | None = None,
        hidden: bool = False,
        serial: int | None = None,
    ) -> None:
        """Add a row, or replace the one with this key in its place."""
        before = self.rows.get(key)
        if serial is None:
            serial = before.serial if before else self._serial
        self._serial += before is None
        self.rows[key] = Row(key, stamp, serial, hidden, make, document, raw, None)
        self._stale = True

    def drop(self, key: str) -> None:
        """Take a row out without a trace; KeyError if there is none."""
        del self.rows[key]
        self._stale = True

    def by_stamp(self) -> list[Row]:
        """Give all rows by stamp, then key."""
        if self._stale:
            self._by_stamp = sorted(self.rows.values(), key=_BY_STAMP)
            self._stale = False
        return self._by_stamp

    def since(self, least: int) -> list[Row]:
        """Give the rows with a stamp of at least `least`, and those without one, by stamp."""
        rows = self.by_stamp()
        unstamped = bisect_left(rows, 1, key=attrgetter("stamp"))
        return (
            rows[:unstamped]
            + rows[max(unstamped, bisect_left(rows, least, key=attrgetter("stamp"))) :]
        )
