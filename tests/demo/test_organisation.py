"""The books of the demo organisation: they balance, add up, and can be edited."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tap_xero.demo import DemoXero
from tap_xero.demo.books.company import HISTORY, Company
from tap_xero.demo.books.organisation import Organisation
from tap_xero.demo.lists import ENDPOINTS
from tap_xero.streams.schema_files import stream_schema
from tap_xero.streams.table import LISTS

pytestmark = pytest.mark.invoices(60)
NOW = 1_795_000_000_123
SIZE = 400


@pytest.fixture(scope="module")
def books() -> Organisation:
    return Organisation(Company(seed=7, size=SIZE, now=NOW))


def live(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["Status"] in {"AUTHORISED", "PAID"}]


def test_every_journal_and_the_whole_ledger_balance(books: Organisation) -> None:
    for journal in books.rows("Journals"):
        assert sum(line["NetAmount"] for line in journal["JournalLines"]) == 0
    totals = books.account_totals()
    assert sum(totals.values()) == 0
    assert totals


def test_invoices_add_up_to_the_cent(books: Organisation) -> None:
    for invoice in books.rows("Invoices"):
        lines = invoice["LineItems"]
        amount = sum(line["LineAmount"] for line in lines)
        tax = sum(line["TaxAmount"] for line in lines)
        assert invoice["TotalTax"] == tax
        assert invoice["SubTotal"] == amount - (
            tax if invoice["LineAmountTypes"] == "Inclusive" else 0
        )
        assert invoice["Total"] == invoice["SubTotal"] + invoice["TotalTax"]
        if invoice in live([invoice]):
            due = invoice["Total"] - invoice["AmountPaid"] - invoice["AmountCredited"]
            assert invoice["AmountDue"] == due >= 0


def test_payments_and_invoices_agree(books: Organisation) -> None:
    paid: dict[str, Decimal] = {}
    stamps: dict[str, int] = {}
    for payment in live([p for p in books.rows("Payments") if "Invoice" in p]):
        key = payment["Invoice"]["InvoiceID"]
        paid[key] = paid.get(key, Decimal()) + payment["Amount"]
        stamps[key] = max(stamps.get(key, 0), payment["UpdatedDateUTC"])
    for invoice in books.rows("Invoices"):
        assert invoice["AmountPaid"] == paid.get(invoice["InvoiceID"], 0)
        assert invoice["AmountPaid"] == sum(p["Amount"] for p in invoice["Payments"])
        assert invoice["UpdatedDateUTC"] >= stamps.get(invoice["InvoiceID"], 0)


def test_allocations_agree_with_what_invoices_say_was_credited(books: Organisation) -> None:
    allocated: dict[str, Decimal] = {}
    for kind in ("CreditNotes", "Prepayments", "Overpayments"):
        for credit in books.rows(kind):
            used = Decimal()
            for allocation in credit["Allocations"]:
                key = allocation["Invoice"]["InvoiceID"]
                allocated[key] = allocated.get(key, Decimal()) + allocation["Amount"]
                used += allocation["Amount"]
            refunded = sum(p["Amount"] for p in credit["Payments"])
            assert credit["RemainingCredit"] == credit["Total"] - used - refunded
    assert allocated
    for invoice in books.rows("Invoices"):
        assert invoice["AmountCredited"] == allocated.get(invoice["InvoiceID"], 0)


def test_debtors_and_creditors_in_the_ledger_are_what_is_outstanding(books: Organisation) -> None:
    """Documents in a foreign currency are worth their own rate, so each is converted by it."""
    owed = {"610": Decimal(), "800": Decimal()}
    for invoice in books.rows("Invoices"):
        if invoice["Status"] == "AUTHORISED":
            base = invoice["AmountDue"] / invoice["CurrencyRate"]
            owed["610" if invoice["Type"] == "ACCREC" else "800"] += base
    for kind in ("CreditNotes", "Prepayments", "Overpayments"):
        for credit in books.rows(kind):
            sale = credit["Type"].startswith(("ACCREC", "RECEIVE"))
            owed["610" if sale else "800"] -= credit["RemainingCredit"] / credit["CurrencyRate"]
    totals = books.account_totals()
    for code, sign in (("610", 1), ("800", -1)):
        ledger = sum(amount for (account, _), amount in totals.items() if account == code)
        assert abs(sign * ledger - owed[code]) < Decimal("1.00"), code


def test_contacts_owe_what_their_invoices_say(books: Organisation) -> None:
    receivable = Decimal()
    for contact in books.rows("Contacts"):
        balances = contact.get("Balances", {})
        receivable += balances.get("AccountsReceivable", {}).get("Outstanding", 0)
    due = sum(
        invoice["AmountDue"] / invoice["CurrencyRate"]
        for invoice in books.rows("Invoices")
        if invoice["Type"] == "ACCREC" and invoice["Status"] == "AUTHORISED"
    )
    assert abs(receivable - due) < Decimal("1.00")


def test_journal_numbers_rise_and_have_gaps(books: Organisation) -> None:
    journals = books.rows("Journals")
    numbers = [journal["JournalNumber"] for journal in journals]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] > len(numbers)
    created = [journal["CreatedDateUTC"] for journal in journals]
    assert created == sorted(created)


def test_stamps_lie_in_the_past_years_and_are_spread_out(books: Organisation) -> None:
    for endpoint in ENDPOINTS.values():
        for row in books.table(endpoint.path).rows.values():
            document = books.row(endpoint.path, row.key)
            stamp = document.get(endpoint.stamp)
            assert row.stamp == (stamp or 0), endpoint.path
            assert stamp is None or NOW - 2 * HISTORY < stamp < NOW, endpoint.path
    stamps = {row.stamp for row in books.table("Invoices").rows.values()}
    assert len(stamps) > SIZE * 0.95


def test_a_seed_gives_the_same_books_again(books: Organisation) -> None:
    again = Organisation(Company(seed=7, size=SIZE, now=NOW))
    other = Organisation(Company(seed=8, size=SIZE, now=NOW))
    for name in ("Invoices", "Payments", "Journals", "Contacts"):
        assert again.rows(name) == books.rows(name)
        assert other.rows(name) != books.rows(name)


@pytest.mark.parametrize("size", [0, 1, 5, 20])
def test_small_organisations_have_rows_in_every_list(size: int) -> None:
    books = Organisation(Company(seed=1, size=size, now=NOW))
    empty = {path for path in ENDPOINTS if not books.rows(path)}
    assert empty <= {"Invoices", "BatchPayments", "LinkedTransactions"}
    assert len(books.rows("Invoices")) == size


def test_every_field_of_the_demo_is_in_the_schemas(books: Organisation) -> None:
    for stream in LISTS:
        known = set(stream_schema(stream.tap_stream_id)["properties"])
        for row in books.rows(stream.path):
            assert set(row) <= known, stream.tap_stream_id


def test_an_invoice_of_five_lines_has_the_size_of_a_real_one() -> None:
    with DemoXero(size=50, lines=5) as xero:
        xero.behaviour.pretty = False
        xero.render_all("Invoices")
        rows = xero.organisation.table("Invoices").rows.values()
        sizes = [len(text) for row in rows for text in (row.rendered or {}).values()]
        assert 3_000 < sum(sizes) / 50 < 3_900


def test_starting_costs_nothing_until_rows_are_read() -> None:
    with DemoXero(size=10**12) as xero:
        assert xero.organisation.rows("Currencies")


def test_an_edit_changes_fields_and_stamp(xero: DemoXero) -> None:
    before = xero.organisation.rows("Invoices")[3]
    key = xero.edit("Invoices", before["InvoiceID"], Reference="changed")
    after = xero.organisation.row("Invoices", key)
    assert after["Reference"] == "changed"
    assert after["UpdatedDateUTC"] > before["UpdatedDateUTC"]
    assert after["UpdatedDateUTCString"] > before["UpdatedDateUTCString"]
    assert after["LineItems"] == before["LineItems"]


def test_an_edit_may_set_the_stamp_itself(xero: DemoXero) -> None:
    key = xero.organisation.rows("Contacts")[0]["ContactID"]
    xero.edit("Contacts", key, UpdatedDateUTC=1_234)
    assert xero.organisation.row("Contacts", key)["UpdatedDateUTC"] == 1_234


def test_new_balances_do_not_touch_a_contacts_stamp(xero: DemoXero) -> None:
    before = xero.organisation.rows("Contacts")[0]
    xero.edit("Contacts", before["ContactID"], Balances={})
    after = xero.organisation.row("Contacts", before["ContactID"])
    assert after["UpdatedDateUTC"] == before["UpdatedDateUTC"]


def test_deleted_documents_stay_with_a_status_and_items_vanish(xero: DemoXero) -> None:
    payment = xero.organisation.rows("Payments")[0]["PaymentID"]
    item = xero.organisation.rows("Items")[0]["ItemID"]
    xero.delete("Payments", payment)
    xero.delete("Items", item)
    assert xero.organisation.row("Payments", payment)["Status"] == "DELETED"
    assert item not in xero.organisation.table("Items").rows


@pytest.mark.parametrize("path", sorted(set(ENDPOINTS) - {"InvoiceReminders/Settings"}))
def test_a_row_can_be_added_to_every_list(xero: DemoXero, path: str) -> None:
    before = len(xero.organisation.rows(path))
    key = xero.insert(path)
    assert len(xero.organisation.rows(path)) == before + 1
    assert str(xero.organisation.row(path, key)[ENDPOINTS[path].key]) == key


def test_an_invoice_that_is_added_is_posted(xero: DemoXero) -> None:
    xero.organisation.table("Journals")
    keys = {xero.insert("Invoices") for _ in range(5)}
    posted = {journal["SourceID"] for journal in xero.organisation.rows("Journals")}
    assert {key for key in keys if live([xero.organisation.row("Invoices", key)])} <= posted
    assert sum(xero.organisation.account_totals().values()) == 0
    whole = xero.organisation.invoice_total(sale=True)
    whole += xero.organisation.invoice_total(sale=False)
    assert whole == sum(row["Total"] for row in xero.organisation.rows("Invoices"))


def test_exact_data_sets_can_be_put_in(xero: DemoXero) -> None:
    raw = b'{"InvoiceID":"b","UpdatedDateUTC":"\\/Date(7+0000)\\/","Total":1.10}'
    xero.replace("Invoices", [{"InvoiceID": "a", "UpdatedDateUTC": 5}, raw])
    assert xero.organisation.rows("Invoices") == [
        {"InvoiceID": "a", "UpdatedDateUTC": 5},
        {"InvoiceID": "b", "UpdatedDateUTC": 7, "Total": Decimal("1.10")},
    ]
