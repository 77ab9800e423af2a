"""Lists sorted by when their rows were last modified, read so that no edit can lose a row.

*Seeking.* Page numbers are offsets into a list that shifts when a row is edited and so moves to
its end. Instead, after each page, page 1 is asked for again with the last stamp (less a second)
as If-Modified-Since. Whatever was not read yet has that stamp or a later one, whoever edits what
meanwhile. What the new answer repeats is dropped by key and stamp.

*Stacks.* Where that stamp does not get us on (thousands of rows with one stamp, or Xero rounding
the header down to the day), pages are stepped, but from the last of them to the first: a row
that leaves drops its successors into pages still to be read, never out of them, and a row that
is edited moves to the end, where seeking finds it. So a stack needs no second look, unless
a row appears in it twice, and costs one call more than it has pages.

*Proof.* All this needs a sorted list and an honest count. Each page is checked for order; a page
too short to show it is backed by asking for the newest row first. `pagination.itemCount` has to
fall from one answer to the next by no more than the rows that were read in between; else rows
stand where they should not. Where the proof fails, or Xero gives no pagination, `sweep` takes
over from the last point that was proven.
"""

from __future__ import annotations

import logging
from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from tap_xero.errors import SlowAnswerError
from tap_xero.pagers import DAY, MINUTE, SECOND, Page, Start, ask_reaching, newest, wanted
from tap_xero.sweep import MAX_PASSES, halved, is_full, page_numbers, pagination_adds_up

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from tap_xero.lists import ListPage, Row, XeroList

LOGGER = logging.getLogger(__name__)

# A seek repeats some rows; from one in this many, stepping pages in stacks of as many is cheaper.
_STACK = 8
# A page of this many rows in order is evidence of a sorted list.
_TELLING = 100
_GRAINS = (SECOND, MINUTE, 60 * MINUTE, DAY)


@dataclass
class _Position:
    """How far a list has been read, and what was learnt about Xero on the way."""

    since: int | None
    known: int | None
    size: int
    # Rows from `floor` on are not read yet, except those in `tail`.
    floor: int | None
    tail: set[int] = field(default_factory=set)
    # Everything before `proven` has been yielded; None until the second answer.
    proven: int | None = None
    count: int | None = None
    counted: list[int] = field(default_factory=list)
    reach: int = 0
    grain: int | None = SECOND
    order_is_kept: bool | None = None
    calls_left: int | None = None

    @property
    def asked_since(self) -> int | None:
        """The moment to put into If-Modified-Since."""
        return None if self.since is None else self.since - self.reach


def modified_since(xero_list: XeroList, start: Start) -> Iterator[Page]:
    """Read what was modified since `start.since`, or everything, oldest first."""
    at = _Position(start.since, start.bookmark, start.page_size, start.since)
    while True:
        try:
            yield from _read_on(xero_list, start, at)
        except SlowAnswerError:
            at.size = halved(at.size)
            LOGGER.info("%s: asking for pages of %d rows", xero_list.path, at.size)
        else:
            return


def _read_on(xero_list: XeroList, start: Start, at: _Position) -> Iterator[Page]:
    while True:
        page = _ask(xero_list, at)
        if not _is_proven(xero_list, page, at):
            yield from _sweep(xero_list, start, at, page)
            return
        if _is_whole(page, at.size):
            yield Page(_unread(page, at), page, complete_to=_newest_known(page, at), last=True)
            return
        if at.calls_left == 0:
            yield Page(_unread(page, at), page, complete_to=at.proven, last=True)
            return
        _learn(page, at)
        if _gets_on(page, at):
            yield Page(_unread(page, at), page, complete_to=at.proven)
            _advance(page.stamps, page.ids, at)
            at.count, at.counted = _count(page), sorted(page.known_stamps)
        elif (yield from _read_stack(xero_list, at, page)):
            return


def _ask(xero_list: XeroList, at: _Position) -> ListPage:
    params = xero_list.page_params(1, at.size)
    page, at.reach = ask_reaching(xero_list, at.since, at.known, at.reach, **params)
    if at.calls_left is None:
        # Edits that never stop must not keep us here: the next run goes on from the bookmark.
        at.calls_left = 3 * (page.pagination.pageCount if page.pagination else 1) + 20
    at.calls_left = max(at.calls_left - 1, 0)
    return page


def _is_whole(page: ListPage, size: int) -> bool:
    """Say whether this one answer holds the list to its end."""
    return len(page.rows) == _count(page) and not is_full(page, size)


def _is_proven(xero_list: XeroList, page: ListPage, at: _Position) -> bool:
    if not pagination_adds_up(page, 1):
        return False
    if not _is_whole(page, at.size) and not _is_sorted(xero_list, page, at):
        return False
    if at.count is not None:
        stamps = page.known_stamps
        passed = bisect_left(at.counted, stamps[0]) if stamps else len(at.counted)
        # Fewer rows than that: some were deleted, or some stand behind where they belong.
        if _count(page) < at.count - passed and not _keeps_order(xero_list, page, at):
            return False
        at.proven = at.floor
    return True


def _is_sorted(xero_list: XeroList, page: ListPage, at: _Position) -> bool:
    stamps = page.known_stamps
    if any(later < earlier for earlier, later in pairwise(stamps)):
        return False
    return len(stamps) >= _TELLING or _keeps_order(xero_list, page, at)


