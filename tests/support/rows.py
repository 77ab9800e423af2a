"""Small rows for tests that are about which rows come, not what is in them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tap_xero.demo import Call, DemoXero
    from tests.support.run_tap import Output

SECOND = 1000
DAY = 86_400_000
# 2026-06-01, when the first row of most tests was modified.
FIRST = 1_780_272_000_000
KEYS = {
    "Accounts": "AccountID",
    "Invoices": "InvoiceID",
    "ManualJournals": "ManualJournalID",
    "Quotes": "QuoteID",
}


def rows(path: str, stamps: Iterable[int | None]) -> list[bytes]:
    """Return a row for each stamp (ms since 1970, or None for none), keys in their order."""
    key = KEYS[path]
    return [_row(key, f"row-{number:06d}", stamp) for number, stamp in enumerate(stamps)]


def row(path: str, key: str, stamp: int | None) -> bytes:
    """Return one row."""
    return _row(KEYS[path], key, stamp)


def _row(name: str, key: str, stamp: int | None) -> bytes:
    modified = "" if stamp is None else f',"UpdatedDateUTC":"/Date({stamp}+0000)/"'
    return f'{{"{name}":"{key}"{modified}}}'.encode()


def spread(count: int, every: int = 60 * SECOND) -> list[int]:
    """Return the stamps of `count` rows, one `every` so many ms."""
    return [FIRST + number * every for number in range(count)]


def keys(output: Output, stream: str) -> Counter[str]:
    """Return how often each key was written."""
    names = {"invoices": "InvoiceID", "manual_journals": "ManualJournalID", "quotes": "QuoteID"}
    return Counter(record[names[stream]] for record in output.records(stream))


def expected(count: int) -> set[str]:
    """Return the keys of `rows` of so many stamps."""
    return {f"row-{number:06d}" for number in range(count)}


def data_calls(xero: DemoXero) -> list[Call]:
    """Return the calls for lists so far."""
    return [call for call in xero.calls if call.kind == "data"]


def bookmark(output: Output, stream: str) -> Any:  # noqa: ANN401
    """Return the bookmark that the last STATE holds."""
    kept: Mapping[str, Any] = output.state["bookmarks"].get(stream, {})
    return kept.get("UpdatedDateUTC") or kept.get("JournalNumber")
