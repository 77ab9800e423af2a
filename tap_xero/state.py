"""Bookmarks and positions: where a stream starts, and up to where it is complete.

The state has the shape of tap-xero 2.x, `{"currently_syncing": …, "bookmarks": {"invoices":
{"UpdatedDateUTC": …}}}`, and states of 2.x are accepted. Page numbers that 2.x kept beside its
bookmarks are dropped: the read of that page began at the bookmark.

Details (`history`, `attachments`) have a position for each stream of documents:
`{"history": {"invoices": {"UpdatedDateUTC": …, "DocumentID": …}}}`. The key `read_with` holds the
scope of each bookmark; `coverage` explains it.

A bookmark covers only rows that were written. It never moves past the moment when the run began,
since a list that is not sorted may have shown a row before that row was edited. It never moves
back, except from the future, where nothing can have been read. Our clock may be wrong, so Xero's
clock counts too or, if Xero tells no time, the newest stamp in its first answer.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from tap_xero import dates
from tap_xero.errors import InputError
from tap_xero.paging.endpoint import UPDATED
from tap_xero.paging.pages import CLOCK_SKEW, MINUTE, SECOND, Position, Start
from tap_xero.streams.stream import DOCUMENT, first_moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tap_xero.config import Config
    from tap_xero.selection import Selection

    Place: TypeAlias = tuple[str, ...]

LOGGER = logging.getLogger(__name__)

JOURNAL_NUMBER = "JournalNumber"
READ_WITH = "read_with"
ARCHIVED_SINCE = "archived_since"
# tap-xero 2.x added a stamp's offset to UTC, so its bookmarks are late by up to this many ms.
_WORST_2X_OFFSET = 14 * 60 * MINUTE


class State:
    """The state of all streams; `value` is what a STATE message carries.

    `value` is a state as read from the file `source`, which messages name. `run_start` is in ms
    since 1970. Raises InputError if `value` does not have the shape of a state.
    """

    def __init__(self, value: object, source: str, run_start: int) -> None:
        if isinstance(value, dict) and value.get("type") == "STATE":
            value = value.get("value")
        parts = {"bookmarks": {}, READ_WITH: {}, **value} if isinstance(value, dict) else {}
        if not all(isinstance(parts.get(name), dict) for name in ("bookmarks", READ_WITH)):
            raise InputError(f'{source}: not a state: it must be {{"bookmarks": {{...}}}}')
        self.value: dict[str, Any] = {**parts, "bookmarks": dict(parts["bookmarks"])}
        self.source = source
        self.run_start = run_start
        self._began_too_late: set[str] = set()
        self._scopes: dict[Place, dict[str, Any]] = {}

    @property
    def currently_syncing(self) -> str | None:
        """The stream that was being read when this state was written."""
        name = self.value.get("currently_syncing")
        return name if isinstance(name, str) else None

    @currently_syncing.setter
    def currently_syncing(self, tap_stream_id: str | None) -> None:
        self.value["currently_syncing"] = tap_stream_id

    def start(self, selection: Selection, config: Config) -> Start:
        """Return where to start a stream; a bookmark in the future is set back first.

        Raises InputError if the bookmark cannot be read.
        """
        start = Start(page_size=selection.stream.page_size or config.page_size)
        key = selection.replication_key
        if key is None:
            return start
        if key == JOURNAL_NUMBER:
            number = self.bookmark(selection)
            return replace(start, since=number, bookmark=number)
        self._reset_future_bookmark(selection, self.run_start)
        bookmark = self.bookmark(selection)
        if bookmark is None:
            return replace(start, since=first_moment(selection.stream, config))
        since = min(bookmark, self.run_start) - _lookback(config)
        archived_since = self._archived_since((selection.stream.tap_stream_id,))
        return replace(start, since=since, bookmark=bookmark, archived_since=archived_since)

    def _archived_since(self, place: Place) -> int | None:
        """Return the moment before which archived rows were left out; None if none were."""
        try:
            return dates.from_rfc3339(self.scope(place)[ARCHIVED_SINCE])
        except (KeyError, ValueError, TypeError, AttributeError):
            return None

    def _reset_future_bookmark(self, selection: Selection, now: int) -> bool:
        """Set back a bookmark that is later than `now` (ms since 1970); say whether it was.

        This repairs bookmarks of 2.x. After a wrong clock it costs only repeated records.
        """
        bookmark = self.bookmark(selection)
        if bookmark is None or bookmark <= now + CLOCK_SKEW:
            return False
        back = dates.to_rfc3339(now - _WORST_2X_OFFSET)
        LOGGER.warning(
            "%s: the bookmark %s lies in the future and is set back to %s; unless tap-xero 2.x "
            "wrote it or a clock is wrong, remove it to read the stream from the start date",
            selection.stream.tap_stream_id,
            dates.to_rfc3339(bookmark),
            back,
        )
        self._set_bookmark(selection, back)
        return True

    def _set_bookmark(self, selection: Selection, bookmark: int | str) -> None:
        name, key = selection.stream.tap_stream_id, selection.replication_key
        self.value["bookmarks"][name] = {key: bookmark}
        self._remember_scope((name,))

    def has_bookmark(self, place: Place) -> bool:
        """Say whether there is a bookmark or a position at a place."""
        return bool(_get_in(self.value["bookmarks"], place))

    def drop_bookmark(self, place: Place) -> None:
        """Remove the bookmark or position at a place."""
        self.value["bookmarks"] = _set_in(self.value["bookmarks"], place, None)

    def scope(self, place: Place) -> dict[str, Any]:
        """Return what the stream at a place was read with; see `coverage`."""
        kept = _get_in(self.value[READ_WITH], place)
        return kept if isinstance(kept, dict) else {}

    def set_scope(self, place: Place, scope: Mapping[str, Any]) -> None:
        """Keep what the stream at a place is read with, from its first bookmark on."""
        self._scopes[place] = dict(scope)
        self.value[READ_WITH] = _set_in(self.value[READ_WITH], place, None)
        self._remember_scope(place)

    def _remember_scope(self, place: Place) -> None:
        """Write the scope beside the bookmark at a place, if there is one."""
        if place in self._scopes and self.has_bookmark(place):
            self.value[READ_WITH] = _set_in(self.value[READ_WITH], place, self._scopes[place])

    def forget_unused(self, selections: Sequence[Selection]) -> None:
        """Drop bookmarks of streams that tap-xero 2.x read by date and that are read whole now.

        2.x assumed that Xero filters LinkedTransactions by date, which it does not. It followed
        bank transfers by the date of their creation, which shows no later change.
        """
        whole = [s.stream.tap_stream_id for s in selections if s.stream.replication_key is None]
        unused = [name for name in whole if self.value["bookmarks"].pop(name, None)]
        if unused:
            LOGGER.warning(
                "%s: the bookmarks of %s are dropped: these tables are now read whole",
                self.source,
                ", ".join(unused),
            )

    def bookmark(self, selection: Selection) -> int | None:
        """Return a stream's bookmark in the unit of its replication key."""
        name, key = selection.stream.tap_stream_id, selection.replication_key
        kept = self.value["bookmarks"].get(name) or {}
        value = kept.get(key) if isinstance(kept, dict) else kept
        if value is None:
            return None
        try:
            return int(value) if key == JOURNAL_NUMBER else dates.from_rfc3339(value)
        except (TypeError, ValueError, AttributeError, OverflowError):
            raise InputError(
                f"{self.source}: bookmark {value!r} of stream {name} cannot be read: "
                f"it must be a {'number' if key == JOURNAL_NUMBER else 'date-time'}; "
                "correct it, or remove it to read the stream from the start date"
            ) from None

    def advance(
        self,
        selection: Selection,
        complete_to: int | None,
        server_start: int | None = None,
        first_newest: int | None = None,
    ) -> None:
        """Move a stream's bookmark to `complete_to`; all records up to there are written.

        `server_start` is when the read of the stream began by Xero's clock; ours may be wrong. If
        Xero tells no time, `first_newest` takes its place: the newest stamp of the first answer.
        What was modified later may be missing.
        """
        key = selection.replication_key
        if key is None or self._has_begun_too_late(selection, server_start) or complete_to is None:
            return
        before = self.bookmark(selection)
        if key == JOURNAL_NUMBER:
            self._set_bookmark(selection, max(complete_to, before or 0))
        else:
            clock = first_newest if server_start is None else server_start
            capped = min([complete_to, self.run_start, *filter(None, [clock])])
            new = capped if before is None else max(capped, before)
            self._set_bookmark(selection, dates.to_rfc3339(new))

    def _has_begun_too_late(self, selection: Selection, server_start: int | None) -> bool:
        """Say whether the bookmark was in the future by Xero's clock when the read began.

        It is then set back for the next run, and this run does not move it.
        """
        name = selection.stream.tap_stream_id
        is_moment = selection.replication_key != JOURNAL_NUMBER
        if is_moment and server_start and self._reset_future_bookmark(selection, server_start):
            self._began_too_late.add(name)
        return name in self._began_too_late

    def newest_final_stamp(self, server_start: int | None, config: Config) -> int:
        """Return the moment (ms since 1970) up to which no new stamp can appear.

        It is the start of the run less `lookback_seconds`. `server_start` is the start of the run
        by Xero's clock.
        """
        began = min([self.run_start, *filter(None, [server_start])])
        return began - _lookback(config)

    def check(self, selections: Iterable[Selection]) -> None:
        """Raise InputError if a bookmark or a position of these streams cannot be read."""
        for selection in selections:
            for documents in selection.stream.documents:
                self.position(selection.stream.tap_stream_id, documents)
            if not selection.stream.documents and selection.replication_key:
                self.bookmark(selection)

    def position(self, details: str, documents: str) -> Position | None:
        """Return up to which document of a stream the stream `details` is complete.

        Raises InputError if the position cannot be read.
        """
        kept = self.value["bookmarks"].get(details) or {}
        try:
            place = kept.get(documents)
            if place is None:
                return None
            uid = None if DOCUMENT not in place else "" + place[DOCUMENT]  # text or TypeError
            return Position(dates.from_rfc3339(place[UPDATED]), uid)
        except (TypeError, ValueError, AttributeError, KeyError):
            raise InputError(
                f"{self.source}: the bookmark of stream {details} for {documents} cannot be "
                f'read: it must be {{"{UPDATED}": a date-time, "{DOCUMENT}": an id}}; correct it, '
                "or remove it to read them from the start date"
            ) from None

    def set_position(self, details: str, documents: str, position: Position) -> None:
        """Keep up to which document of a stream the stream `details` is complete."""
        place = {UPDATED: dates.to_rfc3339(position.stamp)}
        if position.uid is not None:
            place[DOCUMENT] = position.uid
        bookmarks = self.value["bookmarks"]
        bookmarks[details] = {**(bookmarks.get(details) or {}), documents: place}
        self._remember_scope((details, documents))


def _get_in(tree: object, place: Place) -> Any:  # noqa: ANN401
    """Return the part at a place of the state; None if there is none."""
    for name in place:
        tree = tree.get(name) if isinstance(tree, dict) else None
    return tree


def _set_in(tree: Mapping[str, Any], place: Place, value: object) -> dict[str, Any]:
    """Return a copy of a part of the state with `value` at a place; None removes the place."""
    name, *rest = place
    if rest:
        inner = tree.get(name)
        value = _set_in(inner if isinstance(inner, dict) else {}, tuple(rest), value) or None
    others = {key: part for key, part in tree.items() if key != name}
    return others if value is None else {**others, name: value}


def _lookback(config: Config) -> int:
    """Return how many ms before a bookmark to start, at least a second.

    If-Modified-Since might leave out the very moment that it names.
    """
    return max(config.lookback_seconds, 1) * SECOND
