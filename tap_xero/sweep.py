"""Whole pages by number, for lists whose order or size cannot be relied on.

A row that leaves the list, or moves within it, between two calls shifts the rows behind it, and
one that stood at the seam of two pages is then on neither. So the pages are read in passes: what
a pass shows for the first time is yielded, and a pass that shows nothing new, and nothing twice,
ends the sweep; what was modified after the sweep began counts as seen, the next run is for that.
One pass is enough where the whole list was one page, or where it is plain that nothing moved:
Xero counted the same number of rows on every page, each of them was seen, and nothing has been
modified since the pass began.

No bookmark moves before the end. A list that changes faster than it can be read ends without
being complete, its bookmark where it was.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tap_xero.errors import SlowAnswerError, StreamError
from tap_xero.pagers import SECOND, Page, Start, newest, wanted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_xero.lists import ListPage, Row, XeroList

LOGGER = logging.getLogger(__name__)

MAX_PASSES = 25
# Where rows come in another order each time, nothing new in so many passes has to do.
_ENOUGH = 8
# The page size that Xero falls back to where it does not know `pageSize` (Xero OpenAPI 16.1.0).
DEFAULT_PAGE_SIZE = 100
# A single page with fewer rows than a tenth of a page is taken for the end of a list of which
# every row was known already: this keeps a sync with nothing new at one call a list.
_TINY = 10


@dataclass
class _Pass:
    """What one pass through the pages has shown."""

    pages: int = 0
    rows: int = 0
    fresh: int = 0
    ids: set[int] = field(default_factory=set)
    counts: set[int | None] = field(default_factory=set)
    began_ms: int | None = None

    def note(self, page: ListPage, seen: set[int], sweep_began: int | None) -> None:
        """Take account of one page, given what earlier pages have shown."""
        if not self.pages:
            self.began_ms = page.server_ms
        self.pages += 1
        self.rows += len(page.rows)
        self.ids.update(page.ids)
        self.counts.add(page.pagination.itemCount if page.pagination else None)
        began = self.began_ms if sweep_began is None else sweep_began
        self.fresh += sum(
            row_id not in seen and (stamp is None or began is None or stamp < began)
            for row_id, stamp in zip(page.ids, page.stamps, strict=True)
        )


def page_numbers(
    xero_list: XeroList, start: Start, first: ListPage | None = None
) -> Iterator[Page]:
    """Read every page until nothing new appears; `first` is page 1 if it has been read.

    Raises StreamError when Xero sends the same full page again and again.
    """
    seen: set[int] = set()
    newest_ms: int | None = None
    began_ms: int | None = None
    size = start.page_size
    idle_passes = 0
    source = first
    for _ in range(MAX_PASSES):
        this = _Pass()
        try:
            for source in _pages(xero_list, start, size, first):
                this.note(source, seen, began_ms)
                rows = _fresh(source, start, seen)
                newest_ms = max(filter(None, (newest_ms, newest(source))), default=None)
                yield Page(rows, source)
        except SlowAnswerError:
            size = halved(size)
            continue
        finally:
            first = None
        began_ms = this.began_ms if began_ms is None else began_ms
        idle_passes = 0 if this.fresh else idle_passes + 1
        settled = idle_passes and (this.rows == len(this.ids) or idle_passes >= _ENOUGH)
        if this.pages <= 1 or settled or _nothing_moved(xero_list, this, size):
            source = source or xero_list.ask(start.asked_since)
            yield Page([], source, complete_to=newest_ms, last=True)
            return
    LOGGER.warning("%s changes faster than it can be read; its bookmark stays", xero_list.path)


def halved(size: int) -> int:
    """Return the next smaller page size to ask for when pages of `size` rows take too long."""
    return max(size // 2, 1)


def is_full(source: ListPage, size: int) -> bool:
    """Say whether there may be another page behind this one, going by its length alone."""
    claimed = source.pagination.pageSize if source.pagination else size
    return len(source.rows) in (size, claimed, DEFAULT_PAGE_SIZE)


def pagination_adds_up(source: ListPage, number: int) -> bool:
    """Say whether Xero's account of the pages agrees with itself and with page `number`."""
    told = source.pagination
    if told is None or told.pageSize < 1 or told.pageCount != -(-told.itemCount // told.pageSize):
        return False
    due = min(told.pageSize, told.itemCount - (number - 1) * told.pageSize)
    return len(source.rows) in (due, told.itemCount)


def _pages(
    xero_list: XeroList, start: Start, size: int, first: ListPage | None
) -> Iterator[ListPage]:
    page = first or xero_list.ask(start.asked_since, **xero_list.page_params(1, size))
    number = 1
    while page.rows:
        yield page
        if _is_last(page, number, size, start.bookmark):
            return
        number += 1
        params = xero_list.page_params(number, size)
        following = xero_list.ask(start.asked_since, **params)
        if following.ids == page.ids:
            if not is_full(page, size):
                return
            following = xero_list.ask(start.asked_since, **params)
            if following.ids == page.ids:
                raise StreamError(f"{xero_list.path}: Xero sends page {number - 1} as {number} too")
        page = following


def _is_last(page: ListPage, number: int, size: int, bookmark: int | None) -> bool:
    if len(page.rows) > size:
        return True  # everything at once, as manual journals have done
    if pagination_adds_up(page, number):
        told = page.pagination
        return told is not None and number >= told.pageCount and not is_full(page, size)
    latest = newest(page)
    nothing_new = bookmark is not None and latest is not None and latest <= bookmark
    return number == 1 and nothing_new and len(page.rows) * _TINY < min(size, DEFAULT_PAGE_SIZE)


def _fresh(source: ListPage, start: Start, seen: set[int]) -> list[Row]:
    rows = []
    for row, stamp, row_id in zip(source.rows, source.stamps, source.ids, strict=True):
        if row_id not in seen and wanted(stamp, start.since):
            rows.append(row)
        seen.add(row_id)
    return rows


def _nothing_moved(xero_list: XeroList, this: _Pass, size: int) -> bool:
    if len(this.counts) != 1 or this.counts != {len(this.ids)} or this.began_ms is None:
        return False
    if not xero_list.takes_modified_since:
        return False
    # Xero's clock may come from a header in whole seconds.
    since = this.began_ms - SECOND
    source = xero_list.ask(since, **xero_list.page_params(1, size))
    complete = pagination_adds_up(source, 1) and not is_full(source, size)
    return complete and all(stamp < since for stamp in source.known_stamps)
