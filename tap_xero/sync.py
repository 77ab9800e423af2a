"""The only loop: for each selected stream, pages to records to stdout, then its bookmark.

The login comes first: a sync that cannot log in writes nothing. SCHEMA messages come next, for
every stream, so that each table exists even when it has no rows.
Pages then arrive from several streams in turn; each page is one write, followed by the STATE
that covers it. A stream that fails, or may not be read, leaves the others alone.

Details of documents come last, when all lists have ended, so they never cost a list its calls;
there the records of each document are one write.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from tap_xero.details.fair_share import in_turn
from tap_xero.details.plan import DetailWalks, ReadList
from tap_xero.errors import OutputError, SkipStreamError, StreamError, TapError
from tap_xero.output.records import Records
from tap_xero.output.writer import activate_version, page_lines
from tap_xero.paging.endpoint import opened
from tap_xero.paging.pages import Start, wanted
from tap_xero.paging.read_ahead import read_ahead
from tap_xero.streams.line_splitter import LineSplitter
from tap_xero.streams.stream import open_list, pager_of, with_scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from tap_xero.client import Client
    from tap_xero.config import Config
    from tap_xero.details.fair_share import Turn
    from tap_xero.details.walk import Walk
    from tap_xero.output.writer import Writer
    from tap_xero.paging.endpoint import XeroList
    from tap_xero.paging.pages import Page, Pager
    from tap_xero.paging.read_ahead import Arrival
    from tap_xero.selection import Selection
    from tap_xero.state import State

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class LineTableRun:
    """A line table that is made from the pages of a stream."""

    selection: Selection
    splitter: LineSplitter
    records: Records


@dataclass
class StreamRun:
    """One stream in this run: what reads it, and what came of it.

    `lists` are those of Xero behind it: one, but for details, which are read list by list.
    Details `continues` says whether the next run goes on where this one stops.
    """

    selection: Selection
    start: Start
    lists: list[XeroList]
    records: Records
    version: int | None
    line_tables: list[LineTableRun] = field(default_factory=list)
    pages: int = 0
    rows: int = 0
    counted: int | None = None
    server_start: int | None = None
    began: datetime | None = None
    ended: datetime | None = None
    complete: bool = False
    continues: bool = False
    error: StreamError | None = None

    @property
    def name(self) -> str:
        """The stream's tap_stream_id."""
        return self.selection.stream.tap_stream_id

    @property
    def calls(self) -> int:
        """Answers that came for the stream."""
        return sum(each.usage.calls for each in self.lists)

    @property
    def size(self) -> int:
        """Bytes of these answers, as packed on the wire."""
        return sum(each.usage.size for each in self.lists)

    @property
    def forgiven(self) -> bool:
        """Whether the stream may be missing: nobody asked for it and Xero does not show it."""
        return isinstance(self.error, SkipStreamError) and not self.selection.from_catalog


