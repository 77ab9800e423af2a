"""Pagers: generators that walk one list and yield its rows a page at a time.

A pager gets the list and where to start, and yields `Page`s. It holds no more than a page or
two, never writes, and says with each page how far the stream is complete, which is all that a
bookmark may cover. This module has the parts that all pagers share and the two simple ones:
a list that comes in one answer, and journals, which are asked for by number.
`seek` and `sweep` hold the pagers of lists that come in pages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec import Raw

from tap_xero import dates
from tap_xero.errors import StreamError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tap_xero.paging.endpoint import ListPage, XeroList

SECOND = 1000
MINUTE = 60 * SECOND
DAY = 24 * 60 * MINUTE
# Xero sends at most this many journals at once (developer.xero.com, Journals).
_JOURNALS = 100

# What Xero says of the time may be off the stamps of its rows by so many ms: it looks rows up
# before it dates an answer, and may do so on a machine whose clock is another.
UNSETTLED = 10 * SECOND
# How much earlier to ask when an answer does not reach back to a row known to exist.
_REACHES = (MINUTE, DAY + SECOND)


@dataclass(frozen=True)
class Start:
    """Where a stream starts, in the unit of its replication key.

    Stamps are in ms since 1970, journals go by JournalNumber. Rows before `since` are not wanted
    (None: all are). `bookmark` is what an earlier run kept, so a record with just that stamp has
    been written. `page_size` is how many rows to ask for at once; `reach` is how many ms earlier
    than `since` Xero has to be asked so that it leaves nothing out; without a bookmark the most
    that might be needed is taken, for want of a row known to exist that would show it.
    """

    since: int | None = None
    bookmark: int | None = None
    page_size: int = 1000
    reach: int = 0

    @property
    def asked_since(self) -> int | None:
        """The moment to put into If-Modified-Since."""
        if self.since is None:
            return None
        return self.since - (_REACHES[-1] if self.bookmark is None else self.reach)


class Position(NamedTuple):
    """How far the documents of a list have been walked, in the order of stamp and id.

    `stamp` is in ms since 1970; with `uid` None all documents of that stamp are done.
    """

    stamp: int
    uid: str | None = None

    def is_before(self, stamp: int, uid: str) -> bool:
        """Say whether the document is still to come."""
        return stamp > self.stamp or (
            stamp == self.stamp and self.uid is not None and uid > self.uid
        )


@dataclass(frozen=True)
class Page:
    """Rows to write, taken from the answer `source`.

    Once they are written the stream is complete up to and with `complete_to` (None: no further
    than before), or, where documents are walked, up to `position`; `last` says that it is complete
    as a whole.
    """

    rows: Sequence[bytes]
    source: ListPage
    complete_to: int | None = None
    last: bool = False
    position: Position | None = None


@dataclass(frozen=True)
class Outlook:
    """What reading a list would take, as far as a call or two can tell.

    `waiting` is how many records have changed since the bookmark, None where only reading tells;
    about `calls` calls read them. With `at_least` there may be more of both.
    """

    waiting: int | None
    calls: int
    at_least: bool = False


@dataclass(frozen=True)
class Pager:
    """How a list is read: `pages` yields it page by page, `peek` makes a call and looks ahead."""

    pages: Callable[[XeroList, Start], Iterator[Page]]
    peek: Callable[[XeroList, Start], Outlook]


def _one_answer(xero_list: XeroList, start: Start) -> Iterator[Page]:
    """Read a list that Xero does not page, whole or since a moment."""
    source, _ = ask_reaching(xero_list, start.since, start.bookmark)
    rows = [
        row
        for row, stamp in zip(source.rows, source.stamps, strict=True)
        if wanted(stamp, start.since)
    ]
    yield Page(rows, source, complete_to=newest(source), last=True)


def _peek_at_all(xero_list: XeroList, start: Start) -> Outlook:
    return Outlook(_count_wanted(xero_list.ask(start.asked_since), start), calls=1)


ONE_ANSWER = Pager(_one_answer, _peek_at_all)


def _journal_numbers(xero_list: XeroList, start: Start) -> Iterator[Page]:
    """Read journals by the highest JournalNumber so far, until an answer is empty.

    Numbers have gaps and an answer may be part-filled in the middle, so neither a count of rows
    nor a short answer says anything (developer.xero.com, Journals). Journals that are posted
    faster than they can be read are left to the next run. Raises StreamError when Xero does not
    go on from the number it was asked for.
    """
    offset, began = start.since or 0, None
    while True:
        source = xero_list.ask(offset=str(offset))
        began = source.server_ms if began is None else began
        journals = [msgspec.json.decode(row, type=_Journal) for row in source.rows]
        numbers = [_journal_number(journal) for journal in journals]
        top = max((number for number in numbers if number is not None), default=offset)
        if source.rows and top <= offset:
            raise StreamError(f"{xero_list.path}: Xero sent the journals up to {offset} again")
        fresh = [at for at, number in enumerate(numbers) if number is None or number > offset]
        last = all(_is_posted_since(began, journals[at]) for at in fresh)
        rows = [source.rows[at] for at in fresh]
        yield Page(rows, source, complete_to=top or None, last=last)
        if last:
            return
        offset = top


def _peek_at_journals(xero_list: XeroList, start: Start) -> Outlook:
    waiting = len(xero_list.ask(offset=str(start.since or 0)).rows)
    return Outlook(waiting, calls=_until_empty(waiting, _JOURNALS), at_least=waiting >= _JOURNALS)


JOURNAL_NUMBERS = Pager(_journal_numbers, _peek_at_journals)


def peek_at_pages(xero_list: XeroList, start: Start) -> Outlook:
    """Ask for a single record, for the sake of Xero's count of all."""
    source = xero_list.ask(start.asked_since, **xero_list.page_params(1, 1))
    if source.pagination:
        waiting = source.pagination.itemCount
        # Each page repeats at least one row of the page before.
        calls = max(-(-(waiting - 1) // max(start.page_size - 1, 1)), 1)
        return Outlook(waiting, calls)
    waiting = _count_wanted(source, start)
    may_go_on = len(source.rows) >= (xero_list.fixed_size or 1)
    return Outlook(waiting, _until_empty(waiting, start.page_size), may_go_on)


def _until_empty(waiting: int, page_size: int) -> int:
    """Return how many calls read so many records, the last of them nothing."""
    return -(-waiting // page_size) + 1


def _count_wanted(source: ListPage, start: Start) -> int:
    return sum(wanted(stamp, start.since) for stamp in source.stamps)


def ask_reaching(
    xero_list: XeroList, since: int | None, known: int | None, reach: int = 0, **params: str
) -> tuple[ListPage, int]:
    """Ask for what changed since `since` and make sure that nothing was left out at the seam.

    A row with the stamp `known` exists, so an answer holding a row no newer proves that Xero's
    filter let everything after it through. Where the proof is missing (Xero might round the
    header up, or leave out the whole minute or day that it names) the same is asked from further
    back, and at once where no row is known. Returns the answer and the reach that it needed.
    """
    if since is None:
        return xero_list.ask(None, **params), reach
    if known is None:
        return xero_list.ask(since - _REACHES[-1], **params), _REACHES[-1]
    first = xero_list.ask(since - reach, **params)
    if _goes_back_to(known, first):
        return first, reach
    for further in (step for step in _REACHES if step > reach):
        source = xero_list.ask(since - further, **params)
        if _goes_back_to(known, source):
            return source, further
    # The known row has left the list. Does asking from further back show anything more?
    if reach == _REACHES[-1] or _holds_the_same(first, source, paged="page" in params):
        return first, reach
    return source, further


def _goes_back_to(known: int, source: ListPage) -> bool:
    return any(stamp <= known for stamp in source.known_stamps)


def _holds_the_same(first: ListPage, source: ListPage, *, paged: bool) -> bool:
    """Say whether two answers surely hold the same rows, be it on pages that were not asked for.

    Their first pages are the same where nothing but rows without a stamp fits on them.
    """
    if first.pagination and source.pagination:
        same_count = first.pagination.itemCount == source.pagination.itemCount
    else:
        same_count = not paged
    return same_count and first.ids == source.ids


def wanted(stamp: int | None, since: int | None) -> bool:
    """Say whether a row with this stamp belongs to what changed since `since`."""
    return stamp is None or since is None or stamp >= since


def newest(source: ListPage) -> int | None:
    """Return the latest stamp in the answer."""
    return max(source.known_stamps, default=None)


class _Journal(msgspec.Struct):
    JournalNumber: Raw = Raw(b"null")
    CreatedDateUTC: Raw = Raw(b"null")


def _journal_number(journal: _Journal) -> int | None:
    try:
        return msgspec.json.decode(journal.JournalNumber, type=int)
    except msgspec.DecodeError:
        return None


def _is_posted_since(moment: int | None, journal: _Journal) -> bool:
    created = dates.to_ms(bytes(journal.CreatedDateUTC))
    return moment is not None and created is not None and created >= moment + UNSETTLED
