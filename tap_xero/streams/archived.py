"""Archived rows: when to ask Xero for them, and which of them to leave out.

A contact that is archived after it was read must be read once more, as ARCHIVED. So every read that
goes on from a bookmark asks for archived rows. Unless the config asks for archived rows, those that
were archived before the first read began are left out; `Start.archived_since` is that moment.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw

from tap_xero import dates
from tap_xero.paging.pages import Pager

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_xero.paging.endpoint import Endpoint
    from tap_xero.paging.pages import Estimate, Page, Start

_ARCHIVED = b'"ARCHIVED"'


class _Contact(msgspec.Struct):
    ContactStatus: Raw = Raw(b"null")
    UpdatedDateUTC: Raw = Raw(b"null")


_CONTACT = msgspec.json.Decoder(_Contact)


def with_archived(pager: Pager, *, from_the_first: bool) -> Pager:
    """Return the pager of contacts, of which Xero sends archived ones only if asked.

    `from_the_first` asks for them without a bookmark too.
    """

    def asked(endpoint: Endpoint, start: Start) -> Endpoint:
        if from_the_first or start.bookmark is not None:
            return endpoint.with_params(includeArchived="true")
        return endpoint

    def pages(endpoint: Endpoint, start: Start) -> Iterator[Page]:
        for page in pager.pages(asked(endpoint, start), start):
            yield page if start.archived_since is None else _without_old(page, start.archived_since)

    def peek(endpoint: Endpoint, start: Start) -> Estimate:
        return pager.peek(asked(endpoint, start), start)

    return Pager(pages, peek)


def _without_old(page: Page, archived_since: int) -> Page:
    """Return the page without rows that were archived before; Xero's count includes those."""
    rows = [row for row in page.rows if not _is_archived_before(row, archived_since)]
    return replace(page, rows=rows, source=replace(page.source, pagination=None))


def _is_archived_before(row: bytes, moment: int) -> bool:
    if _ARCHIVED not in bytes(row):  # most rows are not decoded
        return False
    contact = _CONTACT.decode(row)
    stamp = dates.to_ms(bytes(contact.UpdatedDateUTC))
    return bytes(contact.ContactStatus) == _ARCHIVED and stamp is not None and stamp < moment
