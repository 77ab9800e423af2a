"""Xero's reports, made from the journals and what is `unposted`, so that the books agree.

Sources: developer.xero.com, Reports, for parameters, sections and columns; the examples of Xero
OpenAPI 16.1.0 for how rows and cells are written.
"""

from __future__ import annotations

from calendar import monthrange
from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from tap_xero.demo.books.company import ACCOUNTS, CHART, CREDITORS, DEBTORS, Account
from tap_xero.demo.books.reference_lists import BUDGETED
from tap_xero.demo.books.unposted import GAINS, unposted
from tap_xero.demo.lists import CASH_JOURNALS
from tap_xero.demo.xero_json import Document, instant, read_instant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tap_xero.demo.books.organisation import Organisation

ZERO = Decimal(0)
RETAINED = "960"
YEAR_END_MONTH = 3
FIRST_DAY = "0000-00-00"
# The id that Xero gives the computed row of a balance sheet, which has no account.
CURRENT_YEAR_EARNINGS = "abababab-abab-abab-abab-abababababab"
REPORTED = (*CHART, GAINS)
INCOME = frozenset({"REVENUE"})
COST = frozenset({"DIRECTCOSTS"})
EXPENSES = frozenset({"EXPENSE", "DEPRECIATN"})
ASSETS = (("Bank", {"BANK"}), ("Current Assets", {"CURRENT", "INVENTORY"}), ("Fixed", {"FIXED"}))
LIABILITIES = (("Current Liabilities", {"CURRLIAB"}), ("Non-current Liabilities", {"TERMLIAB"}))


class Asked(NamedTuple):
    """What a report is asked for: the books on its basis, and first and last day as text."""

    organisation: Organisation
    params: Mapping[str, str]
    begin: str
    end: str

    def postings(self) -> list[tuple[str, str, Decimal]]:
        """Give day, account code and amount of all that is reported; debits count up."""
        cash = self.params.get("paymentsOnly") == "true"
        posted = self.organisation.postings(CASH_JOURNALS if cash else "Journals")
        return [*posted, *unposted(self.organisation.company, cash=cash)]

    def moved(self, begin: str, end: str) -> dict[str, Decimal]:
        """Sum what is reported of some days by account code; debits count up."""
        totals: dict[str, Decimal] = defaultdict(Decimal)
        for day, code, amount in self.postings():
            if begin <= day <= end:
                totals[code] += amount
        return totals


def make_report(organisation: Organisation, name: str, params: Mapping[str, str]) -> Document:
    """Give the answer's `Reports`, for a report by its name in the path; KeyError if none."""
    today = read_day(organisation.company.now)
    end = params.get("toDate") or params.get("date") or month_end(today)
    asked = Asked(organisation, params, params.get("fromDate") or end[:8] + "01", end)
    if name == "TenNinetyNine":
        return {"Reports": _tenninetynine(asked)}
    return {
        "Reports": [
            {
                "ReportID": name,
                "ReportName": name,
                "ReportType": name,
                "ReportTitles": [name, "Demo Company (NZ)", f"As at {_written(end)}"],
                "ReportDate": _written(today),
                "UpdatedDateUTC": instant(organisation.company.now),
                "Fields": [],
                "Rows": REPORTS[name](asked),
            }
        ]
    }


