"""Line tables: nested lists as streams of their own, for warehouses that want rows.

A line table is made from the answers of its parent, without another call. Each row begins with the
key and the stamp of the parent, under the same names as in the parent. The current lines of a
parent are the rows with its current stamp: a line that was removed from an invoice leaves a row
with an older stamp. If Xero gives an element no id, or two elements the same id, the key is the
position in the list, from 1. So a key is never null and never repeats.

While line tables are on, the parent leaves out every list that could hold records: those of
`LINE_TABLES`, and `ValidationErrors`, `Warnings` and `Attachments`, which Xero fills only in
answers to writes (Xero OpenAPI 16.1.0).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tap_xero.paging.endpoint import UPDATED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tap_xero.streams.stream import Stream

POSITION = "Position"


@dataclass(frozen=True)
class Level:
    """A list in a record: its field, and the key of its elements.

    `key` is the id that Xero gives each element. If the elements have no such field, it is the name
    of their position.
    """

    field: str
    key: str = POSITION


@dataclass(frozen=True)
class LineTable:
    """A stream made of the elements of a nested list; `path` leads there from `parent`."""

    tap_stream_id: str
    parent: str
    path: tuple[Level, ...]

    def stream_of(self, parent: Stream) -> Stream:
        """Return the row of the stream table for this line table."""
        keys = (*parent.key_properties, *(level.key for level in self.path))
        return replace(
            parent, tap_stream_id=self.tap_stream_id, key_properties=keys, parent=self.parent
        )

    def levels(
        self, parent_schema: Mapping[str, Any]
    ) -> Iterator[tuple[Level, bool, Mapping[str, Any]]]:
        """Yield each level, whether its key is an id from Xero, and the fields of its elements."""
        properties = parent_schema["properties"]
        for level in self.path:
            properties = properties[level.field]["items"]["properties"]
            yield level, level.key in properties, properties

    def element(self, parent_schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the fields of the elements that become rows."""
        *_, (_, _, properties) = self.levels(parent_schema)
        return properties


LINE = Level("LineItems", "LineItemID")
TRACKING = Level("Tracking", "TrackingCategoryID")
BREAKDOWN = Level("TaxBreakdown")


def _lines_of(parent: str, one: str) -> tuple[LineTable, ...]:
    return (
        LineTable(f"{one}_line_items", parent, (LINE,)),
        LineTable(f"{one}_line_item_tracking", parent, (LINE, TRACKING)),
        LineTable(f"{one}_line_item_taxes", parent, (LINE, BREAKDOWN)),
    )


