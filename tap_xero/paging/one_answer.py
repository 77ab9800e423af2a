"""The pager of endpoints that Xero does not page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_xero.errors import StreamError
from tap_xero.paging.overlap import ask_reaching
from tap_xero.paging.pages import Estimate, Page, Pager, newest, wanted
from tap_xero.paging.peek import count_wanted
from tap_xero.paging.sweep import page_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_xero.paging.endpoint import Endpoint, EndpointPage
    from tap_xero.paging.pages import Start


def _one_answer(endpoint: Endpoint, start: Start) -> Iterator[Page]:
    """Read an endpoint that Xero does not page, whole or since a moment.

    If the answer says that it is one page of several, the other pages are read too. Raises
    StreamError if fewer rows come than Xero counts.
    """
    source, _ = ask_reaching(endpoint, start.since, start.bookmark)
    if _is_part(source):
        yield from _all_parts(endpoint, start, source)
        return
    rows = [
        row
        for row, stamp in zip(source.rows, source.stamps, strict=True)
        if wanted(stamp, start.since)
    ]
    yield Page(rows, source, complete_to=newest(source), last=True)


def _is_part(source: EndpointPage) -> bool:
    pagination = source.pagination
    if pagination is None:
        return False
    return pagination.itemCount > len(source.rows) or pagination.pageCount > 1


def _all_parts(endpoint: Endpoint, start: Start, first: EndpointPage) -> Iterator[Page]:
    """Read all pages. The bookmark stays where it is until Xero's count is reached."""
    seen: set[int] = set()
    for page in page_numbers(endpoint, start, first):
        seen.update(page.source.ids)
        counted = page.source.pagination.itemCount if page.source.pagination else 0
        if page.last and len(seen) < counted:
            raise StreamError(
                f"{endpoint.path}: Xero counts {counted} records and sent only {len(seen)}: "
                "run again, and report it if it happens again"
            )
        yield page


def _peek_at_all(endpoint: Endpoint, start: Start) -> Estimate:
    return Estimate(count_wanted(endpoint.ask(start.asked_since), start), calls=1)


ONE_ANSWER = Pager(_one_answer, _peek_at_all)
