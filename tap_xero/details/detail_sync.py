"""The loop over details: documents take turns, and the records of each document are one write."""

from __future__ import annotations

import logging
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from tap_xero.details.fair_share import take_turns
from tap_xero.paging.read_ahead import read_ahead
from tap_xero.streams.stream import with_scope

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime

    from tap_xero.config import Config
    from tap_xero.details.fair_share import Turn
    from tap_xero.details.walk import CallBudget, Walk
    from tap_xero.outcome import Outcome
    from tap_xero.output.records import Records
    from tap_xero.selection import Selection
    from tap_xero.state import State

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class DetailJob:
    """A stream of details to read."""

    selection: Selection
    records: Records
    outcome: Outcome


@dataclass(frozen=True)
class DetailSync:
    """What the loop needs.

    `unread` names the streams that this run should have read and did not read completely. `write`
    writes lines, and the STATE that covers them.
    """

    budget: CallBudget
    unread: Collection[str]
    config: Config
    state: State
    write: Callable[[Sequence[bytes]], None]
    now: Callable[[], datetime]

    def run(
        self, jobs: Sequence[DetailJob], walks: Sequence[Walk], stopped: Callable[[], bool]
    ) -> None:
        """Read until all walks have ended, no call is left, or `stopped()` is true."""
        by_name = {job.outcome.name: job for job in jobs}
        under_way = list(walks)
        for job in jobs:
            job.outcome.began = self.now()
        turns = partial(take_turns, walks, self.budget)
        with closing(read_ahead([turns], 1, stopped)) as arrivals:
            for arrival in arrivals:
                if arrival.error:
                    raise arrival.error
                if arrival.page is None:
                    self._end(jobs, {walk.name for walk in under_way})
                    return
                if arrival.page.page is None:
                    under_way.remove(arrival.page.walk)
                self._take(by_name[arrival.page.walk.name], arrival.page)

    def _take(self, job: DetailJob, turn: Turn) -> None:
        if turn.error:
            job.outcome.fail(with_scope(turn.error, job.selection.stream, self.config))
        page = turn.page
        if page is None or page.position is None:
            return
        job.outcome.pages += 1
        job.outcome.rows += len(page.rows)
        records = job.records.lines(page)
        parent = turn.walk.parent.tap_stream_id
        self.state.set_position(job.outcome.name, parent, page.position)
        self.write(records)

    def _end(self, jobs: Sequence[DetailJob], unfinished: Collection[str]) -> None:
        """Close each stream; `unfinished` names those for which no calls were left."""
        for job in jobs:
            outcome = job.outcome
            outcome.ended = self.now()
            outcome.complete = outcome.error is None
            documents = set(job.selection.stream.documents)
            outcome.continues = outcome.name in unfinished or not documents.isdisjoint(self.unread)
            if outcome.name in unfinished:
                LOGGER.info(
                    "%s: the %d calls of detail_calls_per_run are used up, the next run goes on",
                    outcome.name,
                    self.config.detail_calls_per_run,
                )
