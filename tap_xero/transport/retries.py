"""The only loop that repeats a call.

A try that fails for a cause that may pass raises `TransientError`, with the `Patience` for that
cause. `retry` waits and tries again. A patience bounds the number of tries and the length of each
wait, so a fault that stays ends in a bounded time.

The waits come from the package backoff. Its decorator `on_exception` is not used: it calls
`time.sleep` itself, while tests bring their own clock, and it counts all faults together, while
each cause here has its own patience.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import backoff

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_xero.clock import Clock

LOGGER = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class Patience:
    """`tries` in all; waits double from `first` up to `longest`, both in seconds."""

    first: float
    longest: float
    tries: int


# Waits of 1, 2, 4 … 60 s, less jitter: one to two minutes. An hour of 503 is for the next run.
FAULT = Patience(first=1, longest=60, tries=8)
# A silent server costs the whole request_timeout each time.
TIMEOUT = Patience(first=1, longest=60, tries=3)
# Another program has all five calls in flight; one ends any moment.
BUSY = Patience(first=0.5, longest=5, tries=30)
# The minute's limit lifts within 60 s, unless other programs take all of it again.
LIMIT = Patience(first=60, longest=120, tries=15)


class TransientError(Exception):
    """One try failed; another may not.

    `cause` is for people. `after` is how many seconds the server asked to wait, if it did.
    `is_slow` says that less work may be all that is needed.
    """

    def __init__(
        self,
        cause: str,
        patience: Patience = FAULT,
        *,
        after: float | None = None,
        is_slow: bool = False,
    ) -> None:
        super().__init__(cause)
        self.patience = patience
        self.after = after
        self.is_slow = is_slow


class GaveUpError(Exception):
    """The last try failed too. `since` is when the first one failed, on the monotonic clock."""

    def __init__(self, cause: str, tries: int, since: float) -> None:
        super().__init__(f"{cause}, after {tries} tries")
        self.since = since


def retry(attempt: Callable[[], T], subject: str, clock: Clock) -> T:
    """Return what `attempt` returns, repeating it while it raises TransientError.

    Each repeat is one line in the log, about `subject`. Raises GaveUpError when the patience
    with a fault is over; every other error of `attempt` passes.
    """
    failures: Counter[Patience] = Counter()
    since = None
    while True:
        try:
            return attempt()
        except TransientError as error:
            since = clock.monotonic() if since is None else since
            failures[error.patience] += 1
            if failures[error.patience] >= error.patience.tries:
                raise GaveUpError(str(error), failures.total(), since) from error
            wait = _wait(error, failures[error.patience])
            LOGGER.warning("%s: %s; trying again in %.1f s", subject, error, wait)
        clock.sleep(wait)


def _wait(error: TransientError, failures: int) -> float:
    """Return how many seconds to wait: what the server asked for, or else longer each time."""
    patience = error.patience
    if error.after is not None:
        asked: float = backoff.random_jitter(max(1, min(error.after, patience.longest)))
        return asked
    waits = backoff.expo(factor=patience.first, max_value=patience.longest)
    wait: float = next(islice(waits, failures, None))  # the generator yields None first
    jitter: float = backoff.full_jitter(wait / 2)
    return wait / 2 + jitter
