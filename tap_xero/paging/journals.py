"""The pager of journals, which are asked for by number."""

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
    """Read journals by the highest JournalNumber so far, until an answer is empty.

    Numbers have gaps and an answer may be part-filled in the middle, so neither a count of rows
    nor a short answer says anything (developer.xero.com, Journals). Journals that are posted
    faster than they can be read are left to the next run. Raises StreamError when Xero does not
    go on from the number it was asked for.
    """
    offset, began = start.since or 0, None
    while True:
        source = endpoint.ask(offset=str(offset))
        began = source.server_ms if began is None else began
        journals = [msgspec.json.decode(row, type=_Journal) for row in source.rows]
        numbers = [_journal_number(journal) for journal in journals]
        top = max((number for number in numbers if number is not None), default=offset)
        if source.rows and top <= offset:
            raise StreamError(f"{endpoint.path}: Xero sent the journals up to {offset} again")
        fresh = [at for at, number in enumerate(numbers) if number is None or number > offset]
        last = all(_is_posted_since(began, journals[at]) for at in fresh)
        rows = [source.rows[at] for at in fresh]
        yield Page(rows, source, complete_to=top or None, last=last)
        if last:
            return
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


def _journal_number(journal: _Journal) -> int | None:
    try:
        return msgspec.json.decode(journal.JournalNumber, type=int)
    except msgspec.DecodeError:
        return None


def _is_posted_since(moment: int | None, journal: _Journal) -> bool:
    created = dates.to_ms(bytes(journal.CreatedDateUTC))
    return moment is not None and created is not None and created >= moment + CLOCK_SKEW
