"""What all pagers share.

A pager is a generator. It gets an endpoint and a start, and yields `Page`s. It holds no more than
a page or two and never writes. Each page says how far the stream is complete, which is all that a
bookmark may cover. The pagers are `one_answer`, `journals`, `seek` and `sweep`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tap_xero.paging.endpoint import Endpoint, EndpointPage

SECOND = 1000
MINUTE = 60 * SECOND
DAY = 24 * 60 * MINUTE

# Allowed difference, in ms, between Xero's clock and the stamps of its rows. Xero looks rows up
# before it dates an answer, and may use two machines with two clocks.
CLOCK_SKEW = 10 * SECOND
# How much earlier to ask when an answer does not reach back to a row known to exist.
LOOK_BACK_STEPS = (MINUTE, DAY + SECOND)


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
        return self.since - (LOOK_BACK_STEPS[-1] if self.bookmark is None else self.reach)


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
    source: EndpointPage
    complete_to: int | None = None
    last: bool = False
    position: Position | None = None


@dataclass(frozen=True)
class Estimate:
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

    pages: Callable[[Endpoint, Start], Iterator[Page]]
    peek: Callable[[Endpoint, Start], Estimate]


def wanted(stamp: int | None, since: int | None) -> bool:
    """Say whether a row with this stamp belongs to what changed since `since`."""
    return stamp is None or since is None or stamp >= since


def newest(source: EndpointPage) -> int | None:
    """Return the latest stamp in the answer."""
    return max(source.known_stamps, default=None)
