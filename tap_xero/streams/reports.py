"""Reports as streams: which there are, and how each is asked for period by period.

Postings are back-dated, so beside the current month the last closed ones are read again
(`report_refresh_months`). Nothing in a report says that it has changed or that a row has gone:
every record carries `ReadDateUTC`, when the run began, and of each period just the records with the
newest one count.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timezone
from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw

from tap_xero import dates
from tap_xero.paging.endpoint import Row, closed, opened, to_raw
from tap_xero.paging.pages import Outlook, Page, Pager, Start
from tap_xero.paging.seek import MODIFIED_SINCE
from tap_xero.streams.months import month_end, month_start
from tap_xero.streams.report_cells import cell_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tap_xero.paging.endpoint import ListPage, XeroList
    from tap_xero.streams.months import Calendar

PERIOD_END = "PeriodEndDate"
_NULL = Raw(b"null")
FIRST_1099_YEAR = 2012  # developer.xero.com, Reports


@dataclass(frozen=True)
class Period:
    """The first and last day of what a report covers."""

    begin: date
    end: date


def monthly(
    params: Callable[[Period, Calendar], Mapping[str, str]], *, by_basis: bool = False
) -> Pager:
    """Return the pager of a report that is read month by month.

    `params` gives the parameters of a call for a month. `by_basis`: Xero makes it for both bases.
    """

    def bases(calendar: Calendar) -> tuple[str | None, ...]:
        return calendar.bases if by_basis else (None,)

    def asked(month: Period, calendar: Calendar, basis: str | None) -> dict[str, str]:
        return {**params(month, calendar), **_basis_params(basis)}

    def read(xero_list: XeroList, start: Start) -> Iterator[Page]:
        calendar = start.calendar
        months = list(_months(start))
        for month in months:
            rows: list[Row] = []
            for basis in bases(calendar):
                parameters = asked(month, calendar, basis)
                source = xero_list.ask(None, **parameters)
                tracking = parameters.get("trackingCategoryID")
                base = _base(month, calendar, Basis=basis, TrackingCategoryID=tracking)
                rows += cell_rows(opened(source.rows), base)
            yield Page(closed(rows), source, complete_to=_ms(month.end), last=month == months[-1])

    def peek(xero_list: XeroList, start: Start) -> Outlook:
        months, calendar = list(_months(start)), start.calendar
        xero_list.ask(None, **asked(months[-1], calendar, bases(calendar)[0]))
        return Outlook(None, calls=len(months) * len(bases(calendar)))

    return Pager(read, peek)


def _yearly(xero_list: XeroList, start: Start) -> Iterator[Page]:
    """Read a report of calendar years, of those in which a month is to be read."""
    years = _years(start)
    for year in years:
        answer = xero_list.ask(reportYear=str(year))
        period = Period(date(year, 1, 1), date(year, 12, 31))
        rows = cell_rows(opened(answer.rows), _base(period, start.calendar))
        yield Page(closed(rows), answer, complete_to=_ms(period.end), last=year == years[-1])


def _peek_at_years(xero_list: XeroList, start: Start) -> Outlook:
    years = _years(start)
    xero_list.ask(reportYear=str(years[-1]))
    return Outlook(None, calls=len(years))


def _years(start: Start) -> list[int]:
    """Return the years in which a month is to be read; the current one is among them."""
    years = {month.end.year for month in _months(start)}
    return sorted(year for year in years if year >= FIRST_1099_YEAR)


def by_contact(side: str) -> Pager:
    """Return the pager of a report on one contact, for those with a balance on `side` now.

    A balance says nothing of earlier months, so only the current one is read. `side` is
    AccountsReceivable or AccountsPayable.
    """

    def ask(xero_list: XeroList, uid: str, month: Period) -> ListPage:
        return xero_list.ask(contactId=uid, date=month.end.isoformat())

    def read(xero_list: XeroList, start: Start) -> Iterator[Page]:
        month = _month_of(start.calendar.today)
        contacts = _contacts(xero_list)
        read_before: set[str] = set()
        for page in MODIFIED_SINCE.pages(contacts, Start(page_size=start.page_size)):
            source = replace(page.source, pagination=None)  # which counts contacts, not cells
            for uid in sorted({*_owing(page.rows, side)} - read_before):
                read_before.add(uid)
                answer = ask(xero_list, uid, month)
                rows = cell_rows(opened(answer.rows), _base(month, start.calendar, ContactID=uid))
                # A call each: what has been read is written, whatever happens to the next.
                yield Page(closed(rows), source)
            complete_to = _ms(month.end) if page.last else None
            yield Page([], source, complete_to=complete_to, last=page.last)
        xero_list.calls += contacts.calls
        xero_list.size += contacts.size

    def peek(xero_list: XeroList, start: Start) -> Outlook:
        contacts = _contacts(xero_list)
        first = contacts.ask(None, **contacts.page_params(1, start.page_size))
        owing = sorted(_owing(first.rows, side))
        if owing:
            ask(xero_list, owing[0], _month_of(start.calendar.today))
        may_go_on = len(first.rows) >= start.page_size
        return Outlook(None, calls=1 + len(owing), at_least=may_go_on)

    return Pager(read, peek)


def _contacts(report: XeroList) -> XeroList:
    return report.beside(
        "Contacts", "ContactID", order="UpdatedDateUTC ASC", includeArchived="true"
    )


def _owing(contacts: Iterable[bytes], side: str) -> Iterator[str]:
    for contact in opened(contacts):
        balance = _inside(_inside(contact, "Balances"), side)
        outstanding = bytes(balance.get("Outstanding", _NULL))
        if outstanding.strip(b"-0.") not in (b"", b"null"):
            yield msgspec.json.decode(contact["ContactID"], type=str)


def _inside(row: Row, name: str) -> Row:
    """Return the object that a field holds; one without fields where it holds none."""
    try:
        return msgspec.json.decode(row.get(name, _NULL), type=Row)
    except msgspec.DecodeError:  # `[]` or null
        return {}


def _months(start: Start) -> Iterator[Period]:
    """Yield the months to read: from the bookmark's, and the last closed ones once more."""
    calendar = start.calendar
    first = month_start(calendar.from_day)
    if start.bookmark is not None:
        known = datetime.fromtimestamp(start.bookmark / 1000, tz=timezone.utc).date()
        again = month_start(calendar.today, -calendar.refresh_months)
        first = max(first, min(month_start(known), month_start(calendar.today), again))
    while first <= calendar.today:
        yield _month_of(first)
        first = month_start(first, 1)


