"""Read a list that is sorted by modification time, so that no edit can lose a row.

*Seeking.* A page number is an offset into a list. An edited row moves to the end of the list, and
all rows behind its old place shift. So the tap does not count pages. After each page it asks for
page 1 again, with the last stamp (less one second) as If-Modified-Since. Every row that was not
read yet has this stamp or a later one, whatever is edited meanwhile. Rows that come again are
dropped by key and stamp.

*Stacks.* The stamp may not advance: thousands of rows can share one stamp, or Xero may round the
header down to the day. Then the tap steps through the pages, from the last page to the first. A
row that leaves the list shifts its successors into pages that are still to be read. A row that is
edited moves to the end, where seeking finds it. So a stack is read once, unless a row appears in it
twice. It costs one call more than it has pages.

*Proof.* Seeking needs a sorted list and a correct count. Every page is checked for order. Until
enough rows have shown the order, the tap asks once for the newest row first: a server that honours
`order` returns another first row. `pagination.itemCount` must fall from one answer to the next by
the rows that were read between them. If it does not, rows may be in the wrong place, and the
question for the newest row first must show the contrary. If a proof fails, or if Xero sends no
pagination, `sweep` continues from the last point that was proven.
"""

from __future__ import annotations

import logging
from bisect import bisect_left
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from tap_xero.errors import SlowAnswerError
from tap_xero.paging.overlap import ask_reaching
from tap_xero.paging.pages import (
    DAY,
    MINUTE,
    SECOND,
    Page,
    Pager,
    Start,
    newest,
    wanted,
)
from tap_xero.paging.peek import peek_at_pages
from tap_xero.paging.sweep import (
    IDLE_PASSES_IF_SHUFFLED,
    halved,
    is_full,
    page_numbers,
    pagination_adds_up,
)

if TYPE_CHECKING:
    from collections.abc import Container, Generator, Iterable, Iterator, Mapping

    from tap_xero.paging.endpoint import Endpoint, EndpointPage

LOGGER = logging.getLogger(__name__)

# A seek repeats rows. If it repeats one in this many, stepping through pages is cheaper.
_MAX_REPEATS_IN = 8
# This many different stamps in order prove that the list is sorted.
_STAMPS_THAT_PROVE_ORDER = 100
# The units, in ms, to which Xero might round the header.
_ROUNDINGS = (SECOND, MINUTE, 60 * MINUTE, DAY)


def _modified_since(endpoint: Endpoint, start: Start) -> Iterator[Page]:
    """Read what was modified since `start.since`, or everything, oldest first."""
    seek = _Seek(endpoint, start)
    while True:
        try:
            yield from seek.pages()
        except SlowAnswerError:
            seek.ask_for_less()
        else:
            return


MODIFIED_SINCE = Pager(_modified_since, peek_at_pages)


