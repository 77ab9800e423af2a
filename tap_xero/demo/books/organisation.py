"""The demo organisation: its lists, made when they are first asked for, and edits to them."""

# ruff: noqa: PLR2004 - the odds and proportions of an invented company

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple

import msgspec

from tap_xero.demo.books import documents, histories, ledger, reference_lists
from tap_xero.demo.books.company import (
    CATEGORIES,
    CURRENCIES,
    DAY,
    PEOPLE,
    TAX_RATES,
    Company,
)
from tap_xero.demo.books.plans import (
    base_cents,
    batch_moment,
    count_credits,
    plan_cash_entry,
    plan_credit,
    plan_invoice,
    plan_manual_journal,
    plan_transfer,
    refund_of,
)
from tap_xero.demo.books.tables import Table
from tap_xero.demo.lists import CASH_JOURNALS, ENDPOINTS, Endpoint, find_endpoint
from tap_xero.demo.xero_json import (
    Document,
    instant,
    read_instant,
    stamp_text,
    to_document,
    to_plain,
)

# Changes that Xero makes without a newer UpdatedDateUTC (developer.xero.com, requests).
SILENT_FIELDS = {"Contacts": frozenset({"Balances", "IsSupplier", "IsCustomer"})}


class Outcome(NamedTuple):
    """What the other lists need to know of an invoice."""

    stamp: int
    sale: bool
    contact: int
    outstanding: int
    overdue: bool
    payments: tuple[int, ...]
    sources: tuple[ledger.Source, ...]


Generated = Iterator[tuple[str, int, Callable[..., Document], tuple[object, ...]]]


