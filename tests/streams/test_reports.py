"""Reports: what they say is what the journals say, and every cell of an answer comes out."""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from decimal import Decimal
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft4Validator

from tap_xero.demo import DemoXero
from tap_xero.demo.books.company import ACCOUNTS
from tap_xero.demo.examples import read_examples
from tap_xero.discover import catalog
from tap_xero.errors import DayLimitError
from tap_xero.streams.schema_files import stream_schema
from tap_xero.streams.table import REPORTS
from tests.support.fake_clock import FakeTime
from tests.support.run_tap import Output, sync

if TYPE_CHECKING:
    from collections.abc import Iterator

API_DESCRIPTION = os.environ.get("XERO_API_DESCRIPTION", "")
NAMES = [stream.tap_stream_id for stream in REPORTS]
START = "2025-02-10"
BASES = {"accrual": "journals", "cash": "journals_cash"}
ACCOUNT = "11111111-2222-3333-4444-555555555555"
NUMBER = Decimal("12345678901234567.89")

Totals = dict[tuple[str, str], Decimal]  # by account id and month, e.g. ("...", "2026-03")


def demo(size: int = 60, **options: Any) -> DemoXero:  # noqa: ANN401
    time = FakeTime()
    return DemoXero(size=size, clock=lambda: time.now().timestamp(), **options)


def run(xero: DemoXero, *streams: str, **options: Any) -> Output:  # noqa: ANN401
    """Sync on 1 July 2026."""
    output = sync(xero, streams, clock=FakeTime().clock, **options)
    assert output.error is None
    assert [item.error for item in output.runs if item.error] == []
    return output


@pytest.fixture(scope="module")
def xero() -> Iterator[DemoXero]:
    with demo() as server:
        yield server


@pytest.fixture(scope="module")
def everything(xero: DemoXero) -> Output:
    return run(xero, *NAMES, "journals", "journals_cash", report_basis="both", start_date=START)


def moved(journals: list[dict[str, Any]]) -> Totals:
    """Sum the lines of journals by account and month."""
    totals: Totals = defaultdict(Decimal)
    for journal in journals:
        for line in journal["JournalLines"]:
            totals[line["AccountID"], journal["JournalDate"][:7]] += line["NetAmount"]
    return totals


def months(output: Output, stream: str) -> list[str]:
    return sorted({row["PeriodEndDate"][:7] for row in output.records(stream)})


def since(totals: Totals, account: str, first: str, last: str) -> Decimal:
    return sum(
        (
            sum_
            for (uid, month), sum_ in totals.items()
            if uid == account and first <= month <= last
        ),
        Decimal(),
    )


def year_begin(month: str) -> str:
    """Return the first month of the financial year, which ends in March."""
    return f"{int(month[:4]) - (int(month[5:]) <= 3)}-04"


def cells(output: Output, stream: str, basis: str | None) -> dict[tuple[str, str, str], Decimal]:
    """Return values by account, month and column."""
    return {
        (row["AccountID"], row["PeriodEndDate"][:7], row["ColumnTitle"]): row["Value"] or Decimal()
        for row in output.records(stream)
        if row["AccountID"] and row["RowType"] == "Row" and row["Basis"] == basis
    }


@pytest.fixture(scope="module")
def accounts(xero: DemoXero) -> dict[str, str]:
    """Return the class of each account by its id, without retained earnings, which are computed."""
    ids = xero.organisation.company.account_ids
    return {ids[code]: account.account_class for code, account in ACCOUNTS.items() if code != "960"}


@pytest.mark.parametrize("basis", BASES)
def test_the_trial_balance_is_the_sum_of_the_journals_to_the_cent(
    everything: Output, accounts: dict[str, str], basis: str
) -> None:
    totals = moved(everything.records(BASES[basis]))
    told = cells(everything, "trial_balance", basis)
    compared = 0
    for month in months(everything, "trial_balance"):
        for uid, kind in accounts.items():
            first = year_begin(month) if kind in {"REVENUE", "EXPENSE"} else "0000-00"
            debit, credit, debit_to_date, credit_to_date = (
                told.get((uid, month, column), Decimal())
                for column in ("Debit", "Credit", "YTD Debit", "YTD Credit")
            )
            assert debit - credit == since(totals, uid, month, month)
            assert debit_to_date - credit_to_date == since(totals, uid, first, month)
            compared += debit != credit
    assert compared > 50
    assert {uid for uid, _ in totals} <= accounts.keys()


