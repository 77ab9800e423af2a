"""The pager of endpoints that Xero does not page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_xero.paging.overlap import ask_reaching
from tap_xero.paging.pages import Estimate, Page, Pager, newest, wanted
from tap_xero.paging.peek import count_wanted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_xero.paging.endpoint import Endpoint
    from tap_xero.paging.pages import Start


def _one_answer(endpoint: Endpoint, start: Start) -> Iterator[Page]:
    """Read a list that Xero does not page, whole or since a moment."""
    source, _ = ask_reaching(endpoint, start.since, start.bookmark)
    rows = [
        row
        for row, stamp in zip(source.rows, source.stamps, strict=True)
        if wanted(stamp, start.since)
    ]
    yield Page(rows, source, complete_to=newest(source), last=True)


def _peek_at_all(endpoint: Endpoint, start: Start) -> Estimate:
    return Estimate(count_wanted(endpoint.ask(start.asked_since), start), calls=1)


ONE_ANSWER = Pager(_one_answer, _peek_at_all)
