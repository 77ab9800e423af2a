"""Read whole pages by number, for lists whose order or count cannot be relied on.

A row may leave the list or move within it between two calls. The rows behind it then shift, and a
row at the border of two pages is on neither of them. So the pages are read in passes, forward and
back: a shift that hides a row in one direction does not hide it in the other. Each pass yields the
rows that no earlier pass has shown.

Two passes that show the same rows end the sweep. So do a few passes without a new row; rows that
were modified after the sweep began do not count, since the next run reads them. One pass suffices
if the list is one page. It also suffices if nothing moved: Xero counted the same number of rows on
every page, each row was seen, and none was modified meanwhile.

No bookmark moves before the end. If a list changes faster than it can be read, the sweep ends
without being complete, and the bookmark stays.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tap_xero.errors import SlowAnswerError, StreamError
from tap_xero.paging.overlap import ask_reaching
from tap_xero.paging.pages import (
    CLOCK_SKEW,
    SECOND,
    Page,
    Pager,
    Start,
    newest,
    wanted,
)
from tap_xero.paging.peek import peek_at_pages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_xero.paging.endpoint import Endpoint, EndpointPage

_MAX_PASSES = 25
# Stop after this many passes without a new row, if the list keeps changing.
_IDLE_PASSES = 3
# The same, if rows come in another order each time, so that some are shown twice.
IDLE_PASSES_IF_SHUFFLED = 8
# Stop a pass that shows this many times the rows that there were when the sweep began.
_RUNAWAY_FACTOR = 5
# Xero uses this page size if it does not know `pageSize` (Xero OpenAPI 16.1.0).
DEFAULT_PAGE_SIZE = 100
# If page 1 holds fewer rows than a tenth of a page, and all of them were known already, it counts
# as the end of the list. So a sync with nothing new makes one call for each list.
_TINY_SHARE = 10


@dataclass
class _Pass:
    """What one pass has shown.

    `lengths` holds the number of rows on each page. `began` is Xero's clock at the first answer.
    `old` counts the rows that existed when the sweep began. `fresh` counts those among them that no
    earlier pass had shown.
    """

    lengths: list[int] = field(default_factory=list)
    ids: set[int] = field(default_factory=set)
    counts: set[int | None] = field(default_factory=set)
    began: int | None = None
    old: int = 0
    fresh: int = 0
    begins_full: bool = False

    @property
    def shows_rows_twice(self) -> bool:
        """Whether a row came more than once."""
        return len(self.ids) < sum(self.lengths)

    @property
    def was_one_page(self) -> bool:
        """Whether one answer held the whole list."""
        return len(self.lengths) == 1 or (self.lengths[1:] == [0] and not self.begins_full)


def page_numbers(
    endpoint: Endpoint, start: Start, first: EndpointPage | None = None
) -> Iterator[Page]:
    """Read every page until nothing new appears; `first` is page 1 if it was read already.

    Raises StreamError when Xero sends the same full page again and again, and when it counts
    records and sends none.
    """
    sweep = _Sweep(endpoint, start)
    answers, goes_back = sweep.forth(first), False
    for _ in range(_MAX_PASSES):
        this = _Pass()
        try:
            for source in answers:
                yield Page(sweep.take(source, this), source)
                if sum(this.lengths) > _RUNAWAY_FACTOR * (this.old + _RUNAWAY_FACTOR * sweep.size):
                    return
        except SlowAnswerError:
            sweep.size = halved(sweep.size)
            answers, goes_back = sweep.forth(), False
            continue
        if sweep.is_complete_after(this):
            sweep.check_emptiness(source)
            yield Page([], source, complete_to=sweep.newest, last=True)
            return
        goes_back = not goes_back
        answers = sweep.back(len(this.lengths)) if goes_back else sweep.forth()


PAGE_NUMBERS = Pager(page_numbers, peek_at_pages)


class _Sweep:
    """All passes together: the rows that they have shown, and when they began."""

    def __init__(self, endpoint: Endpoint, start: Start) -> None:
        self.size = start.page_size
        self.newest: int | None = None
        self._endpoint = endpoint
        self._start = start
        self._shown: set[int] = set()
        self._began: int | None = None
        self._before: _Pass | None = None
        self._idle_passes = 0

    def forth(self, first: EndpointPage | None = None) -> Iterator[EndpointPage]:
        """Yield the pages from the first to the last, or to one that is empty."""
        page, number = first or self._ask(1), 1
        yield page
        while page.rows and not _is_last(page, number, self.size, self._start.bookmark):
            following = self._following(page, number)
            if following is None:
                return
            page, number = following, number + 1
            yield page

    def back(self, last: int) -> Iterator[EndpointPage]:
        """Yield the pages from the last to the first."""
        return (self._ask(number) for number in range(last, 0, -1))

    def take(self, source: EndpointPage, this: _Pass) -> list[bytes]:
        """Note the rows of a page, and return those that are wanted and new to the sweep."""
        if self._began is None:
            self._began = source.server_ms
        if not this.lengths:
            this.began = source.server_ms
            this.begins_full = is_full(source, self.size)
        this.lengths.append(len(source.rows))
        this.counts.add(source.pagination.itemCount if source.pagination else None)
        known = (stamp for stamp in (self.newest, newest(source)) if stamp is not None)
        self.newest = max(known, default=None)
        rows = []
        for row, stamp, row_id in zip(source.rows, source.stamps, source.ids, strict=True):
            is_old = stamp is None or self._began is None or stamp < self._began
            this.old += is_old and row_id not in this.ids
            this.ids.add(row_id)
            if row_id not in self._shown:
                self._shown.add(row_id)
                this.fresh += is_old
                if wanted(stamp, self._start.since):
                    rows.append(row)
        return rows

    def is_complete_after(self, this: _Pass) -> bool:
        """Say whether every row was shown, now that this pass has ended."""
        before, self._before = self._before, this
        if this.was_one_page or self._nothing_moved(this):
            return True
        if before is None:
            return False
        self._idle_passes = 0 if this.fresh else self._idle_passes + 1
        if this.shows_rows_twice:
            return self._idle_passes >= IDLE_PASSES_IF_SHUFFLED
        return this.ids == before.ids or self._idle_passes >= _IDLE_PASSES

    def check_emptiness(self, last: EndpointPage) -> None:
        """Raise StreamError where a whole list shows no row although Xero counts some."""
        counted = last.pagination.itemCount if last.pagination else 0
        if self._start.since is None and counted and not self._shown:
            raise StreamError(f"{self._endpoint.path}: Xero counts {counted} records and sent none")

    def _nothing_moved(self, this: _Pass) -> bool:
        """Ask for rows modified since the newest row; say whether all existed before this pass."""
        if this.counts != {len(this.ids)} or this.shows_rows_twice:
            return False
        if not self._endpoint.takes_modified_since or self.newest is None or this.began is None:
            return False
        final = this.began - CLOCK_SKEW
        since = min(self.newest, final) - SECOND
        params = self._endpoint.page_params(1, self.size)
        latest, _ = ask_reaching(self._endpoint, since, self.newest, self._start.reach, **params)
        is_whole = pagination_adds_up(latest, 1) and not is_full(latest, self.size)
        is_older = all(stamp < final for stamp in latest.known_stamps)
        return is_whole and is_older and this.ids.issuperset(latest.ids)

    def _ask(self, number: int) -> EndpointPage:
        params = self._endpoint.page_params(number, self.size)
        return self._endpoint.ask(self._start.asked_since, **params)

    def _following(self, page: EndpointPage, number: int) -> EndpointPage | None:
        """Return the page after `page`; None if Xero repeats `page` because it is the last.

        The same rows also come again if exactly one page of rows was inserted before them, or if
        rows with one stamp happen to come in this order. Then page `number` has changed too.
        """
        for _ in range(2):
            following = self._ask(number + 1)
            if _differ(following, page):
                return following
            if not is_full(page, self.size):
                return None
            if _differ(self._ask(number), page):
                return following
        if _claims_to_be_last(page, number):
            return None
        raise StreamError(f"{self._endpoint.path}: Xero sends page {number} as {number + 1} too")


def halved(size: int) -> int:
    """Return the next smaller page size to ask for when pages of `size` rows take too long."""
    return max(size // 2, 1)


def is_full(source: EndpointPage, size: int) -> bool:
    """Say whether there may be another page behind this one, going by its length alone."""
    claimed = source.pagination.pageSize if source.pagination else size
    return len(source.rows) in (size, claimed, DEFAULT_PAGE_SIZE)


def is_everything(source: EndpointPage, size: int) -> bool:
    """Say whether these are more rows than any page holds, as manual journals have come."""
    return len(source.rows) > max(size, DEFAULT_PAGE_SIZE)


def pagination_adds_up(source: EndpointPage, number: int) -> bool:
    """Say whether Xero's pagination agrees with itself and with the rows of page `number`."""
    pagination = source.pagination
    if pagination is None or pagination.pageSize < 1:
        return False
    size, count = pagination.pageSize, pagination.itemCount
    if pagination.pageCount != -(-count // size):
        return False
    due = max(min(size, count - (number - 1) * size), 0)
    return len(source.rows) == due or (number == 1 and len(source.rows) == count)


def _is_last(page: EndpointPage, number: int, size: int, bookmark: int | None) -> bool:
    if is_everything(page, size):
        return True
    if pagination_adds_up(page, number):
        return _claims_to_be_last(page, number) and not is_full(page, size)
    latest = newest(page)
    nothing_new = bookmark is not None and latest is not None and latest <= bookmark
    return (
        number == 1 and nothing_new and len(page.rows) * _TINY_SHARE < min(size, DEFAULT_PAGE_SIZE)
    )


def _differ(one: EndpointPage, other: EndpointPage) -> bool:
    return set(one.ids) != set(other.ids)


def _claims_to_be_last(page: EndpointPage, number: int) -> bool:
    pagination = page.pagination
    if pagination is None or not pagination_adds_up(page, number):
        return False
    return number >= pagination.pageCount
