"""Which lists of documents a run walks for their details, from where and how far.

A list is walked once the run has read it to its end, and only if it may hold documents behind the
position at which the walk stopped: the list's own bookmark says so without a call.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from tap_xero import dates
from tap_xero.details.attachment_files import prepare_folder
from tap_xero.details.walk import DETAILS, Allowance, Walk
from tap_xero.errors import InputError
from tap_xero.paging.pages import SECOND, Start
from tap_xero.streams.stream import open_list, pager_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from tap_xero.client import Client
    from tap_xero.config import Config
    from tap_xero.paging.pages import Position
    from tap_xero.selection import Selection
    from tap_xero.state import State

LOGGER = logging.getLogger(__name__)


class ReadList(NamedTuple):
    """A list that the run has read to its end; it began at `server_start` (ms, Xero's clock)."""

    selection: Selection
    page_size: int
    server_start: int | None


class DetailWalks:
    """The walks for the streams of details that `selections` name.

    Raises InputError when the state holds a position that cannot be read, or the folder for
    attachments cannot be written.
    """

    def __init__(
        self, client: Client, config: Config, state: State, selections: Sequence[Selection]
    ) -> None:
        self.allowance = Allowance(config.detail_calls_per_run, lambda: client.usage.calls)
        self._client = client
        self._config = config
        self._state = state
        names = [selection.stream.tap_stream_id for selection in selections]
        self._folder = _folder(config) if "attachments" in names else None
        self._positions = {
            (selection.stream.tap_stream_id, documents): state.position(
                selection.stream.tap_stream_id, documents
            )
            for selection in selections
            for documents in selection.stream.documents
        }

    def of(self, selection: Selection, lists: Iterable[ReadList]) -> Iterator[Walk]:
        """Yield a walk for each of the lists that has documents with such details, and news."""
        name = selection.stream.tap_stream_id
        passed_over: list[str] = []
        for read in lists:
            place = (name, read.selection.stream.tap_stream_id)
            if place in self._positions and self._has_news(read, self._positions[place]):
                yield self._walk(selection, read, self._positions[place], passed_over)

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
            listing=open_list(self._client, documents, self._config),
            answers=open_list(self._client, below, self._config),
            start=self._start(read, position),
            position=position,
            until=self._state.settled(read.server_start, self._config),
            allowance=self.allowance,
            folder=self._folder,
            passed_over=passed_over,
        )

    def _start(self, read: ReadList, position: Position | None) -> Start:
        if position is None:
            since = dates.to_ms_of(self._config.start_date)
            return Start(since=since, page_size=read.page_size)
        # A second more: If-Modified-Since might leave out the moment that it names.
        since = position.stamp - SECOND
        return Start(since=since, bookmark=position.stamp, page_size=read.page_size)


def _folder(config: Config) -> Path | None:
    """Return the folder for attachments, having proved that they can be put there."""
    if not config.attachments_dir:
        return None
    if config.detail_calls_per_run == 1:
        raise InputError(
            "detail_calls_per_run: a file takes two calls, so 1 will not do with "
            "attachments_dir; give 0 or at least 2"
        )
    return prepare_folder(config.attachments_dir)
