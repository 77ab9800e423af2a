"""Xero's limits: calls at once, in a minute and in a day, and the headers that tell of them.

developer.xero.com, OAuth2 limits: 429 names the problem; Retry-After for minute and
day only.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tap_xero.demo.calls import Reply

if TYPE_CHECKING:
    from tap_xero.demo.behaviour import Behaviour

MINUTE = 60
DAY = 86_400


@dataclass
class Allowance:
    """What has been used up; a call that was refused uses nothing.  Not locked."""

    at_once: int = 0
    _minute: deque[float] = field(default_factory=deque)
    _day: deque[float] = field(default_factory=deque)

    def take(self, behaviour: Behaviour, now: float) -> Reply | None:
        """Count a call, or refuse it with a 429.  Give back with `give_back` when it is over."""
        _forget(self._minute, now - MINUTE)
        _forget(self._day, now - DAY)
        if _full(len(self._day), behaviour.calls_per_day):
            return self._refuse(behaviour, "day", self._day[0] + DAY - now)
        if _full(len(self._minute), behaviour.calls_per_minute):
            return self._refuse(behaviour, "minute", self._minute[0] + MINUTE - now)
        if _full(self.at_once, behaviour.calls_at_once):
            return self._refuse(behaviour, "concurrent", None)
        self.at_once += 1
        self._minute.append(now)
        self._day.append(now)
        return None

    def give_back(self) -> None:
        """Say that a call that was taken is over."""
        self.at_once -= 1

    def headers(self, behaviour: Behaviour) -> dict[str, str]:
        """Tell what is left; where nothing is enforced, a fresh allowance."""
        day, minute = behaviour.calls_per_day, behaviour.calls_per_minute
        return {
            "X-DayLimit-Remaining": str(4999 if day is None else max(day - len(self._day), 0)),
            "X-MinLimit-Remaining": str(
                59 if minute is None else max(minute - len(self._minute), 0)
            ),
            "X-AppMinLimit-Remaining": "9999",
        }

    def _refuse(self, behaviour: Behaviour, problem: str, wait: float | None) -> Reply:
        headers = {"X-Rate-Limit-Problem": problem, **self.headers(behaviour)}
        if wait is not None:
            headers["Retry-After"] = str(max(1, math.ceil(wait)))
        return Reply(429, headers, b"")


def _forget(times: deque[float], before: float) -> None:
    while times and times[0] <= before:
        times.popleft()


def _full(used: int, limit: int | None) -> bool:
    return limit is not None and used >= limit