def _month_of(day: date) -> Period:
    return Period(month_start(day), month_end(day))


def _ms(day: date) -> int:
    return dates.to_ms_of(datetime(day.year, day.month, day.day, tzinfo=timezone.utc))


def _basis_params(basis: str | None) -> dict[str, str]:
    return {"paymentsOnly": "true"} if basis == "cash" else {}


def _base(period: Period, calendar: Calendar, **more: str | None) -> Row:
    values = {
        PERIOD_END: period.end.isoformat(),
        "PeriodStartDate": period.begin.isoformat(),
        "ReadDateUTC": calendar.now.isoformat(),
        **more,
    }
    return {name: to_raw(value) for name, value in values.items()}


def _as_of(period: Period, _: Calendar) -> dict[str, str]:
    return {"date": period.end.isoformat()}


def _as_of_standard(period: Period, calendar: Calendar) -> dict[str, str]:
    return _as_of(period, calendar) | {"standardLayout": "true"}


def _span(period: Period, _: Calendar) -> dict[str, str]:
    return {"fromDate": period.begin.isoformat(), "toDate": period.end.isoformat()}


def _span_standard(period: Period, calendar: Calendar) -> dict[str, str]:
    split = calendar.tracking_category_id
    tracking = {"trackingCategoryID": split} if split else {}
    return {**_span(period, calendar), "standardLayout": "true", **tracking}


def _one_month(period: Period, _: Calendar) -> dict[str, str]:
    return {"date": period.begin.isoformat(), "periods": "1", "timeframe": "1"}


# Parameters, and which reports take paymentsOnly: Xero OpenAPI 16.1.0. The tap asks for the
# standard layout because a layout of the user's own may leave accounts out or merge them.
BALANCE_SHEET = monthly(_as_of_standard, by_basis=True)
PROFIT_AND_LOSS = monthly(_span_standard, by_basis=True)
TRIAL_BALANCE = monthly(_as_of, by_basis=True)
BANK_SUMMARY = monthly(_span)
BUDGET_SUMMARY = monthly(_one_month)
EXECUTIVE_SUMMARY = monthly(_as_of)
AGED_RECEIVABLES = by_contact("AccountsReceivable")
AGED_PAYABLES = by_contact("AccountsPayable")
TEN_NINETY_NINE = Pager(_yearly, _peek_at_years)