@pytest.mark.parametrize("basis", BASES)
def test_profit_and_loss_is_the_sum_of_the_journals_to_the_cent(
    everything: Output, accounts: dict[str, str], basis: str
) -> None:
    totals = moved(everything.records(BASES[basis]))
    told = cells(everything, "profit_and_loss", basis)
    by_month = {(uid, month): value for (uid, month, _), value in told.items()}
    signs = {"REVENUE": -1, "EXPENSE": 1}
    expected = {
        (uid, month): signs[accounts[uid]] * value
        for (uid, month), value in totals.items()
        if accounts[uid] in signs and value and month >= START[:7]
    }
    assert by_month == expected
    assert expected
    profit = {
        row["PeriodEndDate"][:7]: row["Value"]
        for row in everything.records("profit_and_loss")
        if row["RowTitle"] == "Net Profit" and row["Basis"] == basis
    }
    for month, value in profit.items():
        assert value == -sum(
            amount
            for (uid, posted), amount in totals.items()
            if posted == month and accounts[uid] in signs
        )


@pytest.mark.parametrize("basis", BASES)
def test_the_balance_sheet_is_the_sum_of_the_journals_to_the_cent(
    everything: Output, accounts: dict[str, str], basis: str
) -> None:
    totals = moved(everything.records(BASES[basis]))
    told = cells(everything, "balance_sheet", basis)
    by_month = {(uid, month): value for (uid, month, _), value in told.items()}
    for month in months(everything, "balance_sheet"):
        for uid, kind in accounts.items():
            if kind in {"ASSET", "LIABILITY", "EQUITY"}:
                balance = since(totals, uid, "0000-00", month)
                shown = by_month.get((uid, month), Decimal())
                assert shown == (balance if kind == "ASSET" else -balance)
    rows = [row for row in everything.records("balance_sheet") if row["Basis"] == basis]
    net = {row["PeriodEndDate"]: row["Value"] for row in rows if row["RowTitle"] == "Net Assets"}
    equity = [row for row in rows if row["SectionPath"] == "Equity" and row["RowType"] == "Row"]
    for end, value in net.items():
        assert value == sum(row["Value"] for row in equity if row["PeriodEndDate"] == end)
    assert any(net.values())


def test_bank_summaries_go_on_where_the_last_one_ended(everything: Output) -> None:
    told = cells(everything, "bank_summary", None)
    ends = months(everything, "bank_summary")
    for before, month in pairwise(ends):
        for uid in {uid for uid, _, _ in told}:
            assert told[uid, month, "Opening Balance"] == told[uid, before, "Closing Balance"]


def test_aged_reports_come_for_contacts_with_a_balance_and_agree_with_the_invoices(
    xero: DemoXero, everything: Output
) -> None:
    for name, kind, side in (
        ("aged_receivables_by_contact", "ACCREC", "AccountsReceivable"),
        ("aged_payables_by_contact", "ACCPAY", "AccountsPayable"),
    ):
        rows = everything.records(name)
        owing = {
            contact["ContactID"]
            for contact in xero.organisation.rows("Contacts")
            if contact.get("Balances") and contact["Balances"][side]["Outstanding"]
        }
        assert {row["ContactID"] for row in rows} >= owing > set()
        due = {
            row["InvoiceID"]: row["Value"]
            for row in rows
            if row["ColumnTitle"] == "Due" and row["InvoiceID"]
        }
        assert due == {
            invoice["InvoiceID"]: invoice["AmountDue"]
            for invoice in xero.organisation.rows("Invoices")
            if invoice["Type"] == kind
            and invoice["Status"] == "AUTHORISED"
            and invoice["Contact"]["ContactID"] in owing
        }


