"""Many organisations in one run: a few threads, and each syncs one organisation after the other.

The sync of an organisation is the same as in a run for it alone, with three differences. Its
records begin with TenantID. Its state is joined with the states of the others. It sends no
ACTIVATE_VERSION, since that would delete the rows of the other organisations from a shared table.

A STATE of many organisations is long. It is written once as many bytes of records as it has itself
were written, or after ten seconds, and at the end of the run. It covers only what was written: each
organisation leaves a copy of its bookmarks with the page that they cover.

Organisations with a state come first, those that were not completed for longest before the others.
New organisations come last: their long first sync must not delay the others.

An organisation that fails leaves the others alone. Only if Xero cannot be reached for two of them,
and no page of any organisation arrived meanwhile, the whole run ends.
"""

from __future__ import annotations

import gc
import threading
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tap_xero import dates
from tap_xero.errors import (
    DayLimitError,
    OrganisationError,
    OutputError,
    StreamError,
    TapError,
    UnreachableError,
)
from tap_xero.output.writer import record_line, state_line
from tap_xero.paging.read_ahead import read_ahead
from tap_xero.state import State
from tap_xero.streams.table import SYNCS
from tap_xero.sync import Sync
from tap_xero.tenant_states import joined

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from tap_xero.client import Client
    from tap_xero.clock import Clock
    from tap_xero.config import Config
    from tap_xero.outcome import Outcome
    from tap_xero.output.writer import Writer
    from tap_xero.selection import Selection
    from tap_xero.tenant_states import States

# A STATE is written after this many seconds, however few records were written.
_STATE_SECONDS = 10.0


@dataclass(frozen=True)
class OrganisationSync:
    """How the sync of one organisation ended.

    `error` is why it ended early. `began` is when it began (`monotonic`), `seconds`
    how long it took.
    """

    tenant_id: str
    began: float
    state: State
    outcomes: Sequence[Outcome]
    calls: int
    size: int
    seconds: float
    error: TapError | None = None

    @property
    def is_complete(self) -> bool:
        """Whether every stream is complete, or may be missing."""
        return self.error is None and all(
            outcome.complete or outcome.is_optional for outcome in self.outcomes
        )

    @property
    def lifts_at(self) -> datetime | None:
        """When Xero lifts the limit of calls a day that ended the sync (aware UTC), if it did."""
        return self.error.lifts_at if isinstance(self.error, DayLimitError) else None


