"""Ask so that two answers overlap, and no row is lost between them.

Nobody documents whether Xero rounds the moment in If-Modified-Since, or leaves out that very
moment. So the tap looks for a row that it knows in the new answer. If the row is there, the filter
has let everything after it through. If not, the tap asks again from further back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_xero.paging.pages import LOOK_BACK_STEPS

if TYPE_CHECKING:
    from tap_xero.paging.endpoint import Endpoint, EndpointPage


def ask_reaching(
    endpoint: Endpoint, since: int | None, known: int | None, reach: int = 0, **params: str
) -> tuple[EndpointPage, int]:
    """Return what changed since `since`, and how many ms earlier the tap had to ask for it.

    `known` is the stamp of a row that exists, None if no row is known; the tap then asks from the
    furthest step back at once. `reach` is the step to begin with. All are in ms.
    """
    if since is None:
        return endpoint.ask(None, **params), reach
    if known is None:
        return endpoint.ask(since - LOOK_BACK_STEPS[-1], **params), LOOK_BACK_STEPS[-1]
    first = endpoint.ask(since - reach, **params)
    if _goes_back_to(known, first):
        return first, reach
    for further in (step for step in LOOK_BACK_STEPS if step > reach):
        source = endpoint.ask(since - further, **params)
        if _goes_back_to(known, source):
            return source, further
    # The known row has left the list. Does asking from further back show anything more?
    if reach == LOOK_BACK_STEPS[-1] or _holds_the_same(first, source, paged="page" in params):
        return first, reach
    return source, further


def _goes_back_to(known: int, source: EndpointPage) -> bool:
    return any(stamp <= known for stamp in source.known_stamps)


def _holds_the_same(first: EndpointPage, source: EndpointPage, *, paged: bool) -> bool:
    """Say whether two answers are sure to hold the same rows, including rows on later pages.

    Equal first pages do not suffice: rows without a stamp may fill both of them.
    """
    if first.pagination and source.pagination:
        same_count = first.pagination.itemCount == source.pagination.itemCount
    else:
        same_count = not paged
    return same_count and first.ids == source.ids