@dataclass
class Sync:
    """What a sync needs.

    `stopped` is asked between writes, `on_page` is told of each page: whose, and how many rows.
    """

    client: Client
    config: Config
    state: State
    writer: Writer
    now: Callable[[], datetime]
    stopped: Callable[[], bool] = lambda: False
    on_page: Callable[[StreamRun, int], None] = lambda *_: None
    runs: list[StreamRun] = field(default_factory=list)

    def run(self, selections: Sequence[Selection]) -> None:
        """Sync the selected streams; `runs` then says what came of each.

        Raises InputError before the first call, what a login raises before the first message, and
        the TapErrors that end a run; then a STATE that covers all that was written is on stdout.
        """
        details = [selection for selection in selections if selection.stream.resumes]
        walks = DetailWalks(self.client, self.config, self.state, details)
        read = [each for each in selections if not (each.stream.parent or each.stream.resumes)]
        ordered = _longest_first(read, self.state.currently_syncing)
        self.state.forget_unused(ordered)
        starts = [self.state.start(selection, self.config) for selection in ordered]
        version = int(self.now().timestamp() * 1000)
        for selection, start in zip(ordered, starts, strict=True):
            run = self._prepare(selection, start, version)
            of_run = (each for each in selections if each.stream.parent == run.name)
            run.line_tables = [_line_table_run(each, run.version) for each in of_run]
            self.runs.append(run)
        lists = tuple(self.runs)
        self.runs += [StreamRun(each, Start(), [], _records(each, None), None) for each in details]
        tenant_id = self._tenant_id()
        for run in self.runs:
            for selection in (run.selection, *(lines.selection for lines in run.line_tables)):
                self._write_schema(selection, run.selection.replication_key)
        try:
            if self.state.cover([*ordered, *details], self.config, tenant_id):
                for run in lists:
                    run.start = self.state.start(run.selection, self.config)
                walks = DetailWalks(self.client, self.config, self.state, details)
            self._read_lists(lists)
            if details and not self.stopped():
                self._read_details(lists, walks)
        except OutputError:
            raise
        except TapError:
            self._write_state()
            raise
        self._write_state()

    def _tenant_id(self) -> str | None:
        """Log in and return the organisation's id, on a thread, so that a signal ends the wait."""
        told: list[str] = []

        def ask() -> Iterator[str]:
            self.client.auth.token()
            tenant_id = self.client.auth.tenant_id()
            if tenant_id:
                yield tenant_id

        def take(arrival: Arrival[str]) -> None:
            if arrival.error:
                raise arrival.error
            if arrival.page:
                told.append(arrival.page)

        read_ahead([ask], 1, take, lambda _: None, self.stopped)
        return told[0] if told else None

    def _read_lists(self, runs: Sequence[StreamRun]) -> None:
        began = self.now()
        pagers = [pager_of(run.selection.stream, self.config, began) for run in runs]
        readers = [
            partial(_read, run, pager, self.now) for run, pager in zip(runs, pagers, strict=True)
        ]
        take = partial(self._take, runs)
        read_ahead(readers, self.config.max_concurrency, take, self._put, self.stopped)

    def _read_details(self, lists: Sequence[StreamRun], walks: DetailWalks) -> None:
        read = [_as_read_list(run) for run in lists if run.complete]
        runs = {run.name: run for run in self.runs[len(lists) :]}
        under_way: list[Walk] = []
        for run in runs.values():
            run.began = self.now()
            of_run = list(walks.of(run.selection, read))
            run.lists += [each for walk in of_run for each in (walk.listing, walk.answers)]
            under_way += of_run
        turns = partial(in_turn, tuple(under_way), walks.allowance)
        take = partial(self._take_turn, runs, under_way)
        read_ahead([turns], 1, take, self.writer.lines, self.stopped)

    def _take_turn(
        self, runs: Mapping[str, StreamRun], under_way: list[Walk], arrival: Arrival[Turn]
    ) -> bytes:
        """Return the lines to be written; `under_way` keeps the walks that have not ended."""
        if arrival.error:
            raise arrival.error
        turn = arrival.page
        if turn is None:
            for run in runs.values():
                self._end_details(run, under_way)
            return b""
        run = runs[turn.walk.name]
        if turn.error:
            self._fail(run, turn.error)
        if turn.page is None:
            under_way.remove(turn.walk)
            return b""
        return self._details(run, turn.walk, turn.page)

    def _details(self, run: StreamRun, walk: Walk, page: Page) -> bytes:
        if page.position is None:
            return b""
        run.pages += 1
        run.rows += len(page.rows)
        records = run.records.lines(page)
        self.state.come_to(run.name, walk.parent.tap_stream_id, page.position)
        return self._with_state(records)

    def _end_details(self, run: StreamRun, under_way: Sequence[Walk]) -> None:
        run.ended = self.now()
        run.complete = run.error is None
        is_cut_short = any(walk.name == run.name for walk in under_way)
        unread = (each.name for each in self.runs if not each.complete)
        of_unread = not set(run.selection.stream.documents).isdisjoint(unread)
        run.continues = is_cut_short or of_unread
        if is_cut_short:
            LOGGER.info(
                "%s: the %d calls of detail_calls_per_run are used up, the next run goes on",
                run.name,
                self.config.detail_calls_per_run,
            )

    def _prepare(self, selection: Selection, start: Start, version: int) -> StreamRun:
        stream = selection.stream
        stream_version = version if selection.is_full_table else None
        records = _records(selection, stream_version)
        xero_list = open_list(self.client, stream, self.config, records.ready)
        return StreamRun(selection, start, [xero_list], records, stream_version)

    def _write_schema(self, selection: Selection, replication_key: str | None) -> None:
        stream = selection.stream
        self.writer.schema(
            stream.tap_stream_id,
            selection.selected_schema,
            selection.key_properties,
            replication_key,
        )

    def _take(
        self, runs: Sequence[StreamRun], arrival: Arrival[Page]
    ) -> tuple[StreamRun, int, bytes]:
        """Return whose page has arrived, its rows and lines; no lines unless it is a page."""
        run = runs[arrival.place]
        if arrival.page is not None:
            return run, len(arrival.page.rows), self._page(run, arrival.page)
        if arrival.error is None:
            self._end(run)
        elif isinstance(arrival.error, StreamError):
            self._fail(run, arrival.error)
        else:
            raise arrival.error
        return run, 0, b""

    def _put(self, taken: tuple[StreamRun, int, bytes]) -> None:
        run, rows, lines = taken
        self.writer.lines(lines)
        if lines:
            self.on_page(run, rows)

    def _page(self, run: StreamRun, page: Page) -> bytes:
        if not run.pages:
            run.server_start = page.source.server_ms
            run.counted = _counted(run.start, page)
        records = run.records.lines(page)
        rows = opened(page.rows) if run.line_tables else []
        for each in run.line_tables:
            records += each.records.lines(each.splitter.page(rows, page.source))
        run.pages += 1
        run.rows += len(page.rows)
        run.complete = page.last
        self.state.advance(run.selection, page.complete_to, run.server_start)
        return self._with_state(records, _activated(run) if page.last else b"")

    def _end(self, run: StreamRun) -> None:
        if not run.complete:
            error = StreamError(f"{run.name} changed faster than it could be read: run again")
            self._fail(run, error)
        elif run.counted is not None and run.rows < run.counted:
            LOGGER.warning(
                "%s: Xero counted %d records and sent %d: if none was deleted or archived "
                "meanwhile, read the stream again from an earlier bookmark",
                run.name,
                run.counted,
                run.rows,
            )

    def _fail(self, run: StreamRun, error: StreamError) -> None:
        run.error = with_scope(error, run.selection.stream, self.config)
        level = logging.WARNING if run.forgiven else logging.ERROR
        LOGGER.log(level, "%s: %s", run.name, run.error)

    def _write_state(self) -> None:
        self.writer.lines(self._with_state([]))

    def _with_state(self, records: Sequence[bytes], activated: bytes = b"") -> bytes:
        unfinished = (run.name for run in self.runs if not (run.complete or run.error))
        self.state.currently_syncing = next(unfinished, None)
        return page_lines(records, self.state.value, activated)


