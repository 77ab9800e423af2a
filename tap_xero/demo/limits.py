"""Xero's limits: calls at once, in a minute and in a day, and the headers that say what is left.

developer.xero.com, OAuth2 limits: each tenant has its own limits, and the app has one for a minute
over all tenants.  A 429 has no body; `X-Rate-Limit-Problem` names the limit, and Retry-After comes
with all but "concurrent".  The name "appminute" is a guess: nobody has published it.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tap_xero.demo.calls import Reply

if TYPE_CHECKING:
    from tap_xero.demo.behaviour import Behaviour
    from tap_xero.demo.tenants import Tenant

MINUTE = 60
DAY = 86_400


class Limits(NamedTuple):
    """The limits that hold for a call; None where one is not enforced."""

    day: int | None
    minute: int | None
    app_minute: int | None
    at_once: int | None


@dataclass
class Window:
    """The moments of the calls within the last `seconds`, and the most there ever were."""

    seconds: int
    most: int = 0
    _times: deque[float] = field(default_factory=deque)

    def add(self, now: float) -> None:
        """Count a call."""
        self._times.append(now)
        self.most = max(self.most, self.used(now))

    def used(self, now: float) -> int:
        """Say how many calls are in the window."""
        while self._times and self._times[0] <= now - self.seconds:
            self._times.popleft()
        return len(self._times)

    def wait(self, now: float) -> float:
        """Say in how many seconds the oldest call leaves the window."""
        return self._times[0] + self.seconds - now if self._times else 0.0


@dataclass
class Allowance:
    """What one tenant has used; `app` is shared by all tenants.  Not locked, the server does that.

    A refused call uses nothing.  `most_at_once` and `minute.most` are for tests to look at.
    """

    app: Window
    minute: Window = field(default_factory=lambda: Window(MINUTE))
    day: Window = field(default_factory=lambda: Window(DAY))
    calls: int = 0
    refused: int = 0
    at_once: int = 0
    most_at_once: int = 0

    def take(self, limits: Limits, now: float) -> Reply | None:
        """Count a call, or refuse it with a 429.  Give back with `give_back` when it is over."""
        windows = (
            ("day", self.day, limits.day),
            ("minute", self.minute, limits.minute),
            ("appminute", self.app, limits.app_minute),
        )
        for problem, window, limit in windows:
            if limit is not None and window.used(now) >= limit:
                return self._refuse(limits, problem, now, window.wait(now))
        if limits.at_once is not None and self.at_once >= limits.at_once:
            return self._refuse(limits, "concurrent", now, None)
        for _, window, _ in windows:
            window.add(now)
        self.calls += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        return None

    def give_back(self) -> None:
        """Say that a call that was taken is over."""
        self.at_once -= 1

    def headers(self, limits: Limits, now: float) -> dict[str, str]:
        """Say what is left; where nothing is enforced, a fresh allowance."""
        return {
            "X-DayLimit-Remaining": _left(limits.day, self.day.used(now), 4999),
            "X-MinLimit-Remaining": _left(limits.minute, self.minute.used(now), 59),
            **app_header(self.app, limits.app_minute, now),
        }

    def _refuse(self, limits: Limits, problem: str, now: float, wait: float | None) -> Reply:
        self.refused += 1
        headers = {"X-Rate-Limit-Problem": problem, **self.headers(limits, now)}
        if wait is not None:
            headers["Retry-After"] = _whole_seconds(wait)
        return Reply(429, headers, b"")


def limits_of(behaviour: Behaviour, tenant: Tenant) -> Limits:
    """Give the limits of a tenant: its own, and those of Behaviour where it has none."""
    return Limits(
        behaviour.calls_per_day if tenant.calls_per_day is None else tenant.calls_per_day,
        behaviour.calls_per_minute if tenant.calls_per_minute is None else tenant.calls_per_minute,
        behaviour.app_calls_per_minute,
        behaviour.calls_at_once if tenant.calls_at_once is None else tenant.calls_at_once,
    )


def take_of_app(app: Window, limit: int | None, now: float) -> Reply | None:
    """Count a call that belongs to no tenant, or refuse it with a 429."""
    if limit is None or app.used(now) < limit:
        app.add(now)
        return None
    headers = {"X-Rate-Limit-Problem": "appminute", "Retry-After": _whole_seconds(app.wait(now))}
    return Reply(429, headers | app_header(app, limit, now), b"")


def app_header(app: Window, limit: int | None, now: float) -> dict[str, str]:
    """Say what is left of the app's minute."""
    return {"X-AppMinLimit-Remaining": _left(limit, app.used(now), 9999)}


def _left(limit: int | None, used: int, fresh: int) -> str:
    return str(fresh if limit is None else max(limit - used, 0))


def _whole_seconds(wait: float) -> str:
    return str(max(1, math.ceil(wait)))
