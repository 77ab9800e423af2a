"""Estimates of the calls that reading an endpoint would take, for `--check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_xero.paging.pages import Estimate, wanted

if TYPE_CHECKING:
    from tap_xero.paging.endpoint import Endpoint, EndpointPage
    from tap_xero.paging.pages import Start


def peek_at_pages(endpoint: Endpoint, start: Start) -> Estimate:
    """Ask for a single record: the answer holds Xero's count of all."""
    source = endpoint.ask(start.asked_since, **endpoint.page_params(1, 1))
    if source.pagination:
        waiting = source.pagination.itemCount
        # Each page repeats at least one row of the page before.
        calls = max(-(-(waiting - 1) // max(start.page_size - 1, 1)), 1)
        return Estimate(waiting, calls)
    waiting = count_wanted(source, start)
    may_go_on = len(source.rows) >= (endpoint.fixed_size or 1)
    return Estimate(waiting, calls_until_empty(waiting, start.page_size), may_go_on)


def calls_until_empty(waiting: int, page_size: int) -> int:
    """Return how many calls read so many records; the last call reads nothing."""
    return -(-waiting // page_size) + 1


def count_wanted(source: EndpointPage, start: Start) -> int:
    """Return how many rows of an answer changed since the start."""
    return sum(wanted(stamp, start.since) for stamp in source.stamps)
