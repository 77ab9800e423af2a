"""Ask so that nothing is left out at the seam of two answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_xero.paging.pages import LOOK_BACK_STEPS

if TYPE_CHECKING:
    from tap_xero.paging.endpoint import Endpoint, EndpointPage


def ask_reaching(
    endpoint: Endpoint, since: int | None, known: int | None, reach: int = 0, **params: str
) -> tuple[EndpointPage, int]:
    """Ask for what changed since `since` and make sure that nothing was left out at the seam.

    A row with the stamp `known` exists, so an answer holding a row no newer proves that Xero's
    filter let everything after it through. Where the proof is missing (Xero might round the
    header up, or leave out the whole minute or day that it names) the same is asked from further
    back, and at once where no row is known. Returns the answer and the reach that it needed.
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
    """Say whether two answers surely hold the same rows, be it on pages that were not asked for.

    Their first pages are the same where nothing but rows without a stamp fits on them.
    """
    if first.pagination and source.pagination:
        same_count = first.pagination.itemCount == source.pagination.itemCount
    else:
        same_count = not paged
    return same_count and first.ids == source.ids