class Organisation:
    """All lists of one organisation; not locked, the server does that."""

    def __init__(self, company: Company) -> None:
        self.company = company
        self._tables: dict[str, Table] = {}
        self._inserted = 0
        self._posted: list[ledger.Source] = []
        self._stamps: dict[tuple[str, str], list[int]] = {}
        self._postings: dict[str, tuple[int, list[tuple[str, str, Decimal]]]] = {}

    def table(self, name: str) -> Table:
        """Give a list by its path or its plural, made on first use; KeyError if there is none."""
        endpoint = find_endpoint(name)
        if endpoint.path not in self._tables:
            self._tables[endpoint.path] = self._generate(endpoint)
        return self._tables[endpoint.path]

    def rows(self, name: str) -> list[Document]:
        """Give the current rows of a list as they were made, plain (see `wire`)."""
        return [to_plain(row.read()) for row in self.table(name).rows.values()]

    def row(self, name: str, key: str) -> Document:
        """Give one row, plain."""
        return to_plain(self.table(name).rows[key].read())

    def account_totals(self, name: str = "Journals") -> dict[tuple[str, str], Decimal]:
        """Sum the journals by account code and month, e.g. ("200", "2025-03"); debits count up."""
        journals = self.table(name).rows.values()
        return ledger.totals_by_month(row.read() for row in journals)

    def postings(self, name: str) -> list[tuple[str, str, Decimal]]:
        """Give day (`2026-03-31`), account code and amount of each line of the journals `name`."""
        count = len(self.table(name).rows)
        if self._postings.get(name, (0, []))[0] != count:
            self._postings[name] = (count, self._read_postings(name))
        return self._postings[name][1]

    def _read_postings(self, name: str) -> list[tuple[str, str, Decimal]]:
        return [
            (stamp_text(read_instant(journal["JournalDate"]) or 0)[:10], line["AccountCode"], net)
            for journal in (row.read() for row in self.table(name).rows.values())
            for line in journal["JournalLines"]
            for net in [line["NetAmount"]]
        ]

    def invoice_total(self, *, sale: bool) -> Decimal:
        """Sum Total of all invoices (or bills) as they are now, whatever their status."""
        kind = "ACCREC" if sale else "ACCPAY"
        invoices = (row.read() for row in self.table("Invoices").rows.values())
        return sum((each["Total"] for each in invoices if each["Type"] == kind), Decimal())

    # Edits

    def put(self, name: str, row: Document | bytes) -> str:
        """Put in a row as it is given, plain or as ready-made JSON; return its key."""
        endpoint = find_endpoint(name)
        if isinstance(row, bytes):
            return self._keep(endpoint, msgspec.json.decode(row), raw=row)
        return self._keep(endpoint, to_document(row))

    def _keep(self, endpoint: Endpoint, document: Document, raw: bytes | None = None) -> str:
        key = str(document[endpoint.key])
        self.table(endpoint.path).put(
            key,
            read_instant(document.get(endpoint.stamp)) or 0,
            document=None if raw else document,
            raw=raw,
            hidden=endpoint.hides(document),
            serial=document["JournalNumber"] if endpoint.paging == "offset" else None,
        )
        return key

    def edit(self, name: str, key: str, now: int, fields: dict[str, Any]) -> str:
        """Change fields of a row, and its stamp to `now` where Xero would; return its key."""
        endpoint = find_endpoint(name)
        row = self.table(name).rows[key]
        self._stamps.setdefault((endpoint.path, key), [row.stamp]).append(now)
        document = deepcopy(row.read()) | to_document(fields)
        silent = SILENT_FIELDS.get(endpoint.path, frozenset())
        if (
            endpoint.stamp == "UpdatedDateUTC"
            and endpoint.stamp not in fields
            and set(fields) - silent
        ):
            document |= to_document({"UpdatedDateUTC": now})
        if "UpdatedDateUTCString" in document:
            stamp = read_instant(document["UpdatedDateUTC"])
            document["UpdatedDateUTCString"] = None if stamp is None else stamp_text(stamp)
        return self._keep(endpoint, document)

    def insert(self, name: str, now: int, row: Document | bytes | None) -> str:
        """Add a row, or one of the demo's own making when none is given; return its key."""
        if row is not None:
            return self.put(name, row)
        endpoint = find_endpoint(name)
        self._inserted += 1
        if endpoint.path == "Invoices":
            return self._insert_invoice(now)
        return self._insert_copy(endpoint, now)

    def _insert_invoice(self, now: int) -> str:
        """Make one that no credit, batch or linked transaction speaks of (see `plans`); post it."""
        number = (self.company.size // 100 + 1) * 100 + self._inserted * 100 + 17
        for source in ledger.sources_of_invoice(plan_invoice(self.company, number)):
            self._posted.append(source._replace(created=now))
            for name in {"Journals", CASH_JOURNALS} & self._tables.keys():
                self._post(ENDPOINTS[name], self._tables[name], self._posted[-1])
        document = documents.invoice_document(self.company, number)
        return self._keep(ENDPOINTS["Invoices"], document | _stamped(document, now))

    def _insert_copy(self, endpoint: Endpoint, now: int) -> str:
        table = self.table(endpoint.path)
        first = next(iter(table.rows.values()))
        document = deepcopy(first.read())
        uid = self.company.uid(f"{endpoint.path} inserted", self._inserted)
        document |= {endpoint.key: uid, **({"ID": uid} if "ID" in document else {})}
        if endpoint.paging == "offset":
            document["JournalNumber"] = next(reversed(table.rows.values())).serial + 1
        return self._keep(endpoint, document | _stamped(document, now))

    def delete(self, name: str, key: str, now: int) -> str:
        """Delete a row as Xero does: most stay with Status DELETED, the others leave no trace."""
        endpoint = find_endpoint(name)
        if endpoint.leaves_trace:
            return self.edit(name, key, now, {"Status": "DELETED"})
        self.table(name).drop(key)
        return key

    def archive(self, name: str, key: str, now: int) -> str:
        """Archive a row."""
        field = "ContactStatus" if find_endpoint(name).path == "Contacts" else "Status"
        return self.edit(name, key, now, {field: "ARCHIVED"})

    def replace(self, name: str, rows: Iterable[Document | bytes]) -> None:
        """Make these the only rows of a list."""
        self._tables[find_endpoint(name).path] = Table()
        for row in rows:
            self.put(name, row)

    def history(self, name: str, key: str) -> list[Document]:
        """Write the history of a document, newest first; KeyError if there is no such document."""
        path = find_endpoint(name).path
        stamps = self._stamps.get((path, key)) or [self.table(path).rows[key].stamp]
        return histories.history(key, stamps)

    def attachments(self, name: str, key: str) -> list[Document]:
        """Write what is attached to a document; KeyError if there is no such document."""
        path = find_endpoint(name).path
        has_any = self.table(path).rows[key].read().get("HasAttachments")
        return histories.attachments(self.company, path, key) if has_any else []

    def forget_rendered(self) -> None:
        """Drop what the tables have kept of rendered rows."""
        for table in self._tables.values():
            for row in table.rows.values():
                row.rendered = None

    # Generation

    def _generate(self, endpoint: Endpoint) -> Table:
        table = Table()
        if endpoint.path in {"Journals", CASH_JOURNALS}:
            self._number_journals(endpoint, table)
            return table
        for key, stamp, function, arguments in self._generators[endpoint.path]():
            row: dict[str, Any] = {"make": (function, arguments)}
            if endpoint.may_hide:
                document = function(*arguments)
                row = {"document": document, "hidden": endpoint.hides(document)}
            table.put(key, stamp, **row)
        return table

    @cached_property
    def _generators(self) -> dict[str, Callable[[], Generated]]:
        return {
            "Accounts": self._accounts,
            "BankTransactions": self._bank_transactions,
            "BankTransfers": lambda: self._numbered("BankTransfers", documents.transfer_document),
            "BatchPayments": self._batch_payments,
            "BrandingThemes": lambda: self._numbered(
                "BrandingThemes", reference_lists.branding_theme_document
            ),
            "Budgets": lambda: self._numbered("Budgets", reference_lists.budget_document),
            "ContactGroups": lambda: self._numbered(
                "ContactGroups", reference_lists.contact_group_document
            ),
            "Contacts": self._contacts,
            "CreditNotes": lambda: self._credits("CreditNotes"),
            "Currencies": self._currencies,
            "ExpenseClaims": lambda: self._numbered(
                "ExpenseClaims", documents.expense_claim_document
            ),
            "InvoiceReminders/Settings": self._reminders,
            "Invoices": self._invoices,
            "Items": lambda: self._numbered("Items", reference_lists.item_document),
            "LinkedTransactions": lambda: self._numbered(
                "LinkedTransactions", documents.linked_transaction_document
            ),
            "ManualJournals": self._manual_journals,
            "Organisation": lambda: self._single(
                "Organisation", reference_lists.organisation_document
            ),
            "Overpayments": lambda: self._credits("Overpayments"),
            "PaymentServices": lambda: self._single(
                "PaymentServices", reference_lists.payment_service_document
            ),
            "Payments": self._payments,
            "Prepayments": lambda: self._credits("Prepayments"),
            "PurchaseOrders": lambda: self._counted(
                "PurchaseOrders", documents.purchase_order_document
            ),
            "Quotes": lambda: self._counted("Quotes", documents.quote_document),
            "Receipts": lambda: self._numbered("Receipts", documents.receipt_document),
            "RepeatingInvoices": lambda: self._numbered(
                "RepeatingInvoices", documents.repeating_invoice_document
            ),
            "TaxRates": self._tax_rates,
            "TrackingCategories": self._tracking_categories,
            "Users": lambda: self._numbered("Users", reference_lists.user_document),
        }

    @cached_property
    def counts(self) -> dict[str, int]:
        """Say how many rows each list that simply counts has."""
        size = self.company.size
        return {
            "BankTransactions": size // 4 + 5,
            "BankTransfers": size // 60 + 4,
            "BrandingThemes": len(self.company.themes),
            "Budgets": 2,
            "ContactGroups": len(reference_lists.GROUPS),
            "ExpenseClaims": 2,
            "Items": len(self.company.items),
            "LinkedTransactions": len(range(11, size - 1, 30)),
            "ManualJournals": size // 40 + 4,
            "PurchaseOrders": size // 8 + 6,
            "Quotes": size // 10 + 6,
            "Receipts": 4,
            "RepeatingInvoices": 3,
            "Users": len(PEOPLE),
        }

    @cached_property
    def outcomes(self) -> list[Outcome]:
        """Say what became of each invoice: the one pass over all of them."""
        return [self._outcome(number) for number in range(self.company.size)]

    def _outcome(self, number: int) -> Outcome:
        plan = plan_invoice(self.company, number)
        open_amount = 0
        if plan.status == "AUTHORISED":
            paid = sum(each.amount for each in plan.payments if each.status == "AUTHORISED")
            open_amount = base_cents(plan.totals.total - paid - plan.credited, plan.rate)
        return Outcome(
            plan.stamp,
            plan.sale,
            plan.contact.number,
            open_amount,
            plan.due < self.company.now,
            tuple(documents.payment_stamp(each) for each in plan.payments),
            tuple(ledger.sources_of_invoice(plan)),
        )

    @cached_property
    def balances(self) -> reference_lists.Balances:
        """Sum what is outstanding and overdue by contact."""
        balances: reference_lists.Balances = {}
        for outcome in self.outcomes:
            if outcome.outstanding:
                owed = balances.setdefault(outcome.contact, [0, 0, 0, 0])
                side = 0 if outcome.sale else 2
                owed[side] += outcome.outstanding
                owed[side + 1] += outcome.outstanding if outcome.overdue else 0
        return balances

    def _numbered(self, kind: str, function: Callable[..., Document]) -> Generated:
        """Make the rows of a list that costs little: the stamp is read from each document."""
        endpoint = ENDPOINTS[kind]
        for number in range(self.counts[kind]):
            document = function(self.company, number)
            stamp = read_instant(document.get(endpoint.stamp)) or 0
            yield document[endpoint.key], stamp, function, (self.company, number)

    def _counted(self, kind: str, function: Callable[..., Document]) -> Generated:
        count = self.counts[kind]
        for number in range(count):
            stamp = self.company.moment(kind, number, count)
            yield self.company.uid(kind, number), stamp, function, (self.company, number, count)

    def _single(self, kind: str, function: Callable[..., Document]) -> Generated:
        yield self.company.uid(kind, 0), 0, function, (self.company,)

    def _reminders(self) -> Generated:
        yield "False", 0, reference_lists.reminder_document, ()

    def _accounts(self) -> Generated:
        for code in reference_lists.account_codes():
            stamp = reference_lists.standing_stamp(self.company, "Accounts", int(code))
            make = reference_lists.account_document
            yield self.company.account_ids[code], stamp, make, (self.company, code)

    def _contacts(self) -> Generated:
        for contact in self.company.contacts:
            stamp = reference_lists.standing_stamp(self.company, "Contacts", contact.number)
            arguments = (self.company, contact, self.balances)
            key = self.company.uid("Contacts", contact.number)
            yield key, stamp, reference_lists.contact_document, arguments

    def _currencies(self) -> Generated:
        for code in CURRENCIES:
            yield code, 0, reference_lists.currency_document, (code,)

    def _tax_rates(self) -> Generated:
        for tax_type in TAX_RATES:
            yield tax_type, 0, reference_lists.tax_rate_document, (tax_type,)

    def _tracking_categories(self) -> Generated:
        for name in CATEGORIES:
            key = self.company.uid("TrackingCategories", name)
            yield key, 0, reference_lists.tracking_category_document, (self.company, name)

    def _invoices(self) -> Generated:
        make = documents.invoice_document
        for number, outcome in enumerate(self.outcomes):
            yield self.company.uid("Invoices", number), outcome.stamp, make, (self.company, number)

    def _payments(self) -> Generated:
        for number, outcome in enumerate(self.outcomes):
            for at, stamp in enumerate(outcome.payments):
                key = documents.payment_id(self.company, number, at)
                yield key, stamp, documents.payment_document, (self.company, number, at)
        for number in documents.count_refunds(self.company):
            refund = refund_of(plan_credit(self.company, "CreditNotes", number))
            key = documents.refund_id(self.company, number)
            stamp = refund.at if refund else 0
            yield key, stamp, documents.refund_document, (self.company, number)

    def _batch_payments(self) -> Generated:
        for batch in range(self.company.size // 100 + 1):
            if batch * 100 + 5 >= self.company.size:
                return
            stamp = batch_moment(self.company, batch)
            if stamp < self.company.now - 60_000:
                key = self.company.uid("BatchPayments", batch)
                yield key, stamp, documents.batch_document, (self.company, batch)

    def _credits(self, kind: str) -> Generated:
        for number in range(count_credits(self.company, kind)):
            credit = plan_credit(self.company, kind, number)
            refund = refund_of(credit) if kind == "CreditNotes" else None
            stamp = refund.at if refund else credit.at
            arguments = (self.company, kind, number)
            yield self.company.uid(kind, number), stamp, documents.credit_document, arguments

    def _bank_transactions(self) -> Generated:
        company = self.company
        for number in range(self.counts["BankTransactions"]):
            stamp = plan_cash_entry(company, number).at
            key = company.uid("BankTransactions", number)
            yield key, stamp, documents.cash_document, (company, number)
        for kind in ("Prepayments", "Overpayments"):
            for number in range(count_credits(company, kind)):
                stamp = plan_credit(company, kind, number).at
                key = company.uid("BankTransactions", f"{kind}/{number}")
                yield key, stamp, documents.deposit_document, (company, kind, number)
        for number in range(self.counts["BankTransfers"]):
            stamp = plan_transfer(company, number).at
            for side in ("from", "to"):
                key = company.uid("BankTransactions", f"{side}/{number}")
                yield key, stamp, documents.transfer_side_document, (company, side, number)

    def _manual_journals(self) -> Generated:
        for number in range(self.counts["ManualJournals"]):
            stamp = plan_manual_journal(self.company, number).at
            key = self.company.uid("ManualJournals", number)
            yield key, stamp, documents.manual_journal_document, (self.company, number)

    def _number_journals(self, endpoint: Endpoint, table: Table) -> None:
        """Put the journals into a table, numbered as they were posted, with gaps as in Xero."""
        sources = [source for outcome in self.outcomes for source in outcome.sources]
        sources += ledger.other_sources(
            self.company,
            cash=self.counts["BankTransactions"],
            transfers=self.counts["BankTransfers"],
            manual=self.counts["ManualJournals"],
            claims=self.counts["ExpenseClaims"],
        )
        for source in sorted(sources) + self._posted:
            self._post(endpoint, table, source)

    def _post(self, endpoint: Endpoint, table: Table, source: ledger.Source) -> None:
        make = ledger.journal_document
        if endpoint.path == CASH_JOURNALS:
            if not ledger.cash_basis_entry(self.company, source):
                return
            make = ledger.cash_journal_document
        at = len(table.rows)
        last = next(reversed(table.rows.values())).serial if table.rows else 0
        number = last + (8 if at % 97 == 1 else 2 if at % 11 == 5 else 1)
        table.put(
            ledger.journal_id(self.company, source),
            source.created,
            make=(make, (self.company, source, number)),
            serial=number,
        )


def _stamped(document: Document, now: int) -> Document:
    stamps: Document = {}
    for name in ("UpdatedDateUTC", "CreatedDateUTC"):
        if name in document:
            stamps[name] = instant(now)
    if "UpdatedDateUTCString" in document:
        stamps["UpdatedDateUTCString"] = stamp_text(now)
    return stamps


def start_date(company: Company) -> str:
    """Give a start date before everything, e.g. `2022-01-01`."""
    return stamp_text(company.now - 4 * 365 * DAY)[:10]
