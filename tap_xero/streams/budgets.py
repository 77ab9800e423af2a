"""Budgets with their lines.

Xero's list of budgets leaves the lines out; they come with one budget at a time and for 24 months
at most (developer.xero.com, Budgets). So each budget is asked for in windows of 24 months, from
the month of the start date to two years from now, and its balances are put together. Where two
windows answer for the same month, the later one counts.
"""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import msgspec
from msgspec import Raw

from tap_xero.errors import StreamError
from tap_xero.paging.endpoint import Row, closed, opened, to_raw
from tap_xero.paging.pages import Outlook, Page, Pager
from tap_xero.streams.report_settings import month_start
from tap_xero.streams.stream import PagerBySettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tap_xero.paging.endpoint import XeroList
    from tap_xero.paging.pages import Start
    from tap_xero.streams.report_settings import ReportSettings

MONTHS_A_CALL = 24
_ROWS = msgspec.json.Decoder(list[Row])
_TEXT = msgspec.json.Decoder(str)
_NONE = Raw(b"[]")

Window: TypeAlias = tuple[date, date]  # first and last day


def _bind(settings: ReportSettings) -> Pager:
    windows = tuple(_windows(settings.from_day, settings.today))
    return Pager(partial(_read, windows), partial(_peek, windows))


def _read(windows: Sequence[Window], xero_list: XeroList, _: Start) -> Iterator[Page]:
    """Read all budgets, each with its lines from the month of the start date on."""
    listed = xero_list.ask()
    rows = [_with_lines(xero_list, row, windows) for row in opened(listed.rows)]
    yield Page(closed(rows), listed, last=True)


def _peek(windows: Sequence[Window], xero_list: XeroList, _: Start) -> Outlook:
    budgets = len(xero_list.ask().rows)
    return Outlook(budgets, calls=1 + budgets * len(windows))


BUDGETS_WITH_LINES = PagerBySettings(_bind)


def _windows(first: date, today: date) -> Iterator[Window]:
    """Yield first and last days of spans of 24 months that cover what is asked for."""
    begin, end = month_start(first), month_start(today, 1 + MONTHS_A_CALL)
    while begin < end:
        after = month_start(begin, MONTHS_A_CALL)
        yield begin, after - timedelta(days=1)
        begin = after


def _with_lines(xero_list: XeroList, listed: Row, windows: Iterable[Window]) -> Row:
    try:
        uid = _TEXT.decode(listed["BudgetID"])
    except (KeyError, msgspec.DecodeError):
        return listed
    lines: dict[object, Row] = {}
    budget = listed
    for begin, end in windows:
        budget = _one(xero_list, uid, begin, end) or budget
        of_window = _rows(budget.get("BudgetLines", _NONE))
        for key, line in _told_apart(of_window, "AccountID", "AccountCode"):
            lines[key] = _merged(lines[key], line) if key in lines else line
    return {**budget, "BudgetLines": to_raw(list(lines.values()))}


def _one(xero_list: XeroList, uid: str, begin: date, end: date) -> Row | None:
    answer = xero_list.ask_one(uid, DateFrom=begin.isoformat(), DateTo=end.isoformat())
    for row in opened(answer.rows):
        if bytes(row.get("BudgetID", b"")) == msgspec.json.encode(uid):
            return row
    return None


def _merged(earlier: Row, later: Row) -> Row:
    balances: dict[object, Row] = {}
    for line in (earlier, later):
        balances.update(_told_apart(_rows(line.get("BudgetBalances", _NONE)), "Period"))
    together = {"BudgetBalances": to_raw(list(balances.values()))}
    return later | together if balances else later


def _told_apart(rows: Iterable[Row], *names: str) -> Iterator[tuple[object, Row]]:
    """Yield each row of one answer with a key; of several with the same fields each has its own."""
    seen: Counter[tuple[bytes, ...]] = Counter()
    for row in rows:
        fields = tuple(bytes(row.get(name, b"")) for name in names)
        seen[fields] += 1
        yield (fields, seen[fields]), row


def _rows(value: Raw) -> list[Row]:
    """Decode a list of records; null is none."""
    if bytes(value) == b"null":
        return []
    try:
        return _ROWS.decode(value)
    except msgspec.DecodeError as error:
        raise StreamError(f"Budgets: the lines of a budget cannot be read: {error}") from None
