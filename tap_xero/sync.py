"""The loop: for each selected stream, pages to records to stdout, then its bookmark.

The login comes first: a sync that cannot log in writes nothing. SCHEMA messages come next, for
every stream, so that each table exists even when it has no rows. Then comes the STATE that the run
was given: some targets take the first STATE for flushed, so it must not cover a row of this run.
Pages then arrive from several streams in turn. Each page is one write, followed by the STATE that
covers it. A stream that fails, or may not be read, leaves the others alone.

Details of documents come last, when all lists have ended, so they never cost a list its calls.
"""

from __future__ import annotations

import logging
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from tap_xero.coverage import drop_outdated
from tap_xero.details.detail_sync import DetailJob, DetailSync
from tap_xero.details.plan import DetailPlan, ReadList, attachments_folder
from tap_xero.errors import OutputError, StreamError, TapError
from tap_xero.outcome import Outcome
from tap_xero.output.records import Records
from tap_xero.output.writer import activate_version
from tap_xero.paging.pages import newest, wanted
from tap_xero.paging.read_ahead import read_ahead
from tap_xero.paging.rows import decode_rows
from tap_xero.streams.available import TENANT_ID
from tap_xero.streams.line_splitter import LineSplitter
from tap_xero.streams.object_ids import add_object_ids
from tap_xero.streams.stream import open_endpoint, pager_of, with_scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from tap_xero.client import Client
    from tap_xero.config import Config
    from tap_xero.output.writer import PageWriter
    from tap_xero.paging.endpoint import Endpoint
    from tap_xero.paging.pages import Page, Pager, Start
    from tap_xero.paging.read_ahead import Arrival
    from tap_xero.selection import Selection
    from tap_xero.state import State

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class LineTable:
    """A line table that is made from the pages of a stream."""

    selection: Selection
    splitter: LineSplitter
    records: Records


@dataclass(frozen=True)
class ListJob:
    """A stream to read as a list, with the line tables that are made from its rows.

    `version` is that of a full table, None for an incremental stream.
    """

    selection: Selection
    endpoint: Endpoint
    records: Records
    line_tables: Sequence[LineTable]
    version: int | None
    outcome: Outcome


