"""The streams: one row for each list of the Accounting API.

Names, keys and replication keys are those of tap-xero 2.x. Paths, parameters and which lists
take If-Modified-Since or pages are from Xero OpenAPI 16.1.0; scopes are the granular ones of
developer.xero.com (FAQ on granular scopes), with the broad scope that apps from before March
2026 hold in their place.

To add a stream: a row here, a schema in `schemas/`, a fixture in `tests/fixtures/` and a line in
the changelog.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tap_xero.budgets import budgets_with_lines
from tap_xero.lists import XeroList, not_ready
from tap_xero.pagers import journal_numbers, one_answer
from tap_xero.seek import modified_since
from tap_xero.sweep import page_numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_xero.client import Client
    from tap_xero.config import Config
    from tap_xero.lists import Ready
    from tap_xero.pagers import Pager

UPDATED = "UpdatedDateUTC"
BY_UPDATED = {"order": f"{UPDATED} ASC"}
UNIT_PRICES = {"unitdp": "4"}  # else Xero rounds unit prices to 2 decimals


@dataclass(frozen=True)
class Stream:
    """A list of Xero as a Singer stream.

    `scope` is the granular scope (without `.read`) that opens it, empty where that depends.
    `rows_key` is where the answer holds the rows, `page_size` is set where Xero fixes it, `unseen`
    says in words what changes modified-since does not show, `archived_on_demand` that archived
    rows come if the user wants.
    """

    tap_stream_id: str
    path: str
    key_properties: tuple[str, ...]
    scope: str
    pager: Pager
    replication_key: str | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    selected_by_default: bool = True
    rows_key: str = ""  # where it is not the path
    page_size: int | None = None
    unseen: str = ""
    archived_on_demand: bool = False
    resumes: bool = False  # takes several runs, each from where the last one stopped
    parent: str = ""  # the stream from whose answers this one is made, see `line_tables`

    @property
    def replication_method(self) -> str:
        """The method that Singer's catalog gives the stream unless the user sets another."""
        return "INCREMENTAL" if self.replication_key else "FULL_TABLE"

    @property
    def comes_in_pages(self) -> bool:
        """Whether it may take many calls, one after the other."""
        return self.pager is not one_answer

    @property
    def takes_modified_since(self) -> bool:
        """Whether Xero filters the list by If-Modified-Since."""
        return self.replication_key == UPDATED

    def request_params(self, config: Config) -> dict[str, str]:
        """Return the parameters of every call for the list."""
        archived = self.archived_on_demand and config.include_archived_contacts
        return {**self.params, **({"includeArchived": "true"} if archived else {})}

    @property
    def read_scope(self) -> str:
        """The scope that lets read the list, and no more; empty where that depends."""
        return self.scope if self.scope in ("", "paymentservices") else f"{self.scope}.read"

    @property
    def broad_scope(self) -> str:
        """The scope that apps made before March 2026 hold for it."""
        return _BROAD.get(self.scope, self.scope)


_BROAD = {
    "accounting.invoices": "accounting.transactions",
    "accounting.payments": "accounting.transactions",
    "accounting.banktransactions": "accounting.transactions",
    "accounting.manualjournals": "accounting.transactions",
    "accounting.classicexpenses": "accounting.transactions",
    **dict.fromkeys(
        (
            "accounting.reports.aged",
            "accounting.reports.balancesheet",
            "accounting.reports.banksummary",
            "accounting.reports.budgetsummary",
            "accounting.reports.executivesummary",
            "accounting.reports.profitandloss",
            "accounting.reports.trialbalance",
        ),
        "accounting.reports",
    ),
}

