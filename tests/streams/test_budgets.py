"""Budgets with their lines, and journals on the cash basis."""

from __future__ import annotations

import json
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tap_xero.demo import DemoXero, Fault
from tap_xero.demo.books.reference_lists import BUDGETED
from tap_xero.demo.lists import CASH_JOURNALS
from tests.support.fake_clock import FakeTime
from tests.support.run_tap import Output, sync

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def xero() -> Iterator[DemoXero]:
    time = FakeTime()
    with DemoXero(size=40, clock=time.timestamp) as server:
        yield server


def months(line: dict[str, Any]) -> list[str]:
    return [balance["Period"] for balance in line["BudgetBalances"]]


def run(xero: DemoXero, *streams: str, **config: Any) -> Output:  # noqa: ANN401
    return sync(xero, streams, clock=FakeTime().clock, **config)


def test_budgets_come_with_every_month_from_the_start_date_to_two_years_ahead(
    xero: DemoXero,
) -> None:
    rows = run(xero, "budgets", start_date="2023-11-20").records("budgets")
    assert len(rows) == len(xero.organisation.rows("Budgets"))
    for row in rows:
        assert [line["AccountCode"] for line in row["BudgetLines"]] == [
            code for code, _ in BUDGETED
        ]
        for line in row["BudgetLines"]:
            told = months(line)
            assert told == sorted(set(told))
            assert (told[0], told[-1]) == ("2023-11", "2029-10")
            assert len(told) == 72


def test_a_call_for_a_budget_asks_for_24_months_at_most(xero: DemoXero) -> None:
    run(xero, "budgets", start_date="2023-11-20")
    asked = [call.params for call in xero.calls if call.path.startswith("Budgets/")]
    budgets = len(xero.organisation.rows("Budgets"))
    assert [(each["DateFrom"], each["DateTo"]) for each in asked] == [
        ("2023-11-01", "2025-10-31"),
        ("2025-11-01", "2027-10-31"),
        ("2027-11-01", "2029-10-31"),
    ] * budgets


def test_amounts_keep_every_digit_and_text_stays_text() -> None:
    budget = {"BudgetID": "b", "Type": "TRACKING"}
    line = b'{"AccountID":"a","BudgetBalances":[{"Period":"2026-03","Amount":"1.10"},'
    line += b'{"Period":"2026-04","Amount":12345678901234567.89}]}'
    answer = json.dumps({"Status": "OK", "Budgets": [budget | {"BudgetLines": ["LINE"]}]})
    body = answer.encode().replace(b'"LINE"', line)
    with DemoXero(size=5, answers={"Budgets": body}) as xero:
        (row,) = sync(xero, ["budgets"]).records("budgets")
    assert [balance["Amount"] for balance in row["BudgetLines"][0]["BudgetBalances"]] == [
        "1.10",
        Decimal("12345678901234567.89"),
    ]


def test_lines_and_balances_that_look_alike_in_one_answer_are_all_kept() -> None:
    balances = [{"Period": "2026-07", "Amount": 1}, {"Amount": 2}, {"Amount": 3}]
    lines = [{"AccountID": "a", "BudgetBalances": balances}, {"Notes": "n"}, {"AccountID": "a"}]
    body = json.dumps({"Budgets": [{"BudgetID": "b", "BudgetLines": lines}]}).encode()
    with DemoXero(size=5, answers={"Budgets": body}) as xero:
        (row,) = sync(xero, ["budgets"], start_date="2026-11-01").records("budgets")
    assert row["BudgetLines"] == lines


def test_an_odd_budget_does_not_end_the_sync() -> None:
    body = b'{"Budgets":[{"BudgetID":null},{"BudgetID":7},{"BudgetID":"b"}]}'
    with DemoXero(size=5, answers={"Budgets": body}) as xero:
        output = sync(xero, ["budgets", "currencies"])
    assert output.error is None
    assert len(output.records("budgets")) == 3


def test_a_budget_answered_alone_and_not_in_a_list_is_read_too() -> None:
    alone = b'{"Status":"OK","Budgets":{"BudgetID":"b","BudgetLines":[{"AccountID":"a"}]}}'
    listed = {"Budgets": b'{"Status":"OK","Budgets":[{"BudgetID":"b"}]}'}
    with DemoXero(size=5, answers=listed) as xero:
        fault = Fault.status(200, {"Content-Type": "application/json"}, alone)
        xero.fail(fault, on=lambda call: call.path == "Budgets/b", times=None)
        output = sync(xero, ["budgets"])
    assert output.error is None
    assert [row["BudgetLines"] for row in output.records("budgets")] == [[{"AccountID": "a"}]]


def test_budget_lines_and_balances_can_be_tables(xero: DemoXero) -> None:
    names = ["budgets", "budget_lines", "budget_balances"]
    output = run(xero, *names, line_tables=True, start_date="2026-01-01")
    lines = len(BUDGETED) * len(output.records("budgets"))
    assert len(output.records("budget_lines")) == lines
    assert len(output.records("budget_balances")) == lines * 48


def test_cash_journals_have_a_bookmark_of_their_own(xero: DemoXero) -> None:
    names = ["journals", "journals_cash"]
    first = sync(xero, names)
    marks = first.state["bookmarks"]
    for name in names:
        assert marks[name]["JournalNumber"] == max(
            row["JournalNumber"] for row in first.records(name)
        )
    assert len(first.records("journals")) > len(first.records("journals_cash")) > 0
    assert sync(xero, names, state=first.state).records("journals_cash") == []


def test_cash_journals_balance_and_move_the_bank_like_the_others(xero: DemoXero) -> None:
    for journal in xero.organisation.rows(CASH_JOURNALS):
        assert sum(line["NetAmount"] for line in journal["JournalLines"]) == 0
    banks: list[dict[str, Decimal]] = []
    for name in ("Journals", CASH_JOURNALS):
        moved: dict[str, Decimal] = defaultdict(Decimal)
        for (account, _), amount in xero.organisation.account_totals(name).items():
            moved[account] += amount
        banks.append({account: moved[account] for account in ("090", "091", "092")})
    assert banks[0] == banks[1]
