"""Who is next: the calls for details are few, and every stream and list gets its share of them.

The next call goes to the stream that has had the fewest, and there to the list that has had the
fewest; among equals the one that is furthest behind comes first, so that in the end everybody
gets on, however few the calls are. What one does not need is left to the others. A list is not
read before its turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tap_xero.errors import StreamError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_xero.details.walk import CallBudget, Walk
    from tap_xero.paging.pages import Page


@dataclass(frozen=True)
class Turn:
    """What came of a walk's turn: a page, its end, or the error that ended it."""

    walk: Walk
    page: Page | None = None
    error: StreamError | None = None


def take_turns(walks: Sequence[Walk], budget: CallBudget) -> Iterator[Turn]:
    """Let each of `walks` read a document in its turn, until all have ended or no call is left.

    Documents that are refused, or gone, are no turn.
    """
    under_way = [(walk, walk.pages()) for walk in walks]
    while under_way and budget.left > 0:
        walk, pages = min(under_way, key=lambda item: _turn_of(item[0], walks))
        try:
            turn = Turn(walk, next(pages, None))
        except StreamError as error:
            turn = Turn(walk, error=error)
        if turn.page is None:
            under_way.remove((walk, pages))
        yield turn


def _turn_of(walk: Walk, walks: Sequence[Walk]) -> tuple[int, int, int]:
    of_stream = sum(each.calls for each in walks if each.detail is walk.detail)
    behind = -1 if walk.position is None else walk.position.stamp
    return of_stream, walk.calls, behind