def _line_table_run(selection: Selection, version: int | None) -> LineTableRun:
    splitter = LineSplitter(selection.stream.tap_stream_id)
    return LineTableRun(selection, splitter, _records(selection, version))


def _records(selection: Selection, version: int | None) -> Records:
    return Records(
        selection.stream.tap_stream_id,
        selection.schema,
        selected=selection.selected_fields,
        lists=selection.line_table_fields,
        version=version,
    )


def _activated(run: StreamRun) -> bytes:
    if run.version is None:
        return b""
    names = [run.name, *(each.selection.stream.tap_stream_id for each in run.line_tables)]
    return b"".join(activate_version(name, run.version) for name in names)


def _as_read_list(run: StreamRun) -> ReadList:
    return ReadList(run.selection, run.start.page_size, run.server_start)


def _read(run: StreamRun, pager: Pager, now: Callable[[], datetime]) -> Iterator[Page]:
    run.began = now()
    try:
        (xero_list,) = run.lists
        yield from pager.pages(xero_list, run.start)
    finally:
        run.ended = now()


def _counted(start: Start, page: Page) -> int | None:
    """Return how many records Xero counted, if its first answer holds only such as are wanted."""
    told = page.source.pagination
    if told is None or not all(wanted(stamp, start.since) for stamp in page.source.stamps):
        return None
    return told.itemCount


def _longest_first(selections: Sequence[Selection], name: str | None) -> list[Selection]:
    """Begin with the stream at which the last run ended early, then with those of many calls.

    Streams of a single call fill the gaps; begun first, they would leave the long ones for last
    with nothing beside them.
    """
    return sorted(
        selections,
        key=lambda item: (item.stream.tap_stream_id != name, not item.stream.comes_in_pages),
    )
