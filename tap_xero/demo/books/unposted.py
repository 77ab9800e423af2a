"""What reports hold and journals do not: opening balances and unrealised currency gains.

Journals of live organisations hold no conversion balances, and Xero posts an unrealised gain or
loss to no journal: its reports reckon it anew for each day. They roll the accounts of currency
gains up into one row, whose id is FXGROUPID (developer.xero.com, Reports).
"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from tap_xero.demo.books.company import BANK, DEBTORS, HISTORY, Account

if TYPE_CHECKING:
    from tap_xero.demo.books.company import Company

GAINS = Account("FXGROUPID", "Foreign Currency Gains and Losses", "EXPENSE", "EXPENSE", "NONE")
OPENING = ((BANK, "25000.00"), ("710", "8400.50"), ("900", "-12000.00"), ("970", "-21400.50"))
GAIN = Decimal("123.45")
_MONTHS_AGO = 2


def unposted(company: Company, *, cash: bool) -> list[tuple[str, str, Decimal]]:
    """Give day, account code and amount of what no journal holds; debits count up.

    A company that was not converted has none.  Debtors are worth more at the end of one month, and
    what they were worth on the next day.  On the cash basis nobody owes anything.
    """
    if not company.converted:
        return []
    began = _first_of_month(_day(company.now - HISTORY))
    opening = (began - timedelta(days=1)).isoformat()
    balances = [(opening, code, Decimal(amount)) for code, amount in OPENING]
    if cash:
        return balances
    after = _first_of_month(_day(company.now))
    for _ in range(_MONTHS_AGO):
        after = _first_of_month(after - timedelta(days=1))
    valued = (after - timedelta(days=1)).isoformat()
    return [
        *balances,
        (valued, DEBTORS, GAIN),
        (valued, GAINS.code, -GAIN),
        (after.isoformat(), DEBTORS, -GAIN),
        (after.isoformat(), GAINS.code, GAIN),
    ]


def _day(ms: int) -> date:
    return date(1970, 1, 1) + timedelta(milliseconds=ms)


def _first_of_month(day: date) -> date:
    return day.replace(day=1)