def _keeps_order(xero_list: XeroList, page: ListPage, at: _Position) -> bool:
    """Ask for the newest row first: a server that sorts as told shows another row than before."""
    if at.order_is_kept is None:
        at.order_is_kept = False
        if xero_list.newest_first and page.rows:
            params = xero_list.page_params(1, 1) | xero_list.newest_first
            top = xero_list.ask(at.asked_since, **params)
            latest, last = newest(top), newest(page)
            at.order_is_kept = (
                latest is not None
                and (last is None or latest >= last)
                and top.ids[:1] != page.ids[:1]
            )
    return at.order_is_kept


def _sweep(xero_list: XeroList, start: Start, at: _Position, page: ListPage) -> Iterator[Page]:
    LOGGER.debug("%s: reading whole pages, the list is not plainly sorted", xero_list.path)
    since = start.since if at.proven is None else at.proven
    rest = Start(since, start.bookmark, at.size, at.reach)
    yield from page_numbers(xero_list, rest, page if at.count is None else None)


def _learn(page: ListPage, at: _Position) -> None:
    """Notice how coarsely Xero reads the header, from rows older than it asked for."""
    asked = at.asked_since
    if asked is None or at.grain is None or not page.known_stamps:
        return
    first = page.known_stamps[0]
    fitting = (grain for grain in _GRAINS if grain >= (at.grain or 0))
    at.grain = next((grain for grain in fitting if asked // grain * grain <= first), None)


def _gets_on(page: ListPage, at: _Position) -> bool:
    """Say whether seeking from the page's last stamp repeats few enough of its rows."""
    following = _following(page.known_stamps, at)
    if following is None:
        return False
    repeated = sum(stamp is None or stamp >= following for stamp in page.stamps)
    return repeated * _STACK <= len(page.rows)


def _following(stamps: list[int], at: _Position) -> int | None:
    """Return the stamp from which Xero would answer next, or None if that is no progress."""
    if not stamps or at.grain is None:
        return None
    anchor = _anchor(max(stamps))
    if at.since is not None and anchor <= at.since:
        return None
    return (anchor - at.reach) // at.grain * at.grain


def _anchor(stamp: int) -> int:
    """Return the If-Modified-Since that repeats all of `stamp`'s second: a second before it."""
    return stamp // SECOND * SECOND - SECOND


def _advance(stamps: list[int | None], ids: list[int], at: _Position) -> None:
    """Seek from the last of these rows, which are read."""
    latest = max(stamp for stamp in stamps if stamp is not None)
    at.known = max(latest, at.known or latest)
    at.since = at.floor = _anchor(latest)
    at.tail = {
        row_id
        for row_id, stamp in zip(ids, stamps, strict=True)
        if stamp is None or stamp >= at.floor
    }


def _read_stack(xero_list: XeroList, at: _Position, first: ListPage) -> Generator[Page, None, bool]:
    """Step the pages behind `first` from last to first; return True if the list ended there."""
    stack = _Stack(xero_list, at)
    yield stack.take(first)
    number = max(min(_pages(first), _STACK), 2)
    while True:
        top = stack.ask(number)
        yield stack.take(top)
        ends = not top.rows or (number >= _pages(top) and not is_full(top, at.size))
        if ends or _gets_on(top, at):
            break
        number = min(2 * number, max(_pages(top), number + 1))
    highest, shown = number - 1, list(top.ids)
    for _ in range(MAX_PASSES):
        for below in range(highest, 0, -1):
            page = stack.take(stack.ask(below))
            shown += page.source.ids
            yield page
        # Rows of one stamp may come in another order each time; then some appear twice.
        if len(shown) == len(set(shown)):
            break
        highest, shown = number, []
    if ends:
        yield Page([], first, complete_to=max(stack.known_stamps, default=None), last=True)
        return True
    at.count, at.counted = _count(page.source), sorted(stack.known_stamps)
    _advance(list(stack.stamps.values()), list(stack.stamps), at)
    return False


class _Stack:
    """The pages of one anchor, and which rows they have shown."""

    def __init__(self, xero_list: XeroList, at: _Position) -> None:
        self._list = xero_list
        self._at = at
        self.stamps: dict[int, int | None] = {}

    @property
    def known_stamps(self) -> list[int]:
        """The stamps of all rows so far."""
        return [stamp for stamp in self.stamps.values() if stamp is not None]

    def ask(self, number: int) -> ListPage:
        """Ask for one page under the anchor."""
        self._at.calls_left = max((self._at.calls_left or 0) - 1, 0)
        params = self._list.page_params(number, self._at.size)
        return self._list.ask(self._at.asked_since, **params)

    def take(self, source: ListPage) -> Page:
        """Return the page with those of its rows that are new."""
        rows = _unread(source, self._at, self.stamps)
        self.stamps.update(zip(source.ids, source.stamps, strict=True))
        return Page(rows, source, complete_to=self._at.proven)


def _unread(page: ListPage, at: _Position, shown: dict[int, int | None] | None = None) -> list[Row]:
    """Return the rows that have not been read before."""
    tail = at.tail
    return [
        row
        for row, stamp, row_id in zip(page.rows, page.stamps, page.ids, strict=True)
        if wanted(stamp, at.floor) and row_id not in tail and not (shown and row_id in shown)
    ]


def _newest_known(page: ListPage, at: _Position) -> int | None:
    """Return the latest stamp read so far."""
    return max((stamp for stamp in (newest(page), at.known) if stamp is not None), default=None)


def _count(page: ListPage) -> int:
    return page.pagination.itemCount if page.pagination else len(page.rows)


def _pages(page: ListPage) -> int:
    return page.pagination.pageCount if page.pagination else 1