LINE_TABLES: tuple[LineTable, ...] = (
    *_lines_of("bank_transactions", "bank_transaction"),
    LineTable("bank_transfer_from_tracking", "bank_transfers", (Level("FromTracking"),)),
    LineTable("bank_transfer_to_tracking", "bank_transfers", (Level("ToTracking"),)),
    LineTable("batch_payment_payments", "batch_payments", (Level("Payments", "PaymentID"),)),
    LineTable("budget_lines", "budgets", (Level("BudgetLines", "AccountID"),)),
    LineTable(
        "budget_balances",
        "budgets",
        (Level("BudgetLines", "AccountID"), Level("BudgetBalances", "Period")),
    ),
    LineTable("budget_tracking", "budgets", (TRACKING,)),
    LineTable("contact_persons", "contacts", (Level("ContactPersons"),)),
    LineTable("contact_addresses", "contacts", (Level("Addresses"),)),
    LineTable("contact_phones", "contacts", (Level("Phones"),)),
    LineTable("contact_sales_tracking", "contacts", (Level("SalesTrackingCategories"),)),
    LineTable("contact_purchases_tracking", "contacts", (Level("PurchasesTrackingCategories"),)),
    LineTable("contact_contact_groups", "contacts", (Level("ContactGroups", "ContactGroupID"),)),
    LineTable("contact_group_members", "contact_groups", (Level("Contacts", "ContactID"),)),
    *_lines_of("credit_notes", "credit_note"),
    LineTable("credit_note_allocations", "credit_notes", (Level("Allocations"),)),
    LineTable("credit_note_payments", "credit_notes", (Level("Payments", "PaymentID"),)),
    LineTable("credit_note_addresses", "credit_notes", (Level("InvoiceAddresses"),)),
    LineTable("expense_claim_payments", "expense_claims", (Level("Payments", "PaymentID"),)),
    LineTable("expense_claim_receipts", "expense_claims", (Level("Receipts", "ReceiptID"),)),
    LineTable(
        "expense_claim_receipt_line_items",
        "expense_claims",
        (Level("Receipts", "ReceiptID"), LINE),
    ),
    LineTable(
        "expense_claim_receipt_line_item_tracking",
        "expense_claims",
        (Level("Receipts", "ReceiptID"), LINE, TRACKING),
    ),
    LineTable(
        "expense_claim_receipt_line_item_taxes",
        "expense_claims",
        (Level("Receipts", "ReceiptID"), LINE, BREAKDOWN),
    ),
    *_lines_of("invoices", "invoice"),
    LineTable("invoice_payments", "invoices", (Level("Payments", "PaymentID"),)),
    LineTable("invoice_prepayments", "invoices", (Level("Prepayments"),)),
    LineTable("invoice_overpayments", "invoices", (Level("Overpayments"),)),
    LineTable("invoice_credit_notes", "invoices", (Level("CreditNotes"),)),
    LineTable("invoice_addresses", "invoices", (Level("InvoiceAddresses"),)),
    LineTable("journal_lines", "journals", (Level("JournalLines", "JournalLineID"),)),
    LineTable(
        "journal_line_tracking",
        "journals",
        (
            Level("JournalLines", "JournalLineID"),
            Level("TrackingCategories", "TrackingCategoryID"),
        ),
    ),
    LineTable("journal_cash_lines", "journals_cash", (Level("JournalLines", "JournalLineID"),)),
    LineTable(
        "journal_cash_line_tracking",
        "journals_cash",
        (
            Level("JournalLines", "JournalLineID"),
            Level("TrackingCategories", "TrackingCategoryID"),
        ),
    ),
    LineTable("manual_journal_lines", "manual_journals", (Level("JournalLines"),)),
    LineTable(
        "manual_journal_line_tracking",
        "manual_journals",
        (Level("JournalLines", "JournalLinePosition"), TRACKING),
    ),
    LineTable("organisation_addresses", "organisations", (Level("Addresses"),)),
    LineTable("organisation_phones", "organisations", (Level("Phones"),)),
    LineTable("organisation_external_links", "organisations", (Level("ExternalLinks"),)),
    *_lines_of("overpayments", "overpayment"),
    LineTable("overpayment_allocations", "overpayments", (Level("Allocations"),)),
    LineTable("overpayment_payments", "overpayments", (Level("Payments", "PaymentID"),)),
    *_lines_of("prepayments", "prepayment"),
    LineTable("prepayment_allocations", "prepayments", (Level("Allocations"),)),
    LineTable("prepayment_payments", "prepayments", (Level("Payments", "PaymentID"),)),
    *_lines_of("purchase_orders", "purchase_order"),
    *_lines_of("quotes", "quote"),
    *_lines_of("receipts", "receipt"),
    *_lines_of("repeating_invoices", "repeating_invoice"),
    LineTable("tax_rate_components", "tax_rates", (Level("TaxComponents"),)),
    LineTable(
        "tracking_category_options",
        "tracking_categories",
        (Level("Options", "TrackingOptionID"),),
    ),
)


def line_table_schema(
    table: LineTable, parent: Stream, parent_schema: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the schema of a line table: keys, the parent's stamp, position, the element."""
    integer, text = {"type": ["null", "integer"]}, {"type": ["null", "string"]}
    documented = parent_schema["properties"]
    carried = {name: documented[name] for name in carried_fields(parent, documented)}
    element: Mapping[str, Any] = {}
    keys: dict[str, Any] = {name: documented[name] for name in parent.key_properties}
    for level, has_id, properties in table.levels(parent_schema):
        keys[level.key] = text if has_id else integer
        element = properties
    return {
        "type": ["null", "object"],
        "properties": {**keys, **carried, POSITION: integer}
        | {
            name: part
            for name, part in without_lists(element).items()
            if name not in {*keys, *carried, POSITION}
        },
    }


def carried_fields(parent: Stream, documented: Mapping[str, Any]) -> list[str]:
    """Return the names of the parent's fields that each line carries: keys, bookmark, stamp."""
    bookmark = [parent.replication_key] if parent.replication_key else []
    names = dict.fromkeys([*parent.key_properties, *bookmark, UPDATED])
    return [name for name in names if name in documented]


def without_lists(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that hold no list."""
    return {name: part for name, part in properties.items() if "array" not in part["type"]}


def nested_lists(properties: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of the fields that hold a list."""
    return frozenset(properties) - frozenset(without_lists(properties))
