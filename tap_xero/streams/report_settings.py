"""The settings by which reports and budgets are read, and the months that they cover."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pendulum

if TYPE_CHECKING:
    from datetime import date, datetime

    from tap_xero.config import Config


@dataclass(frozen=True)
class ReportSettings:
    """How reports and budgets are read.

    `now` is when the run began, in UTC. `from_day` is the day of the config's start date.
    `refresh_months`, `bases` and `tracking_category_id` are the config's `report_…` settings.
    """

    now: datetime
    from_day: date
    refresh_months: int
    bases: tuple[str, ...]
    tracking_category_id: str | None

    @property
    def today(self) -> date:
        """The day on which the run began."""
        return self.now.date()


def report_settings(config: Config, now: datetime) -> ReportSettings:
    """Return the settings of a run that began at `now`."""
    basis = config.report_basis
    return ReportSettings(
        now=now,
        from_day=config.start_date.date(),
        refresh_months=config.report_refresh_months,
        bases=("accrual", "cash") if basis == "both" else (basis,),
        tracking_category_id=config.report_tracking_category_id,
    )


def month_start(day: date, months_later: int = 0) -> date:
    """Return the first day of the month that is `months_later` months after that of `day`."""
    return pendulum.date(day.year, day.month, 1).add(months=months_later)


def month_end(day: date) -> date:
    """Return the last day of the month of `day`."""
    return pendulum.date(day.year, day.month, 1).end_of("month")
