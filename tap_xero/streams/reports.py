"""Reports as streams: the pagers that ask for each report, one period after the other.

Postings are back-dated, so the last closed months are read again with the current month
(`report_refresh_months`). A report does not say that it changed or that a row was removed. So every
record has `ReadDateUTC`, the moment when the run began; for each period only the records with the
latest `ReadDateUTC` are valid.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timezone
from functools import partial
from typing import TYPE_CHECKING

from tap_xero import dates
from tap_xero.paging.endpoint import UPDATED
from tap_xero.paging.pages import Estimate, Page, Pager, Start
from tap_xero.paging.rows import NULL, Row, decode_rows, encode, encode_rows, nested, text
from tap_xero.paging.seek import MODIFIED_SINCE
from tap_xero.streams.report_cells import cell_rows
from tap_xero.streams.report_settings import month_end, month_start
from tap_xero.streams.stream import PagerBySettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tap_xero.paging.endpoint import Endpoint, EndpointPage
    from tap_xero.streams.report_settings import ReportSettings

PERIOD_END = "PeriodEndDate"
FIRST_1099_YEAR = 2012  # developer.xero.com, Reports


@dataclass(frozen=True)
class Period:
    """The first and last day of what a report covers."""

    begin: date
    end: date


@dataclass(frozen=True)
class _Monthly:
    """A report that is read month by month.

    `params` gives the parameters of a call for one month. `bases` holds the bases to ask for, or
    None alone where Xero makes the report on one basis only.
    """

    params: Callable[[Period, ReportSettings], Mapping[str, str]]
    settings: ReportSettings
    bases: tuple[str | None, ...]

    def request(self, month: Period, basis: str | None) -> dict[str, str]:
        """Return the parameters of the call for a month on a basis."""
        cash = {"paymentsOnly": "true"} if basis == "cash" else {}
        return {**self.params(month, self.settings), **cash}


def monthly(
    params: Callable[[Period, ReportSettings], Mapping[str, str]], *, by_basis: bool = False
) -> PagerBySettings:
    """Return the pager of a report that is read month by month.

    `params` gives the parameters of a call for a month. `by_basis`: Xero makes it for both bases.
    """

    def bind(settings: ReportSettings) -> Pager:
        report = _Monthly(params, settings, settings.bases if by_basis else (None,))
        return Pager(partial(_read_months, report), partial(_peek_at_months, report))

    return PagerBySettings(bind)


def _read_months(report: _Monthly, endpoint: Endpoint, start: Start) -> Iterator[Page]:
    months = list(_months(report.settings, start))
    for month in months:
        rows: list[Row] = []
        for basis in report.bases:
            request = report.request(month, basis)
            source = endpoint.ask(None, **request)
            tracking = request.get("trackingCategoryID")
            base = _base(month, report.settings, Basis=basis, TrackingCategoryID=tracking)
            rows += cell_rows(decode_rows(source.rows), base)
        yield Page(encode_rows(rows), source, complete_to=_ms(month.end), last=month == months[-1])


def _peek_at_months(report: _Monthly, endpoint: Endpoint, start: Start) -> Estimate:
    months = list(_months(report.settings, start))
    endpoint.ask(None, **report.request(months[-1], report.bases[0]))
    return Estimate(None, calls=len(months) * len(report.bases))


def _by_year(settings: ReportSettings) -> Pager:
    """Return the pager of a report of calendar years.

    It reads the years that hold a month to be read.
    """
    return Pager(partial(_read_years, settings), partial(_peek_at_years, settings))


def _read_years(settings: ReportSettings, endpoint: Endpoint, start: Start) -> Iterator[Page]:
    years = _years(settings, start)
    for year in years:
        answer = endpoint.ask(reportYear=str(year))
        period = Period(date(year, 1, 1), date(year, 12, 31))
        rows = cell_rows(decode_rows(answer.rows), _base(period, settings))
        yield Page(encode_rows(rows), answer, complete_to=_ms(period.end), last=year == years[-1])


def _peek_at_years(settings: ReportSettings, endpoint: Endpoint, start: Start) -> Estimate:
    years = _years(settings, start)
    endpoint.ask(reportYear=str(years[-1]))
    return Estimate(None, calls=len(years))


def _years(settings: ReportSettings, start: Start) -> list[int]:
    """Return the years that hold a month to be read; the current year is among them."""
    years = {month.end.year for month in _months(settings, start)}
    return sorted(year for year in years if year >= FIRST_1099_YEAR)


def by_contact(side: str) -> PagerBySettings:
    """Return the pager of a report on one contact, read for each with a balance on `side` now.

    Xero tells today's balances only, so the tap reads the current month only. `side` is
    AccountsReceivable or AccountsPayable.
    """

    def bind(settings: ReportSettings) -> Pager:
        return Pager(
            partial(_read_contacts, side, settings), partial(_peek_at_contacts, side, settings)
        )

    return PagerBySettings(bind)


def _read_contacts(
    side: str, settings: ReportSettings, endpoint: Endpoint, start: Start
) -> Iterator[Page]:
    month = _month_of(settings.today)
    read_before: set[str] = set()
    for page in MODIFIED_SINCE.pages(_contacts(endpoint), Start(page_size=start.page_size)):
        source = replace(page.source, pagination=None)  # it counts contacts, not cells
        for uid in sorted({*_owing(page.rows, side)} - read_before):
            read_before.add(uid)
            answer = _ask_for_contact(endpoint, uid, month)
            rows = cell_rows(decode_rows(answer.rows), _base(month, settings, ContactID=uid))
            # Each contact is a page, so its rows are written whatever happens to the next call.
            yield Page(encode_rows(rows), source)
        complete_to = _ms(month.end) if page.last else None
        yield Page([], source, complete_to=complete_to, last=page.last)


def _peek_at_contacts(
    side: str, settings: ReportSettings, endpoint: Endpoint, start: Start
) -> Estimate:
    contacts = _contacts(endpoint)
    first = contacts.ask(None, **contacts.page_params(1, start.page_size))
    owing = sorted(_owing(first.rows, side))
    if owing:
        _ask_for_contact(endpoint, owing[0], _month_of(settings.today))
    may_go_on = len(first.rows) >= start.page_size
    return Estimate(None, calls=1 + len(owing), at_least=may_go_on)


def _ask_for_contact(endpoint: Endpoint, uid: str, month: Period) -> EndpointPage:
    return endpoint.ask(contactId=uid, date=month.end.isoformat())


def _contacts(report: Endpoint) -> Endpoint:
    return report.beside("Contacts", "ContactID", order=f"{UPDATED} ASC", includeArchived="true")


def _owing(contacts: Iterable[bytes], side: str) -> Iterator[str]:
    for contact in decode_rows(contacts):
        balance = nested(nested(contact, "Balances"), side)
        outstanding = bytes(balance.get("Outstanding", NULL))
        if outstanding.strip(b"-0.") not in (b"", b"null"):
            yield text(contact, "ContactID")


def _months(settings: ReportSettings, start: Start) -> Iterator[Period]:
    """Yield the months to read: from the bookmark on, and the last closed months once more."""
    first = month_start(settings.from_day)
    if start.bookmark is not None:
        known = datetime.fromtimestamp(start.bookmark / 1000, tz=timezone.utc).date()
        again = month_start(settings.today, -settings.refresh_months)
        first = max(first, min(month_start(known), month_start(settings.today), again))
    while first <= settings.today:
        yield _month_of(first)
        first = month_start(first, 1)


def _month_of(day: date) -> Period:
    return Period(month_start(day), month_end(day))


def _ms(day: date) -> int:
    return dates.to_ms_of(datetime(day.year, day.month, day.day, tzinfo=timezone.utc))


def _base(period: Period, settings: ReportSettings, **more: str | None) -> Row:
    values = {
        PERIOD_END: period.end.isoformat(),
        "PeriodStartDate": period.begin.isoformat(),
        "ReadDateUTC": settings.now.isoformat(),
        **more,
    }
    return {name: encode(value) for name, value in values.items()}


def _as_of(period: Period, _: ReportSettings) -> dict[str, str]:
    return {"date": period.end.isoformat()}


def _as_of_standard(period: Period, settings: ReportSettings) -> dict[str, str]:
    return _as_of(period, settings) | {"standardLayout": "true"}


def _span(period: Period, _: ReportSettings) -> dict[str, str]:
    return {"fromDate": period.begin.isoformat(), "toDate": period.end.isoformat()}


def _span_standard(period: Period, settings: ReportSettings) -> dict[str, str]:
    split = settings.tracking_category_id
    tracking = {"trackingCategoryID": split} if split else {}
    return {**_span(period, settings), "standardLayout": "true", **tracking}


def _one_month(period: Period, _: ReportSettings) -> dict[str, str]:
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
TEN_NINETY_NINE = PagerBySettings(_by_year)
