"""A clock for tests: nobody waits, time passes by sleeping. Safe for several threads."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone

from tap_xero.clock import Clock

START = datetime(2026, 7, 1, 12, 0, tzinfo=timezone.utc)


class FakeTime:
    """Time that only moves when somebody sleeps; `naps` are the sleeps so far, in seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.naps: list[float] = []
        self._lock = threading.Lock()
        self.clock = Clock(lambda: self.seconds, self.sleep, self.now)

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass at once."""
        with self._lock:
            self.seconds += seconds
            self.naps.append(seconds)

    def now(self) -> datetime:
        """Tell the wall-clock time."""
        return START + timedelta(seconds=self.seconds)

    def timestamp(self) -> float:
        """Tell the wall-clock time in seconds since 1970, as the demo Xero asks for it."""
        return self.now().timestamp()


def impatient_clock() -> Clock:
    """Return a clock that tells the real time of day, but nobody waits."""
    time = FakeTime()
    return Clock(time.clock.monotonic, time.clock.sleep, Clock().now)