class SharedWriter:
    """Writes what all organisations read; its methods may be called from any thread.

    `states` are the states that the run was given, by tenant. `monotonic` is a clock in seconds.
    `syncs` is the stream of that name, if it is selected.
    """

    def __init__(
        self,
        writer: Writer,
        states: States,
        monotonic: Callable[[], float],
        syncs: Selection | None = None,
    ) -> None:
        self._writer = writer
        self._states: dict[str, Mapping[str, Any]] = dict(states)
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._announced: set[str] = set()
        self._syncs = syncs
        self._is_closed = False
        self._state_size = 0
        self._state_written: float | None = None
        self._uncovered = 0
        self._last_page = float("-inf")

    def schema(
        self,
        tap_stream_id: str,
        schema: Mapping[str, Any],
        key_properties: Sequence[str],
        replication_key: str | None,
    ) -> None:
        """Write a SCHEMA message, unless the stream has one: some targets flush at each."""
        with self._lock:
            self._raise_if_closed()
            if self._syncs and not self._announced:
                syncs = self._syncs
                self._announced.add(SYNCS.tap_stream_id)
                self._writer.schema(
                    SYNCS.tap_stream_id, syncs.selected_schema, syncs.key_properties, None
                )
            if tap_stream_id not in self._announced:
                self._announced.add(tap_stream_id)
                self._writer.schema(tap_stream_id, schema, key_properties, replication_key)

    def page(self, tenant_id: str, records: Sequence[bytes], state: Mapping[str, Any]) -> None:
        """Write a page of an organisation, and a STATE if one is due."""
        with self._lock:
            self._write(tenant_id, records, state)
            if records:
                self._last_page = self._monotonic()

    def end(self, tenant_id: str, records: Sequence[bytes], state: Mapping[str, Any]) -> None:
        """Write what the tap itself says of an organisation that has ended, as its last page."""
        with self._lock:
            self._write(tenant_id, records, state)

    def has_written_since(self, moment: float) -> bool:
        """Say whether a page of any organisation was written since a moment (`monotonic`)."""
        with self._lock:
            return self._last_page >= moment

    def close(self) -> None:
        """Write the last STATE; nothing can be written after it."""
        with self._lock:
            self._is_closed = True
            if self._announced:
                self._write_state()

    def _raise_if_closed(self) -> None:
        if self._is_closed:
            raise OutputError("the run has ended")

    def _write(self, tenant_id: str, records: Sequence[bytes], state: Mapping[str, Any]) -> None:
        self._raise_if_closed()
        if self._state_written is None:
            self._write_state()  # the state that the run was given, before the first record
        lines = b"".join(records)
        self._writer.lines(lines)
        self._uncovered += len(lines)
        self._states[tenant_id.lower()] = _copied(state)
        waited = self._monotonic() - (self._state_written or 0.0)
        if self._uncovered > self._state_size or waited >= _STATE_SECONDS:
            self._write_state()

    def _write_state(self) -> None:
        line = state_line(joined(self._states))
        self._writer.lines(line)
        self._state_size = len(line)
        self._state_written = self._monotonic()
        self._uncovered = 0


@dataclass(frozen=True)
class _TenantWriter:
    """What the sync of one organisation writes with."""

    shared: SharedWriter
    tenant_id: str

    def schema(
        self,
        tap_stream_id: str,
        schema: Mapping[str, Any],
        key_properties: Sequence[str],
        replication_key: str | None,
    ) -> None:
        """Write a SCHEMA message if it is the first of its stream."""
        self.shared.schema(tap_stream_id, schema, key_properties, replication_key)

    def page(
        self,
        records: Sequence[bytes],
        state: Mapping[str, Any],
        activated: bytes = b"",  # noqa: ARG002 - it would delete rows of other organisations
    ) -> None:
        """Write a page of this organisation."""
        self.shared.page(self.tenant_id, records, state)