STREAMS: tuple[Stream, ...] = (
    # By number.
    Stream(
        "journals",
        "Journals",
        ("JournalID",),
        "accounting.journals",
        journal_numbers,
        "JournalNumber",
        selected_by_default=False,
    ),
    # Pages of modified rows.
    Stream(
        "bank_transactions",
        "BankTransactions",
        ("BankTransactionID",),
        "accounting.banktransactions",
        modified_since,
        UPDATED,
        {**BY_UPDATED, **UNIT_PRICES},
    ),
    Stream(
        "contacts",
        "Contacts",
        ("ContactID",),
        "accounting.contacts",
        modified_since,
        UPDATED,
        BY_UPDATED,
        unseen="Balances, IsSupplier and IsCustomer",
        archived_on_demand=True,
    ),
    Stream(
        "credit_notes",
        "CreditNotes",
        ("CreditNoteID",),
        "accounting.invoices",
        modified_since,
        UPDATED,
        {**BY_UPDATED, **UNIT_PRICES},
        unseen="DueDate and SentToContact of part-paid ones; a contact or account renamed",
    ),
    Stream(
        "invoices",
        "Invoices",
        ("InvoiceID",),
        "accounting.invoices",
        modified_since,
        UPDATED,
        {**BY_UPDATED, **UNIT_PRICES},
        unseen="DueDate and SentToContact of part-paid ones; a contact or account renamed",
    ),
    Stream(
        "manual_journals",
        "ManualJournals",
        ("ManualJournalID",),
        "accounting.manualjournals",
        modified_since,
        UPDATED,
        # No order: with it, Xero has sent every journal on every page (singer-io/tap-xero #104).
    ),
    Stream(
        "overpayments",
        "Overpayments",
        ("OverpaymentID",),
        "accounting.payments",
        modified_since,
        UPDATED,
        {**BY_UPDATED, **UNIT_PRICES},
    ),
    Stream(
        "payments",
        "Payments",
        ("PaymentID",),
        "accounting.payments",
        modified_since,
        UPDATED,
        BY_UPDATED,
    ),
    Stream(
        "prepayments",
        "Prepayments",
        ("PrepaymentID",),
        "accounting.payments",
        modified_since,
        UPDATED,
        {**BY_UPDATED, **UNIT_PRICES},
    ),
    Stream(
        "purchase_orders",
        "PurchaseOrders",
        ("PurchaseOrderID",),
        "accounting.invoices",
        modified_since,
        UPDATED,
        BY_UPDATED,
    ),
    Stream(
        "quotes",
        "Quotes",
        ("QuoteID",),
        "accounting.invoices",
        modified_since,
        UPDATED,
        BY_UPDATED,
    ),
    # Modified rows in one answer.
    Stream(
        "accounts",
        "Accounts",
        ("AccountID",),
        "accounting.settings",
        one_answer,
        UPDATED,
        unseen="unused accounts that were deleted",
    ),
    Stream(
        "batch_payments",
        "BatchPayments",
        ("BatchPaymentID",),
        "accounting.payments",
        one_answer,
        UPDATED,
    ),
    Stream(
        "items",
        "Items",
        ("ItemID",),
        "accounting.settings",
        one_answer,
        UPDATED,
        UNIT_PRICES,
        unseen="deleted items",
    ),
    Stream("users", "Users", ("UserID",), "accounting.settings", one_answer, UPDATED),
    Stream(
        "expense_claims",
        "ExpenseClaims",
        ("ExpenseClaimID",),
        "accounting.classicexpenses",
        one_answer,
        UPDATED,
        selected_by_default=False,
    ),
    Stream(
        "receipts",
        "Receipts",
        ("ReceiptID",),
        "accounting.classicexpenses",
        one_answer,
        UPDATED,
        UNIT_PRICES,
        selected_by_default=False,
    ),
    Stream(
        "journals_cash",
        "Journals",
        ("JournalID",),
        "accounting.journals",
        journal_numbers,
        "JournalNumber",
        params={"paymentsOnly": "true"},  # journals on the cash basis
        selected_by_default=False,
    ),
    # Whole tables.
    Stream(
        "bank_transfers",
        "BankTransfers",
        ("BankTransferID",),
        "accounting.banktransactions",
        one_answer,
        params={"includeDeleted": "true"},
    ),
    Stream(
        "branding_themes",
        "BrandingThemes",
        ("BrandingThemeID",),
        "accounting.settings",
        one_answer,
    ),
    Stream("budgets", "Budgets", ("BudgetID",), "accounting.budgets", budgets_with_lines),
    Stream(
        "contact_groups",
        "ContactGroups",
        ("ContactGroupID",),
        "accounting.contacts",
        one_answer,
    ),
    Stream("currencies", "Currencies", ("Code",), "accounting.settings", one_answer),
    Stream(
        "linked_transactions",
        "LinkedTransactions",
        ("LinkedTransactionID",),
        "accounting.invoices",
        page_numbers,
        page_size=100,
    ),
    Stream(
        "organisations",
        "Organisation",
        ("OrganisationID",),
        "accounting.settings",
        one_answer,
        rows_key="Organisations",
    ),
    Stream(
        "payment_services",
        "PaymentServices",
        ("PaymentServiceID",),
        "paymentservices",
        one_answer,
    ),
    Stream(
        "invoice_reminders",
        "InvoiceReminders/Settings",
        (),
        "accounting.settings",
        one_answer,
        rows_key="InvoiceReminders",
    ),
    Stream(
        "repeating_invoices",
        "RepeatingInvoices",
        ("RepeatingInvoiceID",),
        "accounting.invoices",
        one_answer,
    ),
    Stream("tax_rates", "TaxRates", ("TaxType",), "accounting.settings", one_answer),
    Stream(
        "tracking_categories",
        "TrackingCategories",
        ("TrackingCategoryID",),
        "accounting.settings",
        one_answer,
        params={"includeArchived": "true"},
    ),
)

# Streams of tap-xero 2.x for which Xero has no list any more.
REMOVED_STREAMS = frozenset({"employees"})


def open_list(client: Client, stream: Stream, config: Config, ready: Ready = not_ready) -> XeroList:
    """Return the list of Xero behind a stream; `ready` knows records that can be written."""
    return XeroList(
        client,
        stream.path,
        rows_key=stream.rows_key or stream.path,
        key_properties=stream.key_properties,
        replication_key=stream.replication_key if stream.takes_modified_since else None,
        params=stream.request_params(config),
        page_size=stream.page_size,
        ready=ready,
    )


def default_scopes() -> str:
    """Return the scopes that reading the default streams takes, separated by blanks."""
    return " ".join(sorted({stream.read_scope for stream in STREAMS if stream.selected_by_default}))
