"""A stream: one row of the table in `streams/table.py`, and how its endpoint is opened.

Scopes are the granular ones of developer.xero.com (FAQ on granular scopes). Apps made before March
2026 have a broad scope instead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tap_xero import dates
from tap_xero.errors import MissingScopeError
from tap_xero.paging.endpoint import UPDATED, Endpoint, never_as_record
from tap_xero.paging.one_answer import ONE_ANSWER
from tap_xero.streams.archived import with_archived
from tap_xero.streams.report_settings import report_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from tap_xero.client import Client
    from tap_xero.config import Config
    from tap_xero.errors import StreamError
    from tap_xero.paging.endpoint import AsRecord
    from tap_xero.paging.pages import Pager
    from tap_xero.streams.report_settings import ReportSettings

DOCUMENT = "DocumentID"


@dataclass(frozen=True)
class PagerBySettings:
    """A pager that depends on the config: `bind` makes it."""

    bind: Callable[[ReportSettings], Pager]


@dataclass(frozen=True)
class Stream:
    """A Singer stream and the endpoint that it is read from.

    - `scope`: the granular scope, without `.read`, that the endpoint needs; empty if the scope
      depends on the document. `second_scope`: another scope that it needs.
    - `rows_key`: the field of an answer that holds the rows, if its name is not the path.
    - `page_size`: the rows of a page, if Xero fixes their number.
    - `unseen`: in words, the changes that If-Modified-Since does not show.
    - `archived_on_demand`: Xero sends archived rows only if a call asks for them.
    - `is_master_list`: documents of any age refer to its rows, so its first run reads all of them.
    - `documents`: the streams whose documents are read one by one, for a stream of details. One
      run may not read all of them; the next run continues.
    - `parent`: the stream from whose rows a line table is made.
    """

    tap_stream_id: str
    path: str
    key_properties: tuple[str, ...]
    scope: str
    pager: Pager | PagerBySettings
    replication_key: str | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    selected_by_default: bool = True
    rows_key: str = ""
    page_size: int | None = None
    unseen: str = ""
    archived_on_demand: bool = False
    is_master_list: bool = False
    second_scope: str = ""
    documents: tuple[str, ...] = ()
    parent: str = ""

    @property
    def replication_method(self) -> str:
        """The replication method in the catalog; a user may set another one."""
        return "INCREMENTAL" if self.replication_key else "FULL_TABLE"

    @property
    def comes_in_pages(self) -> bool:
        """Whether it may need many calls, one after the other."""
        return self.pager is not ONE_ANSWER

    @property
    def takes_modified_since(self) -> bool:
        """Whether Xero filters the list by If-Modified-Since."""
        return self.replication_key == UPDATED

    @property
    def read_scope(self) -> str:
        """The scope that allows only reading; empty if it depends on the document."""
        return self.scope if self.scope in ("", "paymentservices") else f"{self.scope}.read"

    @property
    def broad_scope(self) -> str:
        """The scope that apps made before March 2026 have instead."""
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


def open_endpoint(
    client: Client, stream: Stream, as_record: AsRecord = never_as_record
) -> Endpoint:
    """Return the endpoint that a stream is read from; see `Endpoint` for `as_record`.

    Reports and budgets have pagers that make rows of their own, so their answers hold no records.
    """
    makes_own_rows = isinstance(stream.pager, PagerBySettings)
    return Endpoint(
        client,
        stream.path,
        rows_key=stream.rows_key or stream.path,
        key_properties=stream.key_properties,
        replication_key=stream.replication_key if stream.takes_modified_since else None,
        params=stream.params,
        page_size=stream.page_size,
        as_record=never_as_record if makes_own_rows else as_record,
    )


def pager_of(stream: Stream, config: Config, now: datetime) -> Pager:
    """Return the pager of a stream for a run that began at `now`."""
    if isinstance(stream.pager, PagerBySettings):
        return stream.pager.bind(report_settings(config, now))
    if stream.archived_on_demand:
        return with_archived(stream.pager, from_the_first=config.include_archived_contacts)
    return stream.pager


def first_moment(stream: Stream, config: Config) -> int | None:
    """Return the moment (ms since 1970) from which a first run reads a stream; None for all."""
    if stream.is_master_list and not config.start_date_applies_to_all:
        return None
    return dates.to_ms_of(config.start_date)


def scopes_of(streams: Iterable[Stream]) -> str:
    """Return the scopes that reading these streams needs, separated by spaces."""
    scopes = {scope for each in streams for scope in (each.read_scope, each.second_scope) if scope}
    return " ".join(sorted(scopes))


def with_scope(error: StreamError, stream: Stream, config: Config) -> StreamError:
    """Return the error; for a missing scope it names the scope and how to get it."""
    if not isinstance(error, MissingScopeError) or not stream.read_scope:
        return error
    add = "add it to scopes and " if config.scopes else ""
    return MissingScopeError(
        f"{error}; it takes {stream.read_scope}: {add}run tap-xero --authorize, with the same "
        "catalog"
    )
