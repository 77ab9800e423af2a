"""Which lists of documents a run walks for their details, from where and how far.

A list is walked once the run has read it to its end, and only if it may hold documents behind the
position at which the walk stopped: the list's own bookmark says so without a call.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from tap_xero import dates
from tap_xero.details.attachment_files import prepare_folder
from tap_xero.details.walk import DETAILS, CallBudget, Walk
from tap_xero.errors import InputError
from tap_xero.paging.pages import SECOND, Start
from tap_xero.streams.stream import open_endpoint, pager_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tap_xero.client import Client
    from tap_xero.config import Config
    from tap_xero.outcome import Outcome
    from tap_xero.paging.pages import Position
    from tap_xero.selection import Selection
    from tap_xero.state import State


class ReadList(NamedTuple):
    """A list that the run has read to its end; it began at `server_start` (ms, Xero's clock)."""

    selection: Selection
    server_start: int | None


class DetailPlan:
    """Makes the walks of a run, which share the calls that it may make for details.

    `folder` is where the files of attachments go, None for nowhere.
    """

    def __init__(self, client: Client, config: Config, state: State, folder: Path | None) -> None:
        self.budget = CallBudget(config.detail_calls_per_run, lambda: client.usage.calls)
        self._client = client
        self._config = config
        self._state = state
        self._folder = folder

    def walks(self, outcome: Outcome, lists: Iterable[ReadList]) -> Iterator[Walk]:
        """Yield a walk for each list that has such details and has changed since the last run.

        `outcome` is that of the stream of details; it counts the calls of the walks.
        """
        passed_over: list[str] = []
        documents = outcome.selection.stream.documents
        for read in lists:
            name = read.selection.stream.tap_stream_id
            if name not in documents:
                continue
            position = self._state.position(outcome.name, name)
            if self._has_news(read, position):
                walk = self._walk(outcome.selection, read, position, passed_over)
                outcome.usages += [walk.listing.usage, walk.answers.usage]
                yield walk

    def _has_news(self, read: ReadList, position: Position | None) -> bool:
        """Say whether the list may hold documents behind the position."""
        if read.selection.is_full_table or (position and position.uid is not None):
            return True
        bookmark = self._state.bookmark(read.selection)
        return bookmark is not None and (position is None or bookmark > position.stamp)

    def _walk(
        self,
        selection: Selection,
        read: ReadList,
        position: Position | None,
        passed_over: list[str],
    ) -> Walk:
        documents, details = read.selection.stream, selection.stream
        below = replace(details, path=documents.path)
        return Walk(
            stream=details,
            detail=DETAILS[details.tap_stream_id],
            parent=documents,
            pager=pager_of(documents, self._config, self._client.clock.now()),
            listing=open_endpoint(self._client, documents),
            answers=open_endpoint(self._client, below),
            start=self._start(read, position),
            position=position,
            until=self._state.newest_final_stamp(read.server_start, self._config),
            budget=self.budget,
            folder=self._folder,
            passed_over=passed_over,
        )

    def _start(self, read: ReadList, position: Position | None) -> Start:
        page_size = read.selection.stream.page_size or self._config.page_size
        if position is None:
            since = dates.to_ms_of(self._config.start_date)
            return Start(since=since, page_size=page_size)
        # A second more: If-Modified-Since might leave out the moment that it names.
        since = position.stamp - SECOND
        return Start(since=since, bookmark=position.stamp, page_size=page_size)


def attachments_folder(config: Config, details: Iterable[Selection]) -> Path | None:
    """Return the folder for files if attachments are among `details` and the config names one.

    Raises InputError if no file can be put there.
    """
    if not config.attachments_dir or all(
        each.stream.tap_stream_id != "attachments" for each in details
    ):
        return None
    if config.detail_calls_per_run == 1:
        raise InputError(
            "detail_calls_per_run: a file takes two calls, so 1 will not do with "
            "attachments_dir; give 0 or at least 2"
        )
    return prepare_folder(config.attachments_dir)
