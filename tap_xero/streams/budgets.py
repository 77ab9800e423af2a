"""Budgets with their lines.

Xero's list of budgets has no lines. Xero gives the lines for one budget at a time, and for at most
24 months (developer.xero.com, Budgets). So the tap asks for each budget in windows of 24 months,
from the month of the start date to two years from now, and merges its balances. If two windows
have the same month, the later window counts.
"""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import msgspec
from msgspec import Raw

from tap_xero.errors import StreamError
from tap_xero.paging.pages import Estimate, Page, Pager
from tap_xero.paging.rows import Row, decode_rows, encode, encode_rows, nested_rows, text
from tap_xero.streams.report_settings import month_start
from tap_xero.streams.stream import PagerBySettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tap_xero.paging.endpoint import Endpoint
    from tap_xero.paging.pages import Start
    from tap_xero.streams.report_settings import ReportSettings

MONTHS_A_CALL = 24
_NONE = Raw(b"[]")

Window: TypeAlias = tuple[date, date]  # first and last day


def _bind(settings: ReportSettings) -> Pager:
    windows = tuple(_windows(settings.from_day, settings.today))
    return Pager(partial(_read, windows), partial(_peek, windows))


def _read(windows: Sequence[Window], endpoint: Endpoint, _: Start) -> Iterator[Page]:
    """Read all budgets, each with its lines from the month of the start date on."""
    listed = endpoint.ask()
    rows = [_with_lines(endpoint, row, windows) for row in decode_rows(listed.rows)]
    yield Page(encode_rows(rows), listed, last=True)


def _peek(windows: Sequence[Window], endpoint: Endpoint, _: Start) -> Estimate:
    budgets = len(endpoint.ask().rows)
    return Estimate(budgets, calls=1 + budgets * len(windows))


BUDGETS_WITH_LINES = PagerBySettings(_bind)


def _windows(first: date, today: date) -> Iterator[Window]:
    """Yield the first and last day of each span of 24 months from `first` to two years ahead."""
    begin, end = month_start(first), month_start(today, 1 + MONTHS_A_CALL)
    while begin < end:
        after = month_start(begin, MONTHS_A_CALL)
        yield begin, after - timedelta(days=1)
        begin = after


def _with_lines(endpoint: Endpoint, listed: Row, windows: Iterable[Window]) -> Row:
    uid = text(listed, "BudgetID")
    if not uid:
        return listed
    lines: dict[object, Row] = {}
    budget = listed
    for begin, end in windows:
        budget = _one(endpoint, uid, begin, end) or budget
        of_window = _rows(budget.get("BudgetLines", _NONE))
        for key, line in _keyed(of_window, "AccountID", "AccountCode"):
            lines[key] = _merged(lines[key], line) if key in lines else line
    return {**budget, "BudgetLines": encode(list(lines.values()))}


def _one(endpoint: Endpoint, uid: str, begin: date, end: date) -> Row | None:
    answer = endpoint.ask_one(uid, DateFrom=begin.isoformat(), DateTo=end.isoformat())
    for row in decode_rows(answer.rows):
        if text(row, "BudgetID") == uid:
            return row
    return None


def _merged(earlier: Row, later: Row) -> Row:
    balances: dict[object, Row] = {}
    for line in (earlier, later):
        balances.update(_keyed(_rows(line.get("BudgetBalances", _NONE)), "Period"))
    together = {"BudgetBalances": encode(list(balances.values()))}
    return later | together if balances else later


def _keyed(rows: Iterable[Row], *names: str) -> Iterator[tuple[object, Row]]:
    """Yield each row of one answer with a key; rows with equal fields get distinct keys."""
    seen: Counter[tuple[bytes, ...]] = Counter()
    for row in rows:
        fields = tuple(bytes(row.get(name, b"")) for name in names)
        seen[fields] += 1
        yield (fields, seen[fields]), row


def _rows(value: Raw) -> list[Row]:
    """Decode a list of records; null means an empty list."""
    if bytes(value) == b"null":
        return []
    try:
        return nested_rows(value)
    except msgspec.DecodeError as error:
        raise StreamError(f"Budgets: the lines of a budget cannot be read: {error}") from None
