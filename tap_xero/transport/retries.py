"""The only place that repeats a call.

A try that fails in a way another may not raises `TransientError`, with the `Patience` its cause
deserves. `retry` waits and tries again; since each patience allows so many tries and no wait is
longer than its longest, every fault that stays ends in a bounded time.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

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
    """Return what the server asked for, or our own doubling wait, in seconds with jitter."""
    import backoff  # takes a while, and few runs need it

    patience = error.patience
    if error.after is not None:
        asked: float = backoff.random_jitter(max(1, min(error.after, patience.longest)))
        return asked
    wait = min(patience.longest, patience.first * 2.0 ** (failures - 1))
    jitter: float = backoff.full_jitter(wait / 2)
    return wait / 2 + jitter
