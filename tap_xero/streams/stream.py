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

from tap_xero.errors import MissingScopeError
from tap_xero.paging.endpoint import XeroList, not_ready
from tap_xero.paging.pages import JOURNAL_NUMBERS, ONE_ANSWER
from tap_xero.paging.seek import MODIFIED_SINCE
from tap_xero.paging.sweep import PAGE_NUMBERS
from tap_xero.streams.budgets import BUDGETS_WITH_LINES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tap_xero.client import Client
    from tap_xero.config import Config
    from tap_xero.errors import StreamError
    from tap_xero.paging.endpoint import Ready
    from tap_xero.paging.pages import Pager

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
    second_scope: str = ""  # which reading it takes beside its own
    resumes: bool = False  # takes several runs, each from where the last one stopped
    parent: str = ""  # the stream from whose answers this one is made, see `line_tables`

    @property
    def replication_method(self) -> str:
        """The method that Singer's catalog gives the stream unless the user sets another."""
        return "INCREMENTAL" if self.replication_key else "FULL_TABLE"

    @property
    def comes_in_pages(self) -> bool:
        """Whether it may take many calls, one after the other."""
        return self.pager is not ONE_ANSWER

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
        """The scope for reading the list, and no more than that; empty where it depends."""
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
        JOURNAL_NUMBERS,
        "JournalNumber",
        selected_by_default=False,
    ),
    # Pages of modified rows.
    Stream(
        "bank_transactions",
        "BankTransactions",
        ("BankTransactionID",),
        "accounting.banktransactions",
        MODIFIED_SINCE,
        UPDATED,
        {**BY_UPDATED, **UNIT_PRICES},
    ),
    Stream(
        "contacts",
        "Contacts",
        ("ContactID",),
        "accounting.contacts",
        MODIFIED_SINCE,
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
        MODIFIED_SINCE,
        UPDATED,
        {**BY_UPDATED, **UNIT_PRICES},
        unseen="DueDate and SentToContact of part-paid ones; a contact or account renamed",
    ),
    Stream(
        "invoices",
        "Invoices",
        ("InvoiceID",),
        "accounting.invoices",
        MODIFIED_SINCE,
        UPDATED,
        {**BY_UPDATED, **UNIT_PRICES},
        unseen="DueDate and SentToContact of part-paid ones; a contact or account renamed",
    ),
    Stream(
        "manual_journals",
        "ManualJournals",
        ("ManualJournalID",),
        "accounting.manualjournals",
        MODIFIED_SINCE,
        UPDATED,
        # No order: with it, Xero has sent every journal on every page (singer-io/tap-xero #104).
    ),
    Stream(
        "overpayments",
        "Overpayments",
        ("OverpaymentID",),
        "accounting.payments",
        MODIFIED_SINCE,
        UPDATED,
        {**BY_UPDATED, **UNIT_PRICES},
    ),
    Stream(
        "payments",
        "Payments",
        ("PaymentID",),
        "accounting.payments",
        MODIFIED_SINCE,
        UPDATED,
        BY_UPDATED,
    ),
    Stream(
        "prepayments",
        "Prepayments",
        ("PrepaymentID",),
        "accounting.payments",
        MODIFIED_SINCE,
        UPDATED,
        {**BY_UPDATED, **UNIT_PRICES},
    ),
    Stream(
        "purchase_orders",
        "PurchaseOrders",
        ("PurchaseOrderID",),
        "accounting.invoices",
        MODIFIED_SINCE,
        UPDATED,
        BY_UPDATED,
    ),
    Stream(
        "quotes",
        "Quotes",
        ("QuoteID",),
        "accounting.invoices",
        MODIFIED_SINCE,
        UPDATED,
        BY_UPDATED,
    ),
    # Modified rows in one answer.
    Stream(
        "accounts",
        "Accounts",
        ("AccountID",),
        "accounting.settings",
        ONE_ANSWER,
        UPDATED,
        unseen="unused accounts that were deleted",
    ),
    Stream(
        "batch_payments",
        "BatchPayments",
        ("BatchPaymentID",),
        "accounting.payments",
        ONE_ANSWER,
        UPDATED,
    ),
    Stream(
        "items",
        "Items",
        ("ItemID",),
        "accounting.settings",
        ONE_ANSWER,
        UPDATED,
        UNIT_PRICES,
        unseen="deleted items",
    ),
    Stream("users", "Users", ("UserID",), "accounting.settings", ONE_ANSWER, UPDATED),
    Stream(
        "expense_claims",
        "ExpenseClaims",
        ("ExpenseClaimID",),
        "accounting.classicexpenses",
        ONE_ANSWER,
        UPDATED,
        selected_by_default=False,
    ),
    Stream(
        "receipts",
        "Receipts",
        ("ReceiptID",),
        "accounting.classicexpenses",
        ONE_ANSWER,
        UPDATED,
        UNIT_PRICES,
        selected_by_default=False,
    ),
    Stream(
        "journals_cash",
        "Journals",
        ("JournalID",),
        "accounting.journals",
        JOURNAL_NUMBERS,
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
        ONE_ANSWER,
        params={"includeDeleted": "true"},
    ),
    Stream(
        "branding_themes",
        "BrandingThemes",
        ("BrandingThemeID",),
        "accounting.settings",
        ONE_ANSWER,
    ),
    Stream("budgets", "Budgets", ("BudgetID",), "accounting.budgets", BUDGETS_WITH_LINES),
    Stream(
        "contact_groups",
        "ContactGroups",
        ("ContactGroupID",),
        "accounting.contacts",
        ONE_ANSWER,
    ),
    Stream("currencies", "Currencies", ("Code",), "accounting.settings", ONE_ANSWER),
    Stream(
        "linked_transactions",
        "LinkedTransactions",
        ("LinkedTransactionID",),
        "accounting.invoices",
        PAGE_NUMBERS,
        page_size=100,
    ),
    Stream(
        "organisations",
        "Organisation",
        ("OrganisationID",),
        "accounting.settings",
        ONE_ANSWER,
        rows_key="Organisations",
    ),
    Stream(
        "payment_services",
        "PaymentServices",
        ("PaymentServiceID",),
        "paymentservices",
        ONE_ANSWER,
    ),
    Stream(
        "invoice_reminders",
        "InvoiceReminders/Settings",
        (),
        "accounting.settings",
        ONE_ANSWER,
        rows_key="InvoiceReminders",
    ),
    Stream(
        "repeating_invoices",
        "RepeatingInvoices",
        ("RepeatingInvoiceID",),
        "accounting.invoices",
        ONE_ANSWER,
    ),
    Stream("tax_rates", "TaxRates", ("TaxType",), "accounting.settings", ONE_ANSWER),
    Stream(
        "tracking_categories",
        "TrackingCategories",
        ("TrackingCategoryID",),
        "accounting.settings",
        ONE_ANSWER,
        params={"includeArchived": "true"},
    ),
)

STREAM_BY_ID = {stream.tap_stream_id: stream for stream in STREAMS}

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


def scopes_of(streams: Iterable[Stream]) -> str:
    """Return the scopes that reading these streams takes, separated by spaces."""
    scopes = {scope for each in streams for scope in (each.read_scope, each.second_scope) if scope}
    return " ".join(sorted(scopes))


def with_scope(error: StreamError, stream: Stream, config: Config) -> StreamError:
    """Return the error of a stream; of a missing scope it says which, and how to get it."""
    if not isinstance(error, MissingScopeError) or not stream.read_scope:
        return error
    add = "add it to scopes and " if config.scopes else ""
    return MissingScopeError(
        f"{error}; it takes {stream.read_scope}: {add}run tap-xero --authorize, with the same "
        "catalog"
    )
