"""The table of all streams, one row each: lists, reports, details of documents.

Names, keys and replication keys are those of tap-xero 2.x. Paths, parameters, and which endpoints
take If-Modified-Since or pages are from Xero OpenAPI 16.1.0; scopes are the granular ones of
developer.xero.com (FAQ on granular scopes).

To add a stream, write a row here, a schema in `schemas/`, a fixture in `tests/fixtures/` and a line
in the changelog.
"""

from __future__ import annotations

from functools import partial

from tap_xero.paging.endpoint import UPDATED
from tap_xero.paging.journals import JOURNAL_NUMBERS
from tap_xero.paging.one_answer import ONE_ANSWER
from tap_xero.paging.seek import MODIFIED_SINCE
from tap_xero.paging.sweep import PAGE_NUMBERS
from tap_xero.streams import reports
from tap_xero.streams.budgets import BUDGETS_WITH_LINES
from tap_xero.streams.reports import PERIOD_END
from tap_xero.streams.stream import DOCUMENT, Stream

_SORTED = {"order": f"{UPDATED} ASC"}
_PRICES = {"unitdp": "4"}  # without it, Xero rounds unit prices to 2 decimals
_UNSEEN = "DueDate and SentToContact of part-paid ones; a contact or account renamed"

# One constructor for each way in which an endpoint is read.
_numbered = partial(
    Stream, pager=JOURNAL_NUMBERS, replication_key="JournalNumber", selected_by_default=False
)
_paged = partial(Stream, pager=MODIFIED_SINCE, replication_key=UPDATED, params=_SORTED)
_priced = partial(_paged, params={**_SORTED, **_PRICES})
_modified = partial(Stream, pager=ONE_ANSWER, replication_key=UPDATED)
_whole = partial(Stream, pager=ONE_ANSWER)

_BANK = "accounting.banktransactions"
_CONTACTS = "accounting.contacts"
_EXPENSES = "accounting.classicexpenses"
_INVOICES = "accounting.invoices"
_JOURNALS = "accounting.journals"
_PAYMENTS = "accounting.payments"
_SETTINGS = "accounting.settings"

# fmt: off
LISTS: tuple[Stream, ...] = (
    _numbered("journals", "Journals", ("JournalID",), _JOURNALS),
    _priced("bank_transactions", "BankTransactions", ("BankTransactionID",), _BANK),
    _paged("contacts", "Contacts", ("ContactID",), _CONTACTS,
        unseen="Balances, IsSupplier and IsCustomer", archived_on_demand=True,
        is_master_list=True),
    _priced("credit_notes", "CreditNotes", ("CreditNoteID",), _INVOICES, unseen=_UNSEEN),
    _priced("invoices", "Invoices", ("InvoiceID",), _INVOICES, unseen=_UNSEEN),
    # No order: with it, Xero has sent every journal on every page (singer-io/tap-xero #104).
    _paged("manual_journals", "ManualJournals", ("ManualJournalID",), "accounting.manualjournals",
        params={}),
    _priced("overpayments", "Overpayments", ("OverpaymentID",), _PAYMENTS),
    _paged("payments", "Payments", ("PaymentID",), _PAYMENTS),
    _priced("prepayments", "Prepayments", ("PrepaymentID",), _PAYMENTS),
    _paged("purchase_orders", "PurchaseOrders", ("PurchaseOrderID",), _INVOICES),
    _paged("quotes", "Quotes", ("QuoteID",), _INVOICES),
    _modified("accounts", "Accounts", ("AccountID",), _SETTINGS,
        unseen="unused accounts that were deleted", is_master_list=True),
    _modified("batch_payments", "BatchPayments", ("BatchPaymentID",), _PAYMENTS),
    _modified("items", "Items", ("ItemID",), _SETTINGS, params=_PRICES, unseen="deleted items",
        is_master_list=True),
    _modified("users", "Users", ("UserID",), _SETTINGS, is_master_list=True),
    _modified("expense_claims", "ExpenseClaims", ("ExpenseClaimID",), _EXPENSES,
        selected_by_default=False),
    _modified("receipts", "Receipts", ("ReceiptID",), _EXPENSES, params=_PRICES,
        selected_by_default=False),
    # Journals on the cash basis.
    _numbered("journals_cash", "Journals", ("JournalID",), _JOURNALS,
        params={"paymentsOnly": "true"}),
    _whole("bank_transfers", "BankTransfers", ("BankTransferID",), _BANK,
        params={"includeDeleted": "true"}),
    _whole("branding_themes", "BrandingThemes", ("BrandingThemeID",), _SETTINGS),
    _whole("budgets", "Budgets", ("BudgetID",), "accounting.budgets", pager=BUDGETS_WITH_LINES),
    _whole("contact_groups", "ContactGroups", ("ContactGroupID",), _CONTACTS),
    _whole("currencies", "Currencies", ("Code",), _SETTINGS),
    _whole("linked_transactions", "LinkedTransactions", ("LinkedTransactionID",), _INVOICES,
        pager=PAGE_NUMBERS, page_size=100),
    _whole("organisations", "Organisation", ("OrganisationID",), _SETTINGS,
        rows_key="Organisations"),
    _whole("payment_services", "PaymentServices", ("PaymentServiceID",), "paymentservices"),
    _whole("invoice_reminders", "InvoiceReminders/Settings", (), _SETTINGS,
        rows_key="InvoiceReminders", selected_by_default=False),
    _whole("repeating_invoices", "RepeatingInvoices", ("RepeatingInvoiceID",), _INVOICES),
    _whole("tax_rates", "TaxRates", ("TaxType",), _SETTINGS),
    _whole("tracking_categories", "TrackingCategories", ("TrackingCategoryID",), _SETTINGS,
        params={"includeArchived": "true"}),
)

