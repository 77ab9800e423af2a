"""Line tables: nested lists as streams of their own, for warehouses that want rows.

Each is made from the answers that its parent is read from, with no further call. A row begins with
the parent's key and stamp, under the names they have there, so the rows of a parent that belong
together are those whose stamp is the parent's: a line that was taken out of an invoice leaves an
older row behind. Where Xero gives an element no id (or the same one twice) its position in the
list, from 1, stands for it, so a key is never null and never repeats.

While line tables are on, the parent leaves out every list that could hold records: those of
`LINE_TABLES`, and `ValidationErrors`, `Warnings` and `Attachments`, which Xero fills only in
answers to writes (Xero OpenAPI 16.1.0).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import Raw

from tap_xero.paging.endpoint import Row, closed, opened
from tap_xero.paging.pages import Page
from tap_xero.streams.schema_files import stream_schema
from tap_xero.streams.stream import UPDATED, Stream
from tap_xero.streams.table import STREAM_BY_ID, STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tap_xero.paging.endpoint import ListPage

LOGGER = logging.getLogger(__name__)

POSITION = "Position"

_ROWS = msgspec.json.Decoder(list[Row])
_ITEMS = msgspec.json.Decoder(list[Raw])
_NOTHING = frozenset({b"null", b"[]", b'""'})


@dataclass(frozen=True)
class Level:
    """A list in a record: its field, and what tells its elements apart.

    `key` is the id that Xero gives each element; where the elements have no such field it names
    the position.
    """

    field: str
    key: str = POSITION


@dataclass(frozen=True)
class LineTable:
    """A stream made of the elements of a nested list; `path` leads there from `parent`."""

    tap_stream_id: str
    parent: str
    path: tuple[Level, ...]


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


class FlatStream(NamedTuple):
    """A stream when line tables are on; `lists` names those that stand in tables of their own."""

    stream: Stream
    schema: dict[str, Any]
    lists: frozenset[str]


def flat_streams() -> Iterator[FlatStream]:
    """Yield every stream as it is when line tables are on: each parent, then its tables."""
    for stream in STREAMS:
        schema = stream_schema(stream.tap_stream_id)
        properties = schema["properties"]
        flat = {**schema, "properties": _flat(properties)}
        yield FlatStream(stream, flat, _lists(properties))
        for table in LINE_TABLES:
            if table.parent == stream.tap_stream_id:
                *_, (_, _, element) = _levels(table, schema)
                flat = _schema(table, stream, schema)
                yield FlatStream(_stream(table, stream), flat, _lists(element))


class Splitter:
    """Takes the rows of one line table out of the pages of its parent."""

    def __init__(self, tap_stream_id: str) -> None:
        self._table = next(each for each in LINE_TABLES if each.tap_stream_id == tap_stream_id)
        parent = STREAM_BY_ID[self._table.parent]
        schema = stream_schema(self._table.parent)
        self._carried = _carried(parent, schema["properties"])
        self._levels = [(level, has_id) for level, has_id, _ in _levels(self._table, schema)]
        self._warned = False

    def page(self, parents: Iterable[Row], source: ListPage) -> Page:
        """Return the rows of the table in those of its parent, from the answer `source`."""
        return Page(closed(line for row in parents for line in self._lines(row)), source)

    def _lines(self, row: Row) -> Iterator[Row]:
        head = {name: row[name] for name in self._carried if name in row}
        parents: list[tuple[Row, Row]] = [(head, row)]
        for number, (level, has_id) in enumerate(self._levels, start=1):
            lines = [
                (carried | key, element)
                for carried, parent in parents
                for key, element in self._elements(parent, level, has_id=has_id)
            ]
            if number < len(self._levels):
                lines = [(_without(carried, POSITION), element) for carried, element in lines]
            parents = lines
        return (element | carried for carried, element in parents)

    def _elements(self, row: Row, level: Level, *, has_id: bool) -> Iterator[tuple[Row, Row]]:
        """Yield the elements of a list in `row`, each with what makes its key."""
        seen: set[bytes] = set()
        for position, element in enumerate(self._decoded(bytes(row.get(level.field, b"[]"))), 1):
            number = Raw(str(position).encode())
            if not has_id:
                yield {level.key: number, POSITION: number}, element
                continue
            uid = bytes(element.get(level.key, b"null"))
            if not uid.startswith(b'"') or uid == b'""' or uid in seen:
                uid = b'"%d"' % position
            seen.add(uid)
            yield {level.key: Raw(uid), POSITION: number}, element

    def _decoded(self, value: bytes) -> list[Row]:
        if value in _NOTHING:
            return []
        try:
            return _ROWS.decode(value)
        except msgspec.DecodeError:
            self._warn(value)
        items = _ITEMS.decode(value) if value.startswith(b"[") else []
        return opened(item for item in items if bytes(item).startswith(b"{"))

    def _warn(self, value: bytes) -> None:
        if not self._warned:
            self._warned = True
            LOGGER.warning(
                "%s: what is no record is left out, the first is in %s",
                self._table.tap_stream_id,
                value[:60].decode(errors="replace"),
            )


def _stream(table: LineTable, parent: Stream) -> Stream:
    keys = (*parent.key_properties, *(level.key for level in table.path))
    return replace(
        parent, tap_stream_id=table.tap_stream_id, key_properties=keys, parent=table.parent
    )


def _schema(table: LineTable, parent: Stream, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a line table: keys, the parent's stamp, position, the element."""
    integer, text = {"type": ["null", "integer"]}, {"type": ["null", "string"]}
    documented = schema["properties"]
    carried = {name: documented[name] for name in _carried(parent, documented)}
    element: Mapping[str, Any] = {}
    keys: dict[str, Any] = {name: documented[name] for name in parent.key_properties}
    for level, has_id, properties in _levels(table, schema):
        keys[level.key] = text if has_id else integer
        element = properties
    return {
        "type": ["null", "object"],
        "properties": {**keys, **carried, POSITION: integer}
        | {
            name: part
            for name, part in _flat(element).items()
            if name not in {*keys, *carried, POSITION}
        },
    }


def _levels(
    table: LineTable, schema: Mapping[str, Any]
) -> Iterator[tuple[Level, bool, Mapping[str, Any]]]:
    """Yield each level, whether its key is an id of Xero's, and the fields of its elements."""
    properties = schema["properties"]
    for level in table.path:
        properties = properties[level.field]["items"]["properties"]
        yield level, level.key in properties, properties


def _carried(parent: Stream, documented: Mapping[str, Any]) -> list[str]:
    """Name the fields that a line has of its parent: key, what the bookmark follows, stamp."""
    bookmark = [parent.replication_key] if parent.replication_key else []
    names = dict.fromkeys([*parent.key_properties, *bookmark, UPDATED])
    return [name for name in names if name in documented]


def _flat(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the lists."""
    return {name: part for name, part in properties.items() if "array" not in part["type"]}


def _lists(properties: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(properties) - frozenset(_flat(properties))


def _without(row: Row, name: str) -> Row:
    return {field: value for field, value in row.items() if field != name}