class _Seek:
    """How far a list was read, and what its answers have shown about Xero."""

    def __init__(self, endpoint: Endpoint, start: Start) -> None:
        self._endpoint = endpoint
        self._start = start
        self._size = start.page_size
        # Every row before this moment was read, and so were the rows in `_read`.
        self._since = start.since
        self._read: set[int] = set()
        # The stamp of a row that exists.
        self._known = start.bookmark
        # Every row before this moment was yielded, and no other can appear before it.
        self.proven: int | None = None
        # What the previous answer counted.
        self._before: _Account | None = None
        self._stamps_in_order = 0
        self._order_is_kept: bool | None = None
        # How far before a moment the tap must ask, and to what Xero rounds the header.
        self._reach = start.reach
        self._grain: int | None = SECOND
        self._began: int | None = None
        self._calls_left: int | None = None

    def ask_for_less(self) -> None:
        """Continue with smaller pages."""
        self._size = halved(self._size)
        self._calls_left = None
        LOGGER.info("%s: asking for pages of %d rows", self._endpoint.path, self._size)

    def pages(self) -> Iterator[Page]:
        """Yield the pages that were not read yet."""
        ended = False
        while not ended:
            ended = yield from self._step()

    def _step(self) -> Generator[Page, None, bool]:
        """Read an answer, and the stack of pages behind it; return True if that was the last."""
        page = self._ask_on()
        if not self._is_proven(page):
            yield from self._sweep(page if self._before is None else None)
            return True
        if _is_whole(page, self._size):
            yield Page(self.unread(page), page, self._newest_of(page.known_stamps), last=True)
            return True
        if self._calls_left == 0:
            yield self._break_off(page)
            return True
        self._learn_grain(page)
        if not self.advances(page):
            return (yield from self._read_stack(page))
        yield Page(self.unread(page), page, self.proven)
        self._advance(dict(zip(page.ids, page.stamps, strict=True)), page)
        return False

    # Asking

    def _ask_on(self) -> EndpointPage:
        params = self._endpoint.page_params(1, self._size)
        page, self._reach = ask_reaching(
            self._endpoint, self._since, self._known, self._reach, **params
        )
        if self._calls_left is None:
            # Edits may never stop. The next run continues from the bookmark.
            self._calls_left = 3 * _page_count(page) + 20
        if self._began is None:
            self._began = page.server_ms
        self._calls_left = max(self._calls_left - 1, 0)
        return page

    def ask_page(self, number: int) -> EndpointPage:
        """Return page `number` of the rows that were not read yet."""
        self._calls_left = max((self._calls_left or 0) - 1, 0)
        params = self._endpoint.page_params(number, self._size)
        return self._endpoint.ask(self._asked_since, **params)

    @property
    def _asked_since(self) -> int | None:
        """The moment that goes into If-Modified-Since."""
        return None if self._since is None else self._since - self._reach

    # Proof

    def _is_proven(self, page: EndpointPage) -> bool:
        """Say whether this answer shows that the list is sorted and complete so far."""
        if not pagination_adds_up(page, 1):
            return False
        if not _is_whole(page, self._size) and not self._is_sorted(page):
            return False
        if self._before is not None:
            if not self._before.agrees_with(page) and not self._keeps_order(page):
                return False
            self.proven = self._since
        return True

    def _is_sorted(self, page: EndpointPage) -> bool:
        if not _is_sorted_page(page):
            return False
        self._stamps_in_order += len(set(page.known_stamps))
        return self._stamps_in_order >= _STAMPS_THAT_PROVE_ORDER or self._keeps_order(page)

    def _keeps_order(self, page: EndpointPage) -> bool:
        """Ask in descending order: a server that honours `order` returns a different first row."""
        if self._order_is_kept is None:
            self._order_is_kept = False
            if self._endpoint.newest_first and page.rows:
                params = self._endpoint.page_params(1, 1) | self._endpoint.newest_first
                top = self._endpoint.ask(self._asked_since, **params)
                latest, last = newest(top), newest(page)
                self._order_is_kept = (
                    latest is not None
                    and (last is None or latest >= last)
                    and top.ids[:1] != page.ids[:1]
                )
        return self._order_is_kept

    def _sweep(self, first: EndpointPage | None) -> Iterator[Page]:
        LOGGER.debug("%s: reading whole pages, the list is not plainly sorted", self._endpoint.path)
        since = self._start.since if self.proven is None else self.proven
        rest = Start(since, self._start.bookmark, self._size, self._next_reach)
        yield from page_numbers(self._endpoint, rest, first)

    # Seeking

    def _learn_grain(self, page: EndpointPage) -> None:
        """Learn how coarsely Xero rounds the header, from rows older than the tap asked for."""
        asked, grain = self._asked_since, self._grain
        if asked is None or grain is None or not page.known_stamps:
            return
        first = page.known_stamps[0]
        fitting = (g for g in _ROUNDINGS if g >= grain and asked // g * g <= first)
        self._grain = next(fitting, None)

    def advances(self, page: EndpointPage) -> bool:
        """Say whether seeking from the page's last stamp repeats few enough of its rows."""
        if not page.known_stamps or self._grain is None:
            return False
        anchor = _anchor(max(page.known_stamps))
        if self._since is not None and anchor <= self._since:
            return False
        from_here = (anchor - self._next_reach) // self._grain * self._grain
        repeated = sum(stamp is None or stamp >= from_here for stamp in page.stamps)
        return repeated * _MAX_REPEATS_IN <= len(page.rows)

    def _advance(self, rows: Mapping[int, int | None], page: EndpointPage) -> None:
        """Seek from the last of these rows, which were read; `page` has the last count of them."""
        stamps = sorted(stamp for stamp in rows.values() if stamp is not None)
        since = _anchor(stamps[-1])
        self._before = _Account(_count(page), stamps)
        self._reach = self._next_reach
        self._known = max(stamps[-1], self._known or stamps[-1])
        self._since = since
        self._read = {row_id for row_id, stamp in rows.items() if stamp is None or stamp >= since}

    @property
    def _next_reach(self) -> int:
        """The reach to begin with: before any row is known, the reach of the start."""
        return self._start.reach if self._known is None else self._reach

    def unread(self, page: EndpointPage, shown: Container[int] = ()) -> list[bytes]:
        """Return the rows that were neither read before nor `shown`."""
        return [
            row
            for row, stamp, row_id in zip(page.rows, page.stamps, page.ids, strict=True)
            if wanted(stamp, self._since) and row_id not in self._read and row_id not in shown
        ]

    def _newest_of(self, stamps: Iterable[int]) -> int | None:
        known = [] if self._known is None else [self._known]
        return max([*stamps, *known], default=None)

    def is_last(self, page: EndpointPage, number: int) -> bool:
        """Say whether the list ends with page `number`."""
        return not page.rows or (number >= _page_count(page) and not is_full(page, self._size))

    def modified_meanwhile(self, stamp: int | None) -> bool:
        """Say whether a row with this stamp was modified after the first answer."""
        return stamp is not None and self._began is not None and stamp >= self._began

    def _break_off(self, page: EndpointPage) -> Page:
        """End although edits continue.

        The stream is complete if it was read up to the moment at which reading began.
        """
        return Page(self.unread(page), page, self.proven, last=self.modified_meanwhile(self.proven))

    def _read_stack(self, first: EndpointPage) -> Generator[Page, None, bool]:
        """Step the pages behind `first`; return True if the list is then read to its end."""
        stack = _Stack(self, first)
        yield from stack.pages()
        if not stack.is_sound:
            yield from self._sweep(None)
            return True
        if stack.ends_list:
            stamps = (stamp for stamp in stack.rows.values() if stamp is not None)
            yield Page([], first, self._newest_of(stamps), last=True)
            return True
        self._advance(stack.rows, stack.latest)
        return False


class _Stack:
    """Pages under one If-Modified-Since, from `first` to the first page that lets seeking advance.

    `rows` maps the number of each row shown to its stamp. `latest` is the page that was read last.
    `is_sound` says whether all pages were sorted and paged as they should be.
    """

    def __init__(self, seek: _Seek, first: EndpointPage) -> None:
        self.rows: dict[int, int | None] = {}
        self.latest = first
        self.is_sound = True
        self._seek = seek
        self._reaches_end = False
        self._page_size = first.pagination and first.pagination.pageSize
        self._top_ids: list[int] = []
        self._top_number = 1
        self._fresh = 0

    def pages(self) -> Iterator[Page]:
        """Find the last page of the stack, then read down from it."""
        yield self._show(self.latest, 1)
        yield from self._climb()
        if self.is_sound:
            yield from self._descend()

    @property
    def ends_list(self) -> bool:
        """Whether the list ends with the stack, and has not grown beyond it meanwhile."""
        return self._reaches_end and _page_count(self.latest) <= self._top_number

    def _climb(self) -> Iterator[Page]:
        number = max(min(_page_count(self.latest), _MAX_REPEATS_IN), 2)
        while True:
            page = self._seek.ask_page(number)
            yield self._show(page, number)
            self._reaches_end = self._seek.is_last(page, number)
            if self._reaches_end or not self.is_sound or self._seek.advances(page):
                break
            number = min(2 * number, max(_page_count(page), number + 1))
        self._top_ids, self._top_number = page.ids, number

    def _descend(self) -> Iterator[Page]:
        highest, came, idle_passes = self._top_number - 1, list(self._top_ids), 0
        while idle_passes < IDLE_PASSES_IF_SHUFFLED:
            fresh = self._fresh
            for number in range(highest, 0, -1):
                page = self._seek.ask_page(number)
                yield self._show(page, number)
                came += page.ids
            # Rows with one stamp may come in another order each time. Then some come twice.
            if len(came) == len(set(came)):
                return
            idle_passes = idle_passes + 1 if self._fresh == fresh else 0
            highest, came = self._top_number, []

    def _show(self, page: EndpointPage, number: int) -> Page:
        """Return the rows of an answer that are new."""
        rows = self._seek.unread(page, self.rows)
        self._fresh += sum(
            row_id not in self.rows and not self._seek.modified_meanwhile(stamp)
            for row_id, stamp in zip(page.ids, page.stamps, strict=True)
        )
        self.rows.update(zip(page.ids, page.stamps, strict=True))
        pagination = page.pagination
        same_size = pagination is not None and pagination.pageSize == self._page_size
        self.is_sound &= same_size and _is_sorted_page(page) and pagination_adds_up(page, number)
        self.latest = page
        return Page(rows, page, self._seek.proven)


class _Account(NamedTuple):
    """How many rows Xero counted, and the stamps of the rows that were read from them."""

    counted: int
    stamps: list[int]

    def agrees_with(self, page: EndpointPage) -> bool:
        """Say whether a later answer counts exactly the rows that were not read before it.

        If it counts fewer rows, some were deleted or are in the wrong place. If it counts more,
        some were modified, and this may hide that others are missing.
        """
        stamps = page.known_stamps
        left_out = bisect_left(self.stamps, stamps[0]) if stamps else len(self.stamps)
        return _count(page) == self.counted - left_out


def _is_whole(page: EndpointPage, size: int) -> bool:
    """Say whether this one answer holds the list to its end."""
    return len(page.rows) == _count(page) and not is_full(page, size)


def _is_sorted_page(page: EndpointPage) -> bool:
    return all(earlier <= later for earlier, later in pairwise(page.known_stamps))


def _anchor(stamp: int) -> int:
    """Return the If-Modified-Since that repeats all of `stamp`'s second: a second before it."""
    return stamp // SECOND * SECOND - SECOND


def _count(page: EndpointPage) -> int:
    return page.pagination.itemCount if page.pagination else len(page.rows)


def _page_count(page: EndpointPage) -> int:
    return page.pagination.pageCount if page.pagination else 1
