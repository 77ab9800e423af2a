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

    The unit is ms since 1970, or a JournalNumber. Rows before `since` are left out; None keeps all.
    `bookmark` is the bookmark of an earlier run, so a record with this very stamp was written.
    `page_size` is the number of rows to ask for at once. `reach` is how many ms before `since` the
    tap asks, so that Xero's filter leaves nothing out. Without a bookmark no row is known that
    could show the reach needed, so the tap takes the longest. Rows that were archived before
    `archived_since` (ms since 1970) are left out; None keeps all.
    """

    since: int | None = None
    bookmark: int | None = None
    page_size: int = 1000
    reach: int = 0
    archived_since: int | None = None

    @property
    def asked_since(self) -> int | None:
        """The moment to put into If-Modified-Since."""
        if self.since is None:
            return None
        return self.since - (LOOK_BACK_STEPS[-1] if self.bookmark is None else self.reach)


class Position(NamedTuple):
    """The last document whose details were read, in the order of stamp and id.

    `stamp` is in ms since 1970. If `uid` is None, all documents with this stamp are done.
    """

    stamp: int
    uid: str | None = None

    def is_before(self, stamp: int, uid: str) -> bool:
        """Say whether the document comes after this position."""
        return stamp > self.stamp or (
            stamp == self.stamp and self.uid is not None and uid > self.uid
        )


@dataclass(frozen=True)
class Page:
    """Rows to write, taken from the answer `source`.

    Once the rows are written, the stream is complete up to and including `complete_to` (None: no
    further than before). For details of documents, `position` says the same. `last` says that the
    whole stream is complete.
    """

    rows: Sequence[bytes]
    source: EndpointPage
    complete_to: int | None = None
    last: bool = False
    position: Position | None = None


@dataclass(frozen=True)
class Estimate:
    """What reading an endpoint would take, judged by one or two calls.

    `waiting` is the number of records that changed since the bookmark, None if only reading shows
    it. About `calls` calls read them. If `at_least` is true, both may be higher.
    """

    waiting: int | None
    calls: int
    at_least: bool = False


@dataclass(frozen=True)
class Pager:
    """How an endpoint is read: `pages` yields its pages, `peek` estimates the calls."""

    pages: Callable[[Endpoint, Start], Iterator[Page]]
    peek: Callable[[Endpoint, Start], Estimate]


def wanted(stamp: int | None, since: int | None) -> bool:
    """Say whether a row with this stamp changed since `since`; a row without a stamp counts."""
    return stamp is None or since is None or stamp >= since


def newest(source: EndpointPage) -> int | None:
    """Return the latest stamp in the answer."""
    return max(source.known_stamps, default=None)
