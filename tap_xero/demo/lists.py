"""Each list endpoint as a row of a table, and how one is filtered, sorted, paged and summarised.

Sources: Xero OpenAPI 16.1.0 for paths, keys, paging and parameters; developer.xero.com for the
default order, the fields that an unpaged read leaves out, and the guard at 100,000 records.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal
from email.utils import parsedate_to_datetime
from operator import attrgetter
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from tap_xero.demo.xero_json import EPOCH, Document, render

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_xero.demo.behaviour import Behaviour
    from tap_xero.demo.books.tables import Row, Table

HIGH_VOLUME = 100_000
CASH_JOURNALS = "Journals?paymentsOnly=true"  # the name here of what Journals gives for that
_UNITS = {"ms": 1, "second": 1000, "minute": 60_000, "day": 86_400_000}
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?")

SALES = frozenset({"accounting.transactions", "accounting.invoices"})
PAYMENTS = frozenset({"accounting.transactions", "accounting.payments"})
BANKING = frozenset({"accounting.transactions", "accounting.banktransactions"})
MANUAL = frozenset({"accounting.transactions", "accounting.manualjournals"})
EXPENSES = frozenset({"accounting.transactions", "accounting.classicexpenses"})
SETTINGS = frozenset({"accounting.settings"})
CONTACTS = frozenset({"accounting.contacts"})


@dataclass(frozen=True)
class Endpoint:
    """One list.

    paging: "counted" (page, pageSize, pagination object), "uncounted" (page and pageSize, no
    object), "fixed" (pages of 100), "offset" (journals) or "" (the whole list in one answer).
    sorted_by: the documented default order: "stamp", "stamp_only" (ties as inserted) or "".
    """

    path: str
    plural: str
    key: str
    scopes: frozenset[str]
    stamp: str = ""
    modified_since: bool = False
    paging: str = ""
    sorted_by: str = ""
    unitdp: bool = False
    always_paged: bool = False
    archived_by: str = ""
    deleted_by: str = ""
    leaves_trace: bool = False
    objects: tuple[str, ...] = ()
    summary_drops: tuple[str, ...] = ()
    summary_empties: tuple[str, ...] = ()

    @property
    def may_hide(self) -> bool:
        """Whether some rows are given only on request."""
        return bool(self.archived_by or self.deleted_by)

    def hides(self, document: Document) -> bool:
        """Whether a row is given only with includeArchived or includeDeleted."""
        archived = self.archived_by and document.get(self.archived_by) == "ARCHIVED"
        return bool(archived or (self.deleted_by and document.get(self.deleted_by) == "DELETED"))


_CONTACT_DETAILS = (
    *("ContactPersons", "MergedToContactID", "ContactGroups", "PaymentTerms", "Balances"),
    *("BatchPayments", "SalesDefaultAccountCode", "PurchasesDefaultAccountCode", "Website"),
    *("SalesTrackingCategories", "PurchasesTrackingCategories", "HasAttachments", "Discount"),
    *("TrackingCategoryName", "TrackingCategoryOption", "BrandingTheme", "XeroNetworkKey"),
)


def _endpoint(path: str, key: str, scopes: frozenset[str], **more: object) -> Endpoint:
    return Endpoint(path=path, plural=str(more.pop("plural", path)), key=key, scopes=scopes, **more)  # type: ignore[arg-type]


_STAMPED = {"stamp": "UpdatedDateUTC", "modified_since": True}
_COUNTED = {**_STAMPED, "paging": "counted"}
_DOCUMENTS = {**_COUNTED, "unitdp": True, "leaves_trace": True, "summary_empties": ("LineItems",)}

ENDPOINTS: Mapping[str, Endpoint] = {
    endpoint.path: endpoint
    for endpoint in (
        _endpoint("Accounts", "AccountID", SETTINGS, leaves_trace=True, **_STAMPED),
        _endpoint(
            "BankTransactions",
            "BankTransactionID",
            BANKING,
            sorted_by="stamp",
            objects=("BatchPayment",),
            **_DOCUMENTS,
        ),
        _endpoint(
            "BankTransfers",
            "BankTransferID",
            BANKING,
            stamp="CreatedDateUTC",
            modified_since=True,
            deleted_by="Status",
            leaves_trace=True,
        ),
        _endpoint(
            "BatchPayments",
            "BatchPaymentID",
            PAYMENTS,
            sorted_by="stamp",
            leaves_trace=True,
            **_STAMPED,
        ),
        _endpoint("BrandingThemes", "BrandingThemeID", SETTINGS),
        _endpoint("Budgets", "BudgetID", frozenset({"accounting.budgets"}), stamp="UpdatedDateUTC"),
        _endpoint("ContactGroups", "ContactGroupID", CONTACTS),
        _endpoint(
            "Contacts",
            "ContactID",
            CONTACTS,
            sorted_by="stamp",
            archived_by="ContactStatus",
            objects=("Balances", "PaymentTerms", "BrandingTheme", "BatchPayments"),
            summary_drops=_CONTACT_DETAILS,
            **_COUNTED,
        ),
        _endpoint("CreditNotes", "CreditNoteID", SALES, sorted_by="stamp", **_DOCUMENTS),
        _endpoint("Currencies", "Code", SETTINGS),
        _endpoint("ExpenseClaims", "ExpenseClaimID", EXPENSES, leaves_trace=True, **_STAMPED),
        _endpoint("InvoiceReminders/Settings", "Enabled", SETTINGS, plural="InvoiceReminders"),
        _endpoint("Invoices", "InvoiceID", SALES, sorted_by="stamp", **_DOCUMENTS),
        _endpoint(
            "Items",
            "ItemID",
            SALES | SETTINGS,
            unitdp=True,
            objects=("PurchaseDetails", "SalesDetails"),
            **_STAMPED,
        ),
        _endpoint(
            "Journals",
            "JournalID",
            frozenset({"accounting.journals"}),
            stamp="CreatedDateUTC",
            modified_since=True,
            paging="offset",
        ),
        _endpoint(
            CASH_JOURNALS,
            "JournalID",
            frozenset({"accounting.journals"}),
            plural="Journals",
            stamp="CreatedDateUTC",
            modified_since=True,
            paging="offset",
        ),
        _endpoint(
            "LinkedTransactions",
            "LinkedTransactionID",
            SALES,
            stamp="UpdatedDateUTC",
            paging="fixed",
            always_paged=True,
        ),
        _endpoint(
            "ManualJournals",
            "ManualJournalID",
            MANUAL,
            sorted_by="stamp_only",
            leaves_trace=True,
            summary_empties=("JournalLines",),
            **_COUNTED,
        ),
        _endpoint("Organisation", "OrganisationID", SETTINGS, plural="Organisations"),
        _endpoint("Overpayments", "OverpaymentID", PAYMENTS, **_DOCUMENTS),
        _endpoint(
            "Payments",
            "PaymentID",
            PAYMENTS,
            sorted_by="stamp",
            leaves_trace=True,
            objects=("BatchPayment", "CreditNote", "Prepayment", "Overpayment", "Invoice"),
            **_COUNTED,
        ),
        _endpoint("PaymentServices", "PaymentServiceID", frozenset({"paymentservices"})),
        _endpoint("Prepayments", "PrepaymentID", PAYMENTS, **_DOCUMENTS),
        _endpoint(
            "PurchaseOrders",
            "PurchaseOrderID",
            SALES,
            always_paged=True,
            leaves_trace=True,
            **_COUNTED,
        ),
        _endpoint(
            "Quotes",
            "QuoteID",
            SALES,
            paging="uncounted",
            always_paged=True,
            leaves_trace=True,
            **_STAMPED,
        ),
        _endpoint("Receipts", "ReceiptID", EXPENSES, unitdp=True, leaves_trace=True, **_STAMPED),
        _endpoint("RepeatingInvoices", "RepeatingInvoiceID", SALES, leaves_trace=True),
        _endpoint("TaxRates", "TaxType", SETTINGS, leaves_trace=True),
        _endpoint(
            "TrackingCategories",
            "TrackingCategoryID",
            SETTINGS,
            archived_by="Status",
        ),
        _endpoint("Users", "UserID", SETTINGS, **_STAMPED),
    )
}
_BY_PLURAL = {endpoint.plural: endpoint for endpoint in ENDPOINTS.values()}


def find_endpoint(name: str) -> Endpoint:
    """Find a list by its path or its plural; KeyError names what was asked for."""
    return ENDPOINTS.get(name) or _BY_PLURAL[name]


class Query(NamedTuple):
    """What a request asks for; `since` in milliseconds, `page` None where it was left out."""

    since: int | None
    page: int | None
    page_size: int
    offset: int
    order: tuple[str, bool] | None
    archived: bool
    deleted: bool
    exact_prices: bool


class Selection(NamedTuple):
    """The rows of one answer, and how many there are in all."""

    rows: list[Row]
    items: int
    page: int
    page_size: int
    paged: bool
    refused: str = ""


class Variant(NamedTuple):
    """In which way a row is written; rendered bytes are kept by it."""

    pretty: bool
    exact_prices: bool
    summary: bool
    archived: bool
    nulls_as_empty_lists: bool


def read_query(
    endpoint: Endpoint,
    params: Mapping[str, str],
    modified_since: str | None,
    behaviour: Behaviour,
) -> Query:
    """Read a request; what cannot be understood counts as left out, as with Xero."""
    ignore = behaviour.ims_ignored or not endpoint.modified_since or not modified_since
    asked = _whole(params.get("pageSize"))
    size = min(max(100 if asked is None else asked, 1), behaviour.page_size_cap or 1000)
    if behaviour.ignores_page_size or endpoint.paging == "fixed":
        size = 100
    page = _whole(params.get("page"))
    if page is None and endpoint.always_paged:
        page = 1
    return Query(
        since=None if ignore else read_modified_since(modified_since or ""),
        page=page if endpoint.paging in {"counted", "uncounted", "fixed"} else None,
        page_size=size,
        offset=_whole(params.get("offset")) or 0,
        order=_read_order(params.get("order")) if behaviour.honours_order else None,
        archived=_true(params.get("includeArchived")),
        deleted=_true(params.get("includeDeleted")),
        exact_prices=params.get("unitdp") == "4" or not endpoint.unitdp,
    )


def _whole(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"-?\d{1,9}", text) else None


def _true(text: str | None) -> bool:
    return (text or "").lower() == "true"


def _read_order(text: str | None) -> tuple[str, bool] | None:
    words = (text or "").split()
    return (words[0], words[1:] == ["DESC"]) if words else None


def read_modified_since(text: str) -> int | None:
    """Read If-Modified-Since as milliseconds; None where Xero would ignore it."""
    if _ISO.fullmatch(text):
        fraction = re.search(r"\.\d+", text)
        whole = re.sub(r"\.\d+", "", text).replace("Z", "+00:00")
        moment = datetime.fromisoformat(whole)
        ms = int(Decimal(fraction[0]) * 1000) if fraction else 0
    else:
        try:
            moment, ms = parsedate_to_datetime(text), 0
        except ValueError:
            return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return (aware - EPOCH) // timedelta(milliseconds=1) + ms


def select(
    endpoint: Endpoint, table: Table, query: Query, behaviour: Behaviour, call: int
) -> Selection:
    """Pick the rows of an answer; `call` seeds the order of ties where that is shuffled."""
    rows = table.by_stamp() if query.since is None else table.since(_least(query.since, behaviour))
    if endpoint.may_hide:
        shown = query.archived if endpoint.archived_by else query.deleted
        rows = rows if shown else [row for row in rows if not row.hidden]
    if endpoint.paging == "offset":
        return _after_offset(rows, query, behaviour)
    rows = _sort(endpoint, rows, query, behaviour, call)
    items = len(rows)
    if query.page is None:
        refused = "HighVolumeException" if endpoint.paging and items > HIGH_VOLUME else ""
        return Selection(rows, items, 1, max(items, 1), paged=False, refused=refused)
    if endpoint.path not in behaviour.everything_on_every_page:
        start = (max(query.page, 1) - 1) * query.page_size
        rows = rows[start : start + query.page_size]
    return Selection(rows, items, max(query.page, 1), query.page_size, paged=True)


def _least(since: int, behaviour: Behaviour) -> int:
    """Turn every reading of If-Modified-Since into the least stamp that is in the answer."""
    unit = _UNITS[behaviour.ims_precision]
    floor = since - since % unit
    if behaviour.ims_inclusive:
        return floor
    return floor + (unit if behaviour.ims_truncates_both else 1)


def _after_offset(rows: list[Row], query: Query, behaviour: Behaviour) -> Selection:
    later = [row for row in rows if row.serial > query.offset]
    later.sort(key=attrgetter("serial"))
    size = 100
    if behaviour.partial_journals and len(later) > 1:
        size = min(100, 1 + query.offset * 31 % min(len(later) - 1, 99))
    return Selection(later[:size], len(later), 1, size, paged=False)


def _sort(  # noqa: PLR0911
    endpoint: Endpoint, rows: list[Row], query: Query, behaviour: Behaviour, call: int
) -> list[Row]:
    """Sort rows that come by stamp and key."""
    if query.order:
        field, falling = query.order
        if field == endpoint.stamp:
            return rows[::-1] if falling else rows
        if field.lower() == endpoint.key.lower():
            return sorted(rows, key=attrgetter("key"), reverse=falling)
        return sorted(rows, key=lambda row: str(row.read().get(field, "")), reverse=falling)
    order = behaviour.list_order
    if order == "documented":
        order = endpoint.sorted_by or "insertion"
    if order == "stamp":
        return rows
    if order == "desc":
        return rows[::-1]
    if order == "id":
        return sorted(rows, key=attrgetter("key"))
    if order == "insertion":
        return sorted(rows, key=attrgetter("serial"))
    if order == "stamp_only":
        return sorted(rows, key=attrgetter("stamp", "serial"))
    shuffled = rows[:]
    Random(call).shuffle(shuffled)
    return sorted(shuffled, key=attrgetter("stamp"))


def pagination(selection: Selection, kind: str) -> Document:
    """Write the pagination object, right or wrong as asked."""
    size, items = selection.page_size, selection.items
    pages, count = -(-items // size), items
    if kind == "garbage":
        return {"page": 0, "pageSize": -1, "pageCount": "many", "itemCount": None}
    if kind == "too_small":
        pages, count = 1, len(selection.rows)
    if kind == "too_big":
        pages, count = pages + 5, items + 5 * size
    return {"page": selection.page, "pageSize": size, "pageCount": pages, "itemCount": count}


# Rows as bytes


def render_row(endpoint: Endpoint, row: Row, variant: Variant) -> bytes:
    """Write a row in the way asked for; ready-made rows are given untouched."""
    if row.raw is not None:
        return row.raw
    return render(shape(endpoint, row.read(), variant), pretty=variant.pretty, depth=2)


def shape(endpoint: Endpoint, document: Document, variant: Variant) -> Document:
    """Give a row as this kind of read shows it; the document itself is not changed."""
    if variant.summary:
        document = _summarise(endpoint, document)
    if not variant.exact_prices:
        document = _round_prices(document)
    if endpoint.path == "TrackingCategories" and not variant.archived:
        document = document | {
            "Options": [each for each in document.get("Options", []) if each["Status"] == "ACTIVE"]
        }
    if variant.nulls_as_empty_lists:
        document = document | {name: [] for name in endpoint.objects if document.get(name) is None}
    return document


def _summarise(endpoint: Endpoint, document: Document) -> Document:
    """Leave out what a read without `page` leaves out."""
    document = {k: v for k, v in document.items() if k not in endpoint.summary_drops}
    for name in endpoint.summary_empties:
        if name in document:
            document[name] = []
    if endpoint.path == "Payments" and document.get("Invoice"):
        kept = ("InvoiceID", "InvoiceNumber", "Type", "HasErrors", "IsDiscounted")
        document["Invoice"] = {k: v for k, v in document["Invoice"].items() if k in kept}
    return document


def _round_prices(document: Document) -> Document:
    """Round unit prices to two decimals, as without unitdp=4."""
    document = dict(document)
    if document.get("LineItems"):
        document["LineItems"] = [_round(line, "UnitAmount") for line in document["LineItems"]]
    for name in ("PurchaseDetails", "SalesDetails"):
        if document.get(name):
            document[name] = _round(document[name], "UnitPrice")
    return document


def _round(document: Document, name: str) -> Document:
    if name not in document:
        return document
    rounded = Decimal(document[name]).quantize(Decimal("0.01"), ROUND_HALF_UP)
    return document | {name: rounded}


GRANTABLE = frozenset().union(*(endpoint.scopes for endpoint in ENDPOINTS.values()))
