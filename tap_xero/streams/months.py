"""The days and months by which budgets and reports are read."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime, timezone


@dataclass(frozen=True)
class Calendar:
    """What the pagers of budgets and reports go by: `now` is when the run began, in UTC.

    `from_day` is the day of the config's start date; the others are the settings of that name.
    """

    now: datetime = datetime(1970, 1, 1, tzinfo=timezone.utc)
    from_day: date = date(1970, 1, 1)
    refresh_months: int = 3
    bases: tuple[str, ...] = ("accrual",)
    tracking_category_id: str | None = None

    @property
    def today(self) -> date:
        """The day on which the run began."""
        return self.now.date()


def month_start(day: date, further: int = 0) -> date:
    """Return the first day of the month that is so many months after that of `day`."""
    years, month = divmod(day.year * 12 + day.month - 1 + further, 12)
    return date(years, month + 1, 1)


def month_end(day: date) -> date:
    """Return the last day of the month of `day`."""
    return day.replace(day=monthrange(day.year, day.month)[1])