_CELL = ("RowNumber", "ColumnNumber")
_report = partial(
    Stream, key_properties=(PERIOD_END, *_CELL), replication_key=PERIOD_END,
    selected_by_default=False, rows_key="Reports",
)
_by_basis = partial(_report, key_properties=(PERIOD_END, "Basis", *_CELL))
_aged = partial(
    _report, key_properties=(PERIOD_END, "ContactID", *_CELL), scope="accounting.reports.aged",
    second_scope="accounting.contacts.read",
)
_REPORTS = "accounting.reports"

REPORTS: tuple[Stream, ...] = (
    _by_basis("balance_sheet", "Reports/BalanceSheet", scope=f"{_REPORTS}.balancesheet",
        pager=reports.BALANCE_SHEET),
    _by_basis("profit_and_loss", "Reports/ProfitAndLoss", scope=f"{_REPORTS}.profitandloss",
        pager=reports.PROFIT_AND_LOSS),
    _by_basis("trial_balance", "Reports/TrialBalance", scope=f"{_REPORTS}.trialbalance",
        pager=reports.TRIAL_BALANCE),
    _report("bank_summary", "Reports/BankSummary", scope=f"{_REPORTS}.banksummary",
        pager=reports.BANK_SUMMARY),
    _report("budget_summary", "Reports/BudgetSummary", scope=f"{_REPORTS}.budgetsummary",
        pager=reports.BUDGET_SUMMARY),
    _report("executive_summary", "Reports/ExecutiveSummary", scope=f"{_REPORTS}.executivesummary",
        pager=reports.EXECUTIVE_SUMMARY),
    _aged("aged_receivables_by_contact", "Reports/AgedReceivablesByContact",
        pager=reports.AGED_RECEIVABLES),
    _aged("aged_payables_by_contact", "Reports/AgedPayablesByContact",
        pager=reports.AGED_PAYABLES),
    _report("tenninetynine", "Reports/TenNinetyNine", scope=f"{_REPORTS}.tenninetynine",
        pager=reports.TEN_NINETY_NINE),
)

_details = partial(
    Stream, pager=ONE_ANSWER, replication_key=UPDATED, selected_by_default=False
)

# Which documents have them: Xero OpenAPI 16.1.0. Bank transfers and repeating invoices have them
# too, but nothing says when those changed.
DETAILS: tuple[Stream, ...] = (
    _details("history", "{Documents}/{DocumentID}/History", ("DocumentType", DOCUMENT, "Number"),
        "", rows_key="HistoryRecords", documents=(
            "bank_transactions", "batch_payments", "contacts", "credit_notes", "expense_claims",
            "invoices", "items", "manual_journals", "overpayments", "payments", "prepayments",
            "purchase_orders", "quotes", "receipts",
        )),
    _details("attachments", "{Documents}/{DocumentID}/Attachments",
        ("DocumentType", DOCUMENT, "AttachmentID"), "accounting.attachments",
        rows_key="Attachments", documents=(
            "accounts", "bank_transactions", "contacts", "credit_notes", "invoices",
            "manual_journals", "purchase_orders", "quotes", "receipts",
        )),
)
# fmt: on

# Written by the tap itself, not read from Xero: what each run read of each organisation. It exists
# only with `tenant_ids`; its key is then TenantID and Stream.
SYNCS = Stream("syncs", "", ("Stream",), "", ONE_ANSWER)

STREAMS: tuple[Stream, ...] = (*LISTS, *REPORTS, *DETAILS)
STREAM_BY_ID = {stream.tap_stream_id: stream for stream in STREAMS}

# Streams of tap-xero 2.x whose endpoints Xero has removed.
REMOVED_STREAMS = frozenset({"employees"})
