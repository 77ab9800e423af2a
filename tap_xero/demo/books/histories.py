"""What Xero tells of single documents: their history, and the files attached to them.

Both follow from the document's id, and the history also from when it was edited, so that it only
ever grows.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from tap_xero.demo.xero_json import Document, instant, stamp_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_xero.demo.books.company import Company

HISTORY_PATHS = frozenset(
    {
        *("BankTransactions", "BankTransfers", "BatchPayments", "Contacts", "CreditNotes"),
        *("ExpenseClaims", "Invoices", "Items", "ManualJournals", "Overpayments", "Payments"),
        *("Prepayments", "PurchaseOrders", "Quotes", "Receipts", "RepeatingInvoices"),
    }
)
ATTACHMENT_PATHS = frozenset(
    {
        *("Accounts", "BankTransactions", "BankTransfers", "Contacts", "CreditNotes", "Invoices"),
        *("ManualJournals", "PurchaseOrders", "Quotes", "Receipts", "RepeatingInvoices"),
    }
)
ATTACHMENT_SCOPES = frozenset({"accounting.attachments"})
_HOUR = 3_600_000
_FILES = (("Receipt.pdf", "application/pdf"), ("photo of the bike.jpg", "image/jpg"))


def history(key: str, stamps: Sequence[int]) -> list[Document]:
    """Write the history of the document `key`, modified at `stamps`, newest first.

    It was created, and for some approved in the same moment, before the first of them.
    """
    made = stamps[0] - _HOUR * (1 + _number(key) % 50)
    entries = [_entry("Created", made, "Received through the Xero API from Demo")]
    if _number(key) % 3 == 0:
        entries.append(_entry("Approved", made, ""))
    entries += [_entry("Edited", stamp, f"Version {at}") for at, stamp in enumerate(stamps[1:], 2)]
    return entries[::-1]


def _entry(changes: str, stamp: int, details: str) -> Document:
    return {
        "Changes": changes,
        "DateUTCString": stamp_text(stamp)[:-1],
        "DateUTC": instant(stamp),
        "User": "System Generated",
        "Details": details,
    }


def attachments(company: Company, path: str, key: str) -> list[Document]:
    """Write what Xero says of the files attached to the document `key` of the list `path`."""
    written = []
    for at, (name, media_type) in enumerate(_FILES[: 1 + _number(key) % len(_FILES)]):
        uid = company.uid("Attachments", f"{path}/{key}/{at}")
        written.append(
            {
                "AttachmentID": uid,
                "FileName": name,
                "Url": f"https://api.xero.com/api.xro/2.0/{path}/{key}/Attachments/{name}",
                "MimeType": media_type,
                "ContentLength": len(content(uid)),
                "IncludeOnline": _number(uid) % 2 == 0,
            }
        )
    return written


def content(uid: str) -> bytes:
    """Make up the bytes of an attachment."""
    return blake2b(uid.encode()).digest() * (1 + _number(uid) % 40)


def _number(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=4).digest(), "big")