def test_aged_reports_that_were_read_are_written_where_the_day_has_too_few_calls() -> None:
    name = "aged_receivables_by_contact"
    with demo() as xero:
        whole = run(xero, name)
        told = list(dict.fromkeys(row["ContactID"] for row in whole.records(name)))
    with demo() as xero:
        xero.behaviour.calls_per_day = 1 + len(told) // 2
        output = sync(xero, [name], clock=FakeTime().clock)
        assert isinstance(output.error, DayLimitError)
        read = {row["ContactID"] for row in output.records(name)}
        assert read == {*told[: len(told) // 2]} > set()
        assert name not in output.state["bookmarks"]
        xero.behaviour.calls_per_day = None
        again = run(xero, name, state=output.state)
    assert again.records(name) == whole.records(name)
    assert name in again.state["bookmarks"]


def test_contacts_without_a_balance_are_not_taken_for_missing_rows() -> None:
    contacts = [
        f'{{"ContactID":"{uid}","UpdatedDateUTC":"/Date(1780272000000+0000)/"}}'.encode()
        for uid in "abc"
    ]
    with demo() as xero:
        xero.replace("Contacts", contacts)
        output = run(xero, "aged_payables_by_contact")
    assert output.records("aged_payables_by_contact") == []
    assert "aged_payables_by_contact" in output.state["bookmarks"]
    assert output.runs[0].counted is None  # else Sync warns of rows that Xero did not send


@pytest.mark.parametrize("stream", REPORTS, ids=NAMES)
def test_keys_are_never_null_and_never_repeat_and_records_fit_their_schema(
    everything: Output,
    stream: Any,  # noqa: ANN401
) -> None:
    rows = everything.records(stream.tap_stream_id)
    keys = Counter(tuple(row[name] for name in stream.key_properties) for row in rows)
    assert rows
    assert all(count == 1 and None not in key for key, count in keys.items())
    schema = {**stream_schema(stream.tap_stream_id), "additionalProperties": False}
    validator = Draft4Validator(schema)
    assert [error.message for row in rows for error in validator.iter_errors(row)] == []


def test_reports_are_in_the_catalog_and_not_selected() -> None:
    entries = {entry["tap_stream_id"]: entry for entry in catalog()["streams"]}
    for name in NAMES:
        metadata = {
            tuple(item["breadcrumb"]): item["metadata"] for item in entries[name]["metadata"]
        }
        assert metadata[()]["selected"] is False
        assert entries[name]["replication_key"] == "PeriodEndDate"


def asked(xero: DemoXero, before: int) -> list[dict[str, str]]:
    return [dict(call.params) for call in xero.calls[before:] if call.path.startswith("Reports/")]


def test_every_month_from_the_start_date_is_read(xero: DemoXero) -> None:
    before = len(xero.calls)
    output = run(xero, "profit_and_loss", start_date="2026-02-20")
    assert [(each["fromDate"], each["toDate"]) for each in asked(xero, before)] == [
        ("2026-02-01", "2026-02-28"),
        ("2026-03-01", "2026-03-31"),
        ("2026-04-01", "2026-04-30"),
        ("2026-05-01", "2026-05-31"),
        ("2026-06-01", "2026-06-30"),
        ("2026-07-01", "2026-07-31"),
    ]
    mark = output.state["bookmarks"]["profit_and_loss"]["PeriodEndDate"]
    assert mark.startswith("2026-07-01T12:00")


@pytest.mark.parametrize(
    ("bookmark", "refresh", "first", "calls"),
    [
        ("2026-06-30T00:00:00Z", 3, "2026-04", 4),
        ("2026-07-01T00:00:00Z", 0, "2026-07", 1),
        ("2026-05-10T00:00:00Z", 0, "2026-05", 3),
        ("2025-12-31T00:00:00Z", 3, "2025-12", 8),
        ("2026-06-30T00:00:00Z", 120, "2025-11", 9),
    ],
)
def test_closed_months_are_read_again(
    xero: DemoXero, bookmark: str, refresh: int, first: str, calls: int
) -> None:
    before = len(xero.calls)
    state = {"bookmarks": {"trial_balance": {"PeriodEndDate": bookmark}}}
    run(
        xero,
        "trial_balance",
        state=state,
        report_refresh_months=refresh,
        start_date="2025-11-05",
    )
    dates = [each["date"][:7] for each in asked(xero, before)]
    assert (dates[0], dates[-1], len(dates)) == (first, "2026-07", calls)


def test_a_back_dated_posting_shows_in_the_closed_month() -> None:
    with demo(20) as books:
        first = run(books, "trial_balance", start_date="2026-05-01")
        lines = [{"AccountCode": "400", "NetAmount": Decimal("12.34")}]
        day = 1_780_000_000_000  # 28 May 2026
        journal = books.organisation.rows("Journals")[0]
        journal |= {"JournalID": "late", "JournalNumber": 10**6, "JournalDate": day}
        books.insert("Journals", journal | {"JournalLines": lines})
        second = run(books, "trial_balance", state=first.state, start_date="2026-05-01")
        uid = books.organisation.company.account_ids["400"]
    was = cells(first, "trial_balance", "accrual").get((uid, "2026-05", "Debit"), Decimal())
    now = cells(second, "trial_balance", "accrual")[uid, "2026-05", "Debit"]
    assert now - was == Decimal("12.34")


def test_columns_by_a_tracking_category_are_asked_for(xero: DemoXero) -> None:
    before = len(xero.calls)
    category = "0f0f0f0f-1111-2222-3333-444444444444"
    output = run(
        xero,
        "profit_and_loss",
        report_tracking_category_id=category,
        start_date="2026-07-01",
    )
    assert [each["trackingCategoryID"] for each in asked(xero, before)] == [category]
    assert {row["TrackingCategoryID"] for row in output.records("profit_and_loss")} == {category}


def test_only_reports_with_a_basis_are_read_twice(xero: DemoXero) -> None:
    before = len(xero.calls)
    names = ["balance_sheet", "bank_summary", "executive_summary"]
    run(xero, *names, report_basis="both", start_date="2026-07-01")
    assert sorted(each.get("paymentsOnly", "") for each in asked(xero, before)) == [
        "",
        "",
        "",
        "true",
    ]


def row(*values: object, kind: str = "Row", account: str | None = None) -> dict[str, Any]:
    attributes = [{"Id": "account", "Value": account}] if account else []
    return {
        "RowType": kind,
        "Cells": [{"Value": value, "Attributes": attributes} for value in values],
    }


ODD: list[dict[str, Any]] = [
    row("", "30 Jun 2026", "", kind="Header"),
    {"RowType": "Section", "Title": "Assets", "Rows": []},
    {"RowType": "Section", "Title": "No rows at all"},
    {"RowType": "Section", "Title": "", "Rows": []},
    {
        "RowType": "Section",
        "Title": "Bank",
        "Rows": [
            row("Cash", "12345678901234567.89", "-0.50", account=ACCOUNT),
            row("Cash", "", None, account=ACCOUNT),
            {"RowType": "Section", "Title": "Inner", "Rows": [row("Deep", "1,234.50", "12.5%")]},
            row("Total Bank", "007", "more", "than", "titles", kind="SummaryRow"),
        ],
    },
    row("Currency gains", "3.00", "(4.00)", account="FXGROUPID"),
    {"RowType": "Section", "Rows": [row("Net Profit", "1E3", "-")]},
    {"RowType": "Row", "Cells": [{"Value": "Only a label"}]},
    {"RowType": "Row"},
    row("Grand total", "1.10", "2", kind="SummaryRow"),
]


def test_odd_shapes_come_out_whole() -> None:
    answer = json.dumps({"Reports": [{"ReportName": "Odd", "Rows": ODD}]}).encode()
    with demo(5, answers={"Reports/BalanceSheet": answer}) as xero:
        rows = run(xero, "balance_sheet", start_date="2026-07-01").records("balance_sheet")
    assert [
        (each["SectionPath"], each["RowTitle"], each["ColumnTitle"], each["Value"], each["Text"])
        for each in rows
    ] == [
        ("", "Assets", None, None, None),
        ("", "No rows at all", None, None, None),
        ("Bank", "Cash", "30 Jun 2026", NUMBER, "12345678901234567.89"),
        ("Bank", "Cash", "", Decimal("-0.50"), "-0.50"),
        ("Bank", "Cash", "30 Jun 2026", None, ""),
        ("Bank", "Cash", "", None, None),
        ("Bank / Inner", "Deep", "30 Jun 2026", Decimal("1234.50"), "1,234.50"),
        ("Bank / Inner", "Deep", "", None, "12.5%"),
        ("Bank", "Total Bank", "30 Jun 2026", None, "007"),
        ("Bank", "Total Bank", "", None, "more"),
        ("Bank", "Total Bank", None, None, "than"),
        ("Bank", "Total Bank", None, None, "titles"),
        ("", "Currency gains", "30 Jun 2026", Decimal("3.00"), "3.00"),
        ("", "Currency gains", "", None, "(4.00)"),
        ("", "Net Profit", "30 Jun 2026", None, "1E3"),
        ("", "Net Profit", "", None, "-"),
        ("", "Only a label", None, None, None),
        ("", None, None, None, None),
        ("", "Grand total", "30 Jun 2026", Decimal("1.10"), "1.10"),
        ("", "Grand total", "", Decimal(2), "2"),
    ]
    assert len({(each["RowNumber"], each["ColumnNumber"]) for each in rows}) == len(rows)
    assert [each["AccountID"] for each in rows[2:6]] == [ACCOUNT] * 4
    gains = [each for each in rows if each["AccountGroup"] == "FXGROUPID"]
    assert [each["AccountID"] for each in gains] == [None, None]


def test_cells_beside_an_empty_list_of_rows_come_out() -> None:
    cells = [{"Value": "Cash"}, {"Value": "1.50"}]
    odd = [{"RowType": kind, "Rows": [], "Cells": cells} for kind in ("Row", "Section")]
    answer = json.dumps({"Reports": [{"ReportName": "Odd", "Rows": odd}]}).encode()
    with demo(5, answers={"Reports/TrialBalance": answer}) as xero:
        rows = run(xero, "trial_balance", start_date="2026-07-01").records("trial_balance")
    assert [(each["RowTitle"], each["Text"]) for each in rows] == [("Cash", "1.50")] * 2


@pytest.mark.parametrize("other", ["null", "[]", "7"])
def test_a_contact_that_owes_is_in_its_aged_report_whatever_its_other_side_is(other: str) -> None:
    owing = b'{"AccountsReceivable":{"Outstanding":5.00},"AccountsPayable":%s}' % other.encode()
    with demo(0) as xero:
        xero.replace("Contacts", [b'{"ContactID":"c","Balances":%s}' % owing])
        run(xero, "aged_receivables_by_contact", "aged_payables_by_contact")
        asked = [call.path for call in xero.calls if call.params.get("contactId") == "c"]
    assert asked == ["Reports/AgedReceivablesByContact"]


@pytest.mark.parametrize("rows", ["7", '[{"Cells":{}}]', '[["a"]]'])
def test_what_is_no_report_ends_the_stream_and_says_so(rows: str) -> None:
    answer = b'{"Reports":[{"ReportName":"Bad","Rows":%s}]}' % rows.encode()
    with demo(5, answers={"Reports/TrialBalance": answer}) as xero:
        output = sync(xero, ["trial_balance"], start_date="2026-07-01", clock=FakeTime().clock)
    assert "not the shape of a report" in str(output.runs[0].error)


def test_a_1099_report_gives_every_box_of_every_contact(everything: Output) -> None:
    rows = [each for each in everything.records("tenninetynine") if "2025" in each["ReportDate"]]
    assert {each["ReportName"] for each in rows} == {"NEC report", "MISC report"}
    boxes = {
        (each["ReportName"], each["ColumnTitle"]): each["Value"]
        for each in rows
        if each["ColumnTitle"].startswith("Box")
    }
    assert boxes["NEC report", "Box2"] == Decimal("1150.50")
    assert boxes["MISC report", "Box3"] == 7
    assert {each["RowTitle"] for each in rows} == {"Bank West"}


@cache
def examples() -> dict[str, bytes]:
    return read_examples(API_DESCRIPTION)


def texts(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the text of every cell that becomes a record, in order."""
    for each in rows:
        yield from texts(each.get("Rows") or [])
        if each["RowType"] != "Header":
            yield from (cell.get("Value") for cell in (each.get("Cells") or [])[1:])


@pytest.mark.skipif(not API_DESCRIPTION, reason="XERO_API_DESCRIPTION names no file")
@pytest.mark.parametrize("stream", REPORTS, ids=NAMES)
def test_example_answers_of_the_api_description_come_out_whole(stream: Any) -> None:  # noqa: ANN401
    example = examples().get(stream.path)
    if example is None:
        pytest.skip("the description has no example of it")
    reports = json.loads(example, parse_float=str)["Reports"]
    with demo(60, answers={stream.path: example}) as xero:
        output = run(xero, stream.tap_stream_id, start_date="2026-07-01")
    records = output.records(stream.tap_stream_id)
    one = [each for each in records if each.get("ContactID") == records[0].get("ContactID")]
    cells = [each["Text"] for each in one if each["ColumnNumber"]]
    if stream.tap_stream_id != "tenninetynine":
        assert cells == [text for report in reports for text in texts(report["Rows"])]
    boxes = [
        value
        for report in reports
        for contact in report.get("Contacts", [])
        for value in contact.values()
    ]
    if stream.tap_stream_id == "tenninetynine":
        assert len([each for each in records if each["ColumnNumber"]]) == len(boxes)