@dataclass(frozen=True)
class Organisations:
    """What a run over many organisations needs.

    `connect` returns the client for the config of one organisation. `on_end` is called with each
    organisation that has ended. `on_page` is as for `Sync`.
    """

    connect: Callable[[Config], Client]
    config: Config
    selections: Sequence[Selection]
    writer: Writer
    clock: Clock
    stopped: Callable[[], bool] = lambda: False
    on_end: Callable[[OrganisationSync], None] = lambda _: None
    on_page: Callable[[Outcome, int], None] = lambda *_: None
    source: str = "state"

    def run(self, tenant_ids: Sequence[str], states: States, at_once: int) -> None:
        """Sync these organisations, `at_once` at the same time.

        `states` are the given states by tenant. Raises the TapErrors that end the whole run; the
        last STATE then covers all that was written.
        """
        shared = SharedWriter(self.writer, states, self.clock.monotonic, self._syncs)
        ordered = in_order(tenant_ids, states)
        readers = [
            partial(self._sync, tenant, states.get(tenant.lower(), {}), shared)
            for tenant in ordered
        ]
        unreachable_since: float | None = None
        try:
            with closing(read_ahead(readers, at_once, self.stopped)) as arrivals:
                for arrival in arrivals:
                    if arrival.error:
                        raise arrival.error
                    if arrival.page:
                        self.on_end(arrival.page)
                        unreachable_since = _unreachable_since(
                            arrival.page, unreachable_since, shared
                        )
                    del arrival
                    # Types that were made for an organisation refer to themselves.
                    gc.collect()
        except OutputError:
            raise
        except TapError:
            shared.close()
            raise
        shared.close()

    def _sync(
        self, tenant_id: str, state: Mapping[str, Any], shared: SharedWriter
    ) -> Iterator[OrganisationSync]:
        """Yield how the sync of one organisation ended. Raises the TapErrors that end the run."""
        began = self.clock.monotonic()
        started = self.clock.now()
        config = _config_of(self.config, tenant_id)
        kept = State(dict(state), self.source, dates.to_ms_of(started))
        selections = [each for each in self.selections if each.stream is not SYNCS]
        writer = _TenantWriter(shared, tenant_id)
        error: TapError | None = None
        with self.connect(config) as client:
            sync = Sync(
                client, config, kept, writer, self.clock.now, self.stopped, self.on_page,
                tenant_id=tenant_id,
            )  # fmt: skip
            try:
                sync.run(selections)
            except (OrganisationError, StreamError, UnreachableError) as failure:
                error = failure
            usage = client.usage
        seconds = self.clock.monotonic() - began
        ended = OrganisationSync(
            tenant_id, began, kept, sync.outcomes, usage.calls, usage.size, seconds, error
        )
        if ended.is_complete and not self.stopped():
            kept.value["completed"] = dates.to_rfc3339(dates.to_ms_of(started))
        shared.end(tenant_id, self._syncs_lines(ended), kept.value)
        yield ended

    @property
    def _syncs(self) -> Selection | None:
        """The stream `syncs`, if it is selected."""
        return next((each for each in self.selections if each.stream is SYNCS), None)

    def _syncs_lines(self, ended: OrganisationSync) -> list[bytes]:
        """Return a record of the stream `syncs` for each stream that the sync began to read."""
        syncs = self._syncs
        if syncs is None:
            return []
        now = dates.now_text(self.clock.now())
        return [
            record_line(SYNCS.tap_stream_id, _syncs_record(ended.tenant_id, outcome, syncs), now)
            for outcome in ended.outcomes
            if outcome.began
        ]


def in_order(tenant_ids: Sequence[str], states: States) -> list[str]:
    """Return organisations with state, the longest not completed first, and then the new ones."""

    def key(tenant_id: str) -> tuple[bool, str]:
        state = states.get(tenant_id.lower(), {})
        return not state.get("bookmarks"), str(state.get("completed") or "")

    return sorted(dict.fromkeys(tenant_ids), key=key)


def _unreachable_since(
    ended: OrganisationSync, since: float | None, shared: SharedWriter
) -> float | None:
    """Return since when Xero could not be reached, None if it could.

    Raises UnreachableError if it could not be reached for another organisation either.
    """
    if since is not None and shared.has_written_since(since):
        since = None
    if not isinstance(ended.error, UnreachableError):
        return since
    if since is not None:
        raise ended.error
    return ended.began


def _config_of(config: Config, tenant_id: str) -> Config:
    """Return the config of a run for one organisation alone."""
    folder = config.attachments_dir
    return replace(
        config,
        tenant_id=tenant_id,
        tenant_ids=None,
        attachments_dir=folder and str(Path(folder, tenant_id)),
    )


def _copied(state: Mapping[str, Any]) -> dict[str, Any]:
    """Copy a state so far that the sync, which goes on, does not change the copy."""
    return {name: dict(part) if isinstance(part, dict) else part for name, part in state.items()}


def _syncs_record(tenant_id: str, outcome: Outcome, syncs: Selection) -> dict[str, Any]:
    completed = outcome.complete and not outcome.continues
    record = {
        "TenantID": tenant_id,
        "Stream": outcome.name,
        "StartedAt": outcome.began and dates.now_text(outcome.began),
        "CompletedAt": dates.now_text(outcome.ended) if completed and outcome.ended else None,
        "Rows": outcome.rows,
        "Calls": outcome.calls,
        "Bytes": outcome.size,
        "Outcome": outcome.in_words,
    }
    return {name: value for name, value in record.items() if name in syncs.selected_fields}
