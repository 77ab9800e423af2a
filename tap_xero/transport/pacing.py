"""Pacing: Xero's limits on calls, kept on our side so that a healthy run is never refused.

A call occupies a place in the minute from before it is sent until 60 seconds after its answer:
whenever Xero counted it, it counted it in between, so no 60 seconds as Xero sees them, rolling
or fixed, hold more calls than allowed, however the network delays them. Within that, calls go
out as fast as they come: a full minute's worth at once, then one for each place that frees.

Other programs share the limits. Each answer says how many calls Xero still allowed at some moment
between sending and answer; when even all places of ours that were taken in that time do not
explain it, the rest are calls of others, which are counted as made just now.

Callers stand in a line: the first waits for a place, on the clock it was given, the others wait
for it to go. So all are served in the order in which they came.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_xero.clock import Clock

# A little over the minute, against rounding of clocks.
WINDOW = 60.05


class Pacer:
    """Use as a context manager around each call; entering waits until the call is allowed.

    `header` names the header in which Xero says how many calls of this minute are left.
    """

    def __init__(
        self,
        calls_per_minute: int,
        max_concurrency: int,
        clock: Clock,
        header: str = "X-MinLimit-Remaining",
    ) -> None:
        self._header = header
        self._calls_per_minute = calls_per_minute
        self._clock = clock
        self._max_concurrency = min(max_concurrency, calls_per_minute)
        self._changed = threading.Condition()
        self._line: deque[object] = deque()
        self._in_flight = 0
        self._answered: deque[float] = deque()
        self._freed = 0
        self._paused_until = float("-inf")
        self._day_remaining: int | None = None

    @property
    def day_remaining(self) -> int | None:
        """Calls that Xero still allows today, by its last answer; None before the first."""
        return self._day_remaining

    @property
    def minute_remaining(self) -> int:
        """Calls that may be sent now."""
        with self._changed:
            return max(0, self._calls_per_minute - self._used(self._clock.monotonic()))

    def __enter__(self) -> int:
        """Wait until a call is allowed; return what `learn` wants to know about it."""
        ticket = object()
        try:
            with self._changed:
                self._line.append(ticket)
                self._changed.wait_for(lambda: self._is_next(ticket))
            while (wait := self._take_or_wait()) > 0:
                self._clock.sleep(wait)
            return self._freed
        finally:
            with self._changed:
                self._line.remove(ticket)
                self._changed.notify_all()

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._in_flight -= 1
            self._answered.append(self._clock.monotonic())
            self._changed.notify_all()

    def learn(self, headers: Mapping[str, str], entered: int) -> None:
        """Take over what Xero says is left, from the answer to the call `entered` stands for."""
        day = _count(headers.get("X-DayLimit-Remaining"))
        minute = _count(headers.get(self._header))
        with self._changed:
            if day is not None:
                self._day_remaining = day
            if minute is not None:
                now = self._clock.monotonic()
                ours = self._used(now) + self._freed - entered
                others = self._calls_per_minute - ours - minute
                self._answered.extend([now] * others)

    def pause(self, seconds: float) -> None:
        """Let nobody send for `seconds`."""
        with self._changed:
            until = self._clock.monotonic() + seconds
            self._paused_until = max(self._paused_until, until)

    def _is_next(self, ticket: object) -> bool:
        return self._line[0] is ticket and self._in_flight < self._max_concurrency

    def _take_or_wait(self) -> float:
        """Take a place and return 0, or return how many seconds to wait before asking again."""
        with self._changed:
            now = self._clock.monotonic()
            if now < self._paused_until:
                return self._paused_until - now
            surplus = self._used(now) - self._calls_per_minute
            if surplus >= 0:
                return self._answered[surplus] + WINDOW - now
            self._in_flight += 1
            return 0

    def _used(self, now: float) -> int:
        """How many of the minute's places are taken; forgets those that have become free."""
        while self._answered and self._answered[0] + WINDOW <= now:
            self._answered.popleft()
            self._freed += 1
        return self._in_flight + len(self._answered)


def _count(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None  # noqa: PLR2004
