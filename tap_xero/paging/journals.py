"""The pager of journals, which are asked for by number.

Xero sends the journals above a JournalNumber, in the order of these numbers. Numbers have gaps, and
an answer may hold fewer journals than fit although more follow (developer.xero.com, Journals). So
only an empty answer ends the list.

Nobody documents whether a journal can appear below a number that was already read. If there is
news, the last 100 numbers up to the bookmark are therefore read again. A run without news makes one
call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw

from tap_xero import dates
from tap_xero.errors import StreamError
from tap_xero.paging.pages import CLOCK_SKEW, Estimate, Page, Pager
from tap_xero.paging.peek import calls_until_empty
from tap_xero.paging.rows import NULL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_xero.paging.endpoint import Endpoint
    from tap_xero.paging.pages import Start


# Xero sends at most this many journals at once (developer.xero.com, Journals).
_JOURNALS = 100


def _journal_numbers(endpoint: Endpoint, start: Start) -> Iterator[Page]:
    """Read the journals above the bookmark, until an answer is empty.

    Journals that are posted faster than they can be read are left to the next run. Raises
    StreamError when Xero sends no journal above the number that it was asked for.
    """
    bookmark = offset = start.since or 0
    began = None
    while True:
        source = endpoint.ask(offset=str(offset))
        began = source.server_ms if began is None else began
        journals = [msgspec.json.decode(row, type=_Journal) for row in source.rows]
        top = max([offset, *filter(None, map(_number, journals))])
        if source.rows and top <= offset:
            raise StreamError(f"{endpoint.path}: Xero sent the journals up to {offset} again")
        fresh = [at for at, journal in enumerate(journals) if not _is_up_to(offset, journal)]
        if fresh and bookmark and offset == bookmark:
            yield from _late_journals(endpoint, bookmark)
        last = all(_is_posted_since(began, journals[at]) for at in fresh)
        yield Page([source.rows[at] for at in fresh], source, complete_to=top or None, last=last)
        if last:
            return
        offset = top


def _late_journals(endpoint: Endpoint, bookmark: int) -> Iterator[Page]:
    """Yield the journals of the last 100 numbers up to the bookmark, once more."""
    offset = max(bookmark - _JOURNALS, 0)
    while offset < bookmark:
        source = endpoint.ask(offset=str(offset))
        journals = [msgspec.json.decode(row, type=_Journal) for row in source.rows]
        top = max([offset, *filter(None, map(_number, journals))])
        if top == offset:
            return
        known = [at for at, journal in enumerate(journals) if _is_up_to(bookmark, journal)]
        yield Page([source.rows[at] for at in known], source)
        offset = top


def _peek_at_journals(endpoint: Endpoint, start: Start) -> Estimate:
    waiting = len(endpoint.ask(offset=str(start.since or 0)).rows)
    return Estimate(
        waiting, calls=calls_until_empty(waiting, _JOURNALS), at_least=waiting >= _JOURNALS
    )


JOURNAL_NUMBERS = Pager(_journal_numbers, _peek_at_journals)


class _Journal(msgspec.Struct):
    JournalNumber: Raw = NULL
    CreatedDateUTC: Raw = NULL


def _number(journal: _Journal) -> int | None:
    try:
        return msgspec.json.decode(journal.JournalNumber, type=int)
    except msgspec.DecodeError:
        return None


def _is_up_to(bookmark: int, journal: _Journal) -> bool:
    number = _number(journal)
    return number is not None and number <= bookmark


def _is_posted_since(moment: int | None, journal: _Journal) -> bool:
    created = dates.to_ms(bytes(journal.CreatedDateUTC))
    return moment is not None and created is not None and created >= moment + CLOCK_SKEW