def read_day(ms: int) -> str:
    """Give the day of an instant, e.g. `2026-03-31`."""
    return date.fromordinal(date(1970, 1, 1).toordinal() + ms // 86_400_000).isoformat()


def month_end(day: str) -> str:
    """Give the last day of the month of a day."""
    year, month = int(day[:4]), int(day[5:7])
    return f"{day[:8]}{monthrange(year, month)[1]}"


def _written(day: str) -> str:
    return date.fromisoformat(day).strftime("%d %b %Y")


def _year_begin(day: str) -> str:
    """Give the first day of the financial year that a day is in."""
    year = int(day[:4]) - (int(day[5:7]) <= YEAR_END_MONTH)
    return f"{year}-{YEAR_END_MONTH + 1:02}-01"


# Rows


def _cell(value: Decimal | str, account: str | None = None, kind: str = "account") -> Document:
    cell: Document = {"Value": f"{value:.2f}" if isinstance(value, Decimal) else value}
    return cell | ({"Attributes": [{"Value": account, "Id": kind}]} if account else {})


def _row(title: str, *values: Decimal | str, uid: str | None = None, kind: str = "Row") -> Document:
    return {"RowType": kind, "Cells": [_cell(each, uid) for each in (title, *values)]}


def _total(title: str, *values: Decimal | str) -> Document:
    return _row(title, *values, kind="SummaryRow")


def _header(*titles: str) -> Document:
    return {"RowType": "Header", "Cells": [{"Value": title} for title in titles]}


def _section(title: str, rows: Iterable[Document] = ()) -> Document:
    return {"RowType": "Section", "Title": title, "Rows": list(rows)}


def _accounts(types: Iterable[str]) -> list[Account]:
    return [account for account in REPORTED if account.type in types]


def _group(
    asked: Asked, title: str, types: Iterable[str], totals: Mapping[str, Decimal], sign: int
) -> tuple[Document, Decimal]:
    """Give a section with the accounts of some types and their total, and the total."""
    rows, total = [], ZERO
    for account in _accounts(types):
        amount = sign * totals.get(account.code, ZERO)
        total += amount
        if amount and account.code != RETAINED:
            rows.append(_row(account.name, amount, uid=_uid(asked, account.code)))
    return _section(title, [*rows, _total(f"Total {title}", total)]), total


def _uid(asked: Asked, code: str) -> str:
    return code if code == GAINS.code else asked.organisation.company.account_ids[code]


# Reports


def _profit_and_loss(asked: Asked) -> list[Document]:
    totals = asked.moved(asked.begin, asked.end)
    income, earned = _group(asked, "Income", INCOME, totals, -1)
    cost, spent = _group(asked, "Less Cost of Sales", COST, totals, 1)
    expenses, overhead = _group(asked, "Less Operating Expenses", EXPENSES, totals, 1)
    return [
        _header("", _written(asked.end)),
        income,
        cost,
        _section("", [_row("Gross Profit", earned - spent)]),
        expenses,
        _section("", [_row("Net Profit", earned - spent - overhead)]),
    ]


def _profit(asked: Asked, begin: str, end: str) -> Decimal:
    totals = asked.moved(begin, end)
    return -sum(
        (totals.get(account.code, ZERO) for account in _accounts({*INCOME, *COST, *EXPENSES})), ZERO
    )


def _earlier_profit(asked: Asked) -> Decimal:
    """Sum the profit of all years before the one of the last day."""
    begin = _year_begin(asked.end)
    return _profit(asked, FIRST_DAY, asked.end) - _profit(asked, begin, asked.end)


def _balance_sheet(asked: Asked) -> list[Document]:
    totals = asked.moved(FIRST_DAY, asked.end)
    assets = [_group(asked, title, types, totals, 1) for title, types in ASSETS]
    debts = [_group(asked, title, types, totals, -1) for title, types in LIABILITIES]
    owned = sum((total for _, total in assets), ZERO)
    owed = sum((total for _, total in debts), ZERO)
    this_year = _profit(asked, _year_begin(asked.end), asked.end)
    retained = _earlier_profit(asked) - totals.get(RETAINED, ZERO)
    equity, _ = _group(asked, "Equity", {"EQUITY"}, totals, -1)
    equity["Rows"][-1:] = [
        _row("Current Year Earnings", this_year, uid=CURRENT_YEAR_EARNINGS),
        _row("Retained Earnings", retained, uid=_uid(asked, RETAINED)),
        _total("Total Equity", owned - owed),
    ]
    return [
        _header("", _written(asked.end)),
        _section("Assets"),
        *(section for section, _ in assets),
        _section("", [_row("Total Assets", owned)]),
        _section("Liabilities"),
        *(section for section, _ in debts),
        _section("", [_row("Total Liabilities", owed)]),
        _section("", [_row("Net Assets", owned - owed)]),
        equity,
    ]


def _trial_balance(asked: Asked) -> list[Document]:
    """Give the month's and the year's movements, of balance sheet accounts the balance."""
    month = asked.moved(asked.begin, asked.end)
    year = asked.moved(_year_begin(asked.end), asked.end)
    ever = asked.moved(FIRST_DAY, asked.end)
    ever[RETAINED] -= _earlier_profit(asked)
    sections: dict[str, list[Document]] = {}
    sums = [ZERO] * 4
    for account in REPORTED:
        to_date = year if account.account_class in {"REVENUE", "EXPENSE"} else ever
        code = account.code
        sides = [*_sides(month[code]), *_sides(to_date[code])]
        if any(sides):
            title = f"{account.name} ({code})"
            written = ["" if not each else f"{each:.2f}" for each in sides]
            row = _row(title, *written, uid=_uid(asked, code))
            sections.setdefault(account.account_class.title(), []).append(row)
            sums = [one + other for one, other in zip(sums, sides, strict=True)]
    return [
        _header("Account", "Debit", "Credit", "YTD Debit", "YTD Credit"),
        *(_section(title, rows) for title, rows in sections.items()),
        _section("", [_total("Total", *sums)]),
    ]


def _sides(amount: Decimal) -> tuple[Decimal, Decimal]:
    return (max(amount, ZERO), max(-amount, ZERO))


def _bank_movements(asked: Asked) -> dict[str, list[Decimal]]:
    """Give opening balance, received and spent of each bank account."""
    banks = {account.code: [ZERO, ZERO, ZERO] for account in _accounts({"BANK"})}
    for day, code, amount in asked.postings():
        if code in banks and day <= asked.end:
            banks[code][0 if day < asked.begin else 1 if amount > 0 else 2] += amount
    return banks


def _bank_summary(asked: Asked) -> list[Document]:
    banks = _bank_movements(asked)
    sums = [sum((each[at] for each in banks.values()), ZERO) for at in range(3)]
    rows = []
    for code, (opening, received, spent) in banks.items():
        uid = _uid(asked, code)
        amounts = (opening, received, -spent, opening + received + spent)
        cells = [_cell(ACCOUNTS[code].name, uid, "accountID"), *(_cell(each) for each in amounts)]
        rows.append({"RowType": "Row", "Cells": cells})
    rows.append(_total("Total", sums[0], sums[1], -sums[2], sum(sums, ZERO)))
    titles = ("Opening Balance", "Cash Received", "Cash Spent", "Closing Balance")
    return [_header("Bank Accounts", *titles), _section("", rows)]


def _budget_summary(asked: Asked) -> list[Document]:
    allowed = {code: Decimal(amount) for code, amount in BUDGETED}
    income, earned = _group(asked, "Income", INCOME, allowed, 1)
    cost, spent = _group(asked, "Less Cost of Sales", COST, allowed, 1)
    expenses, overhead = _group(asked, "Less Operating Expenses", EXPENSES, allowed, 1)
    title = date.fromisoformat(asked.end).strftime("%b-%y")
    return [
        _header("Account", title),
        income,
        cost,
        _section("", [_total("Gross Profit", earned - spent)]),
        expenses,
        _section("", [_total("Net Profit", earned - spent - overhead)]),
    ]


def _executive_summary(asked: Asked) -> list[Document]:
    before = date.fromordinal(date.fromisoformat(asked.begin).toordinal() - 1).isoformat()
    months = [asked, asked._replace(begin=before[:8] + "01", end=before)]
    facts: list[dict[str, Decimal]] = []
    for month in months:
        _, received, spent = (
            sum(each) for each in zip(*_bank_movements(month).values(), strict=True)
        )
        profit = _profit(month, month.begin, month.end)
        facts.append({"Cash received": received, "Cash spent": -spent, "Net profit": profit})
    rows = [
        _row(title, now, facts[1][title], _variance(now, facts[1][title]))
        for title, now in facts[0].items()
    ]
    titles = [date.fromisoformat(month.end).strftime("%b %Y") for month in months]
    return [
        _header("", *titles, "Variance"),
        _section("Cash", rows[:2]),
        _section("Profitability", rows[2:]),
    ]


def _variance(now: Decimal, before: Decimal) -> str:
    return f"{(now - before) * 100 / abs(before):.1f}%" if before else "0.0%"


def _aged(control: str) -> Callable[[Asked], list[Document]]:
    """Give the report of what a contact owes, or is owed: one row for each open invoice."""
    kind = "ACCREC" if control == DEBTORS else "ACCPAY"

    def rows(asked: Asked) -> list[Document]:
        lines, due = [], ZERO
        for row in asked.organisation.table("Invoices").rows.values():
            invoice = row.read()
            if (
                invoice["Type"] != kind
                or invoice["Status"] != "AUTHORISED"
                or invoice["Contact"]["ContactID"] != asked.params["contactId"]
            ):
                continue
            due += invoice["AmountDue"]
            days = [read_day(read_instant(invoice[name]) or 0) for name in ("Date", "DueDate")]
            values = (
                *(f"{days[0]}T00:00:00", invoice["InvoiceNumber"], f"{days[1]}T00:00:00", ""),
                *(invoice["Total"], invoice["AmountPaid"], invoice["AmountCredited"]),
                invoice["AmountDue"],
            )
            cells = [_cell(value, invoice["InvoiceID"], "invoiceID") for value in values]
            lines.append({"RowType": "Row", "Cells": cells})
        titles = ("Date", "Reference", "Due Date", "", "Total", "Paid", "Credited", "Due")
        total = _total("Total", "", "", "", "", "", "", due)
        return [_header(*titles), _section("", [*lines, total])]

    return rows


def _tenninetynine(asked: Asked) -> list[Document]:
    """Give the two reports of a year; the demo company pays nobody in the United States."""
    year = asked.params["reportYear"]
    covered = {"ReportDate": f"1 Jan {year} to 31 Dec {year}", "Fields": []}
    contact = {
        "Box1": Decimal("0.00"),
        "Box2": Decimal("1150.50"),
        "Name": "Bank West",
        "FederalTaxIDType": "SSN",
        "ContactId": asked.organisation.company.uid("Contacts", 0),
    }
    return [
        {"ReportName": "NEC report", **covered, "Contacts": [contact]},
        {"ReportName": "MISC report", **covered, "Contacts": [contact | {"Box3": Decimal(7)}]},
    ]


REPORTS: dict[str, Callable[[Asked], list[Document]]] = {
    "AgedPayablesByContact": _aged(CREDITORS),
    "AgedReceivablesByContact": _aged(DEBTORS),
    "BalanceSheet": _balance_sheet,
    "BankSummary": _bank_summary,
    "BudgetSummary": _budget_summary,
    "ExecutiveSummary": _executive_summary,
    "ProfitAndLoss": _profit_and_loss,
    "TrialBalance": _trial_balance,
}
SCOPES = {
    f"Reports/{name}": frozenset({"accounting.reports", f"accounting.reports.{scope}"})
    for name, scope in {
        **{name: name.lower() for name in REPORTS if not name.startswith("Aged")},
        "AgedPayablesByContact": "aged",
        "AgedReceivablesByContact": "aged",
        "TenNinetyNine": "tenninetynine",
    }.items()
}