@dataclass
class Sync:
    """What a sync needs.

    `stopped` is asked between writes. `on_page` is called after each page with the outcome of its
    stream and the number of its rows. `tenant_id` is written first in each record, in a run over
    several organisations.
    """

    client: Client
    config: Config
    state: State
    writer: PageWriter
    now: Callable[[], datetime]
    stopped: Callable[[], bool] = lambda: False
    on_page: Callable[[Outcome, int], None] = lambda *_: None
    outcomes: list[Outcome] = field(default_factory=list)
    tenant_id: str | None = None

    def run(self, selections: Sequence[Selection]) -> None:
        """Sync the selected streams and fill `outcomes`, one for each.

        Raises InputError before the first call, what a login raises before the first message, and
        the TapErrors that end a run; then a STATE that covers all that was written is on stdout.
        """
        details = [each for each in selections if each.stream.documents]
        lists = [each for each in selections if not (each.stream.parent or each.stream.documents)]
        self.state.check([*lists, *details])
        folder = attachments_folder(self.config, details)
        ordered = _longest_first(lists, self.state.currently_syncing)
        self.state.forget_unused(ordered)
        list_jobs = self._list_jobs(ordered, selections)
        detail_jobs = [
            DetailJob(each, self._records(each, None), Outcome(each)) for each in details
        ]
        self.outcomes += [job.outcome for job in list_jobs]
        self.outcomes += [job.outcome for job in detail_jobs]
        tenant_id = self._log_in()
        self._write_schemas(list_jobs, detail_jobs)
        drop_outdated(self.state, selections, self.config, tenant_id)
        starts = [self.state.start(job.selection, self.config) for job in list_jobs]
        try:
            self._write([])
            self._read_lists(list_jobs, starts)
            if details and not self.stopped():
                self._read_details(detail_jobs, list_jobs, folder)
        except OutputError:
            raise
        except TapError:
            self._write([])
            raise
        self._write([])

    def _list_jobs(
        self, ordered: Sequence[Selection], selections: Sequence[Selection]
    ) -> list[ListJob]:
        version = int(self.now().timestamp() * 1000)
        jobs = []
        for selection in ordered:
            stream = selection.stream
            stream_version = version if selection.is_full_table else None
            records = self._records(selection, stream_version)
            endpoint = open_endpoint(self.client, stream, records.as_record)
            line_tables = [
                self._line_table(each, stream_version)
                for each in selections
                if each.stream.parent == stream.tap_stream_id
            ]
            outcome = Outcome(selection, [endpoint.usage])
            job = ListJob(selection, endpoint, records, line_tables, stream_version, outcome)
            jobs.append(job)
        return jobs

    def _line_table(self, selection: Selection, version: int | None) -> LineTable:
        splitter = LineSplitter(selection.stream.tap_stream_id)
        return LineTable(selection, splitter, self._records(selection, version))

    def _records(self, selection: Selection, version: int | None) -> Records:
        ids = [each for each in selection.object_ids if each.name in selection.selected_fields]
        return Records(
            selection.stream.tap_stream_id,
            selection.schema,
            selected=selection.selected_fields - {TENANT_ID},
            line_table_fields=selection.line_table_fields,
            add_fields=partial(add_object_ids, ids=ids) if ids else None,
            version=None if self.tenant_id else version,
            tenant_id=self.tenant_id,
        )

    def _log_in(self) -> str | None:
        """Log in and return the organisation's id, on a thread, so that a signal ends the wait."""

        def log_in() -> Iterator[str]:
            self.client.auth.token()
            tenant_id = self.client.tenant_id()
            if tenant_id:
                yield tenant_id

        with closing(read_ahead([log_in], 1, self.stopped)) as arrivals:
            for arrival in arrivals:
                if arrival.error:
                    raise arrival.error
                if arrival.page:
                    return arrival.page
        return None

    def _write_schemas(
        self, list_jobs: Sequence[ListJob], detail_jobs: Sequence[DetailJob]
    ) -> None:
        for list_job in list_jobs:
            key = list_job.selection.replication_key
            self._write_schema(list_job.selection, key)
            for line_table in list_job.line_tables:
                self._write_schema(line_table.selection, key)
        for detail_job in detail_jobs:
            self._write_schema(detail_job.selection, detail_job.selection.replication_key)

    def _write_schema(self, selection: Selection, replication_key: str | None) -> None:
        stream = selection.stream
        self.writer.schema(
            stream.tap_stream_id,
            selection.selected_schema,
            selection.key_properties,
            replication_key,
        )

    def _read_lists(self, jobs: Sequence[ListJob], starts: Sequence[Start]) -> None:
        began = self.now()
        pagers = [pager_of(job.selection.stream, self.config, began) for job in jobs]
        readers = [
            partial(_read, job, pager, start, self.now)
            for job, pager, start in zip(jobs, pagers, starts, strict=True)
        ]
        threads = self.config.max_concurrency
        with closing(read_ahead(readers, threads, self.stopped)) as arrivals:
            for arrival in arrivals:
                self._take(jobs[arrival.place], starts[arrival.place], arrival)
                del arrival  # a page may be megabytes

    def _take(self, job: ListJob, start: Start, arrival: Arrival[Page]) -> None:
        if arrival.page is not None:
            self._write_page(job, start, arrival.page)
        elif arrival.error is None:
            self._end(job)
        elif isinstance(arrival.error, StreamError):
            self._fail(job.outcome, arrival.error)
        else:
            raise arrival.error

    def _write_page(self, job: ListJob, start: Start, page: Page) -> None:
        outcome = job.outcome
        if not outcome.pages:
            outcome.server_start = page.source.server_ms
            outcome.first_newest = newest(page.source)
            outcome.counted = _counted(start, page)
        records = job.records.lines(page)
        rows = decode_rows(page.rows) if job.line_tables else []
        for each in job.line_tables:
            records += each.records.lines(each.splitter.page(rows, page.source))
        outcome.pages += 1
        outcome.rows += len(page.rows)
        outcome.complete = page.last
        self.state.advance(
            job.selection, page.complete_to, outcome.server_start, outcome.first_newest
        )
        self._write(records, _activated(job) if page.last else b"")
        self.on_page(outcome, len(page.rows))

    def _end(self, job: ListJob) -> None:
        outcome = job.outcome
        if not outcome.complete:
            self._fail(
                outcome,
                StreamError(f"{outcome.name} changed faster than it could be read: run again"),
            )
        elif outcome.counted is not None and outcome.rows < outcome.counted:
            LOGGER.warning(
                "%s: Xero counted %d records and sent %d: if none was deleted or archived "
                "meanwhile, read the stream again from an earlier bookmark",
                outcome.name,
                outcome.counted,
                outcome.rows,
            )

    def _fail(self, outcome: Outcome, error: StreamError) -> None:
        outcome.fail(with_scope(error, outcome.selection.stream, self.config))

    def _read_details(
        self, jobs: Sequence[DetailJob], list_jobs: Sequence[ListJob], folder: Path | None
    ) -> None:
        read = [
            ReadList(job.selection, job.outcome.server_start)
            for job in list_jobs
            if job.outcome.complete
        ]
        plan = DetailPlan(self.client, self.config, self.state, folder)
        walks = [walk for job in jobs for walk in plan.walks(job.outcome, read)]
        unread = {job.outcome.name for job in list_jobs if not job.outcome.complete}
        details = DetailSync(plan.budget, unread, self.config, self.state, self._write, self.now)
        details.run(jobs, walks, self.stopped)

    def _write(self, records: Sequence[bytes], activated: bytes = b"") -> None:
        under_way = (outcome.name for outcome in self.outcomes if outcome.is_under_way)
        self.state.currently_syncing = next(under_way, None)
        self.writer.page(records, self.state.value, activated)


def _activated(job: ListJob) -> bytes:
    """Return the messages which say that the rows of older versions are gone."""
    if job.version is None:
        return b""
    selections = (job.selection, *(each.selection for each in job.line_tables))
    names = (selection.stream.tap_stream_id for selection in selections)
    return b"".join(activate_version(name, job.version) for name in names)


def _read(job: ListJob, pager: Pager, start: Start, now: Callable[[], datetime]) -> Iterator[Page]:
    job.outcome.began = now()
    try:
        yield from pager.pages(job.endpoint, start)
    finally:
        job.outcome.ended = now()


def _counted(start: Start, page: Page) -> int | None:
    """Return how many records Xero counted, if its first answer holds only wanted records."""
    pagination = page.source.pagination
    if pagination is None or not all(wanted(stamp, start.since) for stamp in page.source.stamps):
        return None
    return pagination.itemCount


def _longest_first(selections: Sequence[Selection], name: str | None) -> list[Selection]:
    """Begin with the stream at which the last run ended early, then with those of many calls.

    Streams of a single call fill the gaps. If they began first, the long ones would come last,
    with nothing beside them.
    """
    return sorted(
        selections,
        key=lambda item: (item.stream.tap_stream_id != name, not item.stream.comes_in_pages),
    )
