"""Bookmarks: where a stream starts, and how far it may be said to be complete.

The state has the shape of tap-xero 2.x, `{"currently_syncing": …, "bookmarks": {"invoices":
{"UpdatedDateUTC": …}}}`, and takes 2.x states over; the page numbers that 2.x kept beside its
bookmarks are dropped, since the bookmark itself is where that page's read began.

Of details (`history`, `attachments`) the bookmark is a position for each list of documents:
`{"history": {"invoices": {"UpdatedDateUTC": …, "DocumentID": …}}}`.

Beside the bookmarks stands what each was read with, details again list by list:
`"read_with": {"invoices": {"tenant_id": …, "start_date": …}}`. Where a config wants more than
that, the bookmark hides what was left out then, so it is dropped. A bookmark of unknown origin
(2.x) is trusted.

A bookmark covers only rows that have been written. It never moves past the moment the run
began: a list that is not sorted may have shown a row before it was edited. Nor does it move back,
unless it lies in the future, where nothing can have been read. Our clock
may be wrong, so Xero's counts too or, where Xero tells no time, the newest stamp in its first
answer.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from tap_xero import dates
from tap_xero.coverage import ARCHIVED_SINCE, first_moment, lack_of, narrowed, settings_of
from tap_xero.errors import InputError
from tap_xero.paging.pages import CLOCK_SKEW, MINUTE, SECOND, Position, Start
from tap_xero.streams.stream import DOCUMENT, UPDATED
from tap_xero.streams.table import STREAM_BY_ID

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tap_xero.config import Config
    from tap_xero.selection import Selection
    from tap_xero.streams.stream import Stream

    Place: TypeAlias = tuple[str, ...]

LOGGER = logging.getLogger(__name__)

JOURNAL_NUMBER = "JournalNumber"
READ_WITH = "read_with"
# By so much at the most tap-xero 2.x was late: it added a stamp's offset to UTC.
_WIDEST_OFFSET = 14 * 60 * MINUTE


class State:
    """The state of all streams; `value` is what a STATE message carries.

    `value` is a state as read from a file (`source`, for messages), `run_start` is in ms since
    1970. Raises InputError when `value` has not the shape of a state.
    """

    def __init__(self, value: object, source: str, run_start: int) -> None:
        if isinstance(value, dict) and value.get("type") == "STATE":
            value = value.get("value")
        parts = {"bookmarks": {}, READ_WITH: {}, **value} if isinstance(value, dict) else {}
        if not all(isinstance(parts.get(name), dict) for name in ("bookmarks", READ_WITH)):
            raise InputError(f'{source}: not a state: it must be {{"bookmarks": {{...}}}}')
        self.value: dict[str, Any] = {**parts, "bookmarks": dict(parts["bookmarks"])}
        self._source = source
        self._run_start = run_start
        self._began_too_late: set[str] = set()
        self._reading_with: dict[Place, dict[str, Any]] = {}

    @property
    def currently_syncing(self) -> str | None:
        """The stream that a run was at when this state was written."""
        name = self.value.get("currently_syncing")
        return name if isinstance(name, str) else None

    @currently_syncing.setter
    def currently_syncing(self, tap_stream_id: str | None) -> None:
        self.value["currently_syncing"] = tap_stream_id

    def start(self, selection: Selection, config: Config) -> Start:
        """Return where to start a stream; a bookmark that lies in the future is set back.

        Raises InputError when it cannot be read.
        """
        start = Start(page_size=selection.stream.page_size or config.page_size)
        key = selection.replication_key
        if key is None:
            return start
        if key == JOURNAL_NUMBER:
            number = self.bookmark(selection)
            return replace(start, since=number, bookmark=number)
        self._come_back(selection, self._run_start)
        bookmark = self.bookmark(selection)
        if bookmark is None:
            return replace(start, since=first_moment(selection.stream, config))
        since = min(bookmark, self._run_start) - _lookback(config)
        archived_since = self._archived_since((selection.stream.tap_stream_id,))
        return replace(start, since=since, bookmark=bookmark, archived_since=archived_since)

    def _archived_since(self, place: Place) -> int | None:
        """Return the moment before which archived rows were left out; None if none were."""
        try:
            return dates.from_rfc3339(self._read_with(place)[ARCHIVED_SINCE])
        except (KeyError, ValueError, TypeError, AttributeError):
            return None

    def _come_back(self, selection: Selection, now: int) -> bool:
        """Set back a bookmark that lies behind `now` (ms since 1970); say whether it did.

        What 2.x wrote is then covered, and a clock that is wrong costs no more than some repeats.
        """
        bookmark = self.bookmark(selection)
        if bookmark is None or bookmark <= now + CLOCK_SKEW:
            return False
        back = dates.to_rfc3339(now - _WIDEST_OFFSET)
        LOGGER.warning(
            "%s: the bookmark %s lies in the future and is set back to %s; unless tap-xero 2.x "
            "wrote it or a clock is wrong, remove it to read the stream from the start date",
            selection.stream.tap_stream_id,
            dates.to_rfc3339(bookmark),
            back,
        )
        self._put(selection, back)
        return True

    def _put(self, selection: Selection, bookmark: int | str) -> None:
        name, key = selection.stream.tap_stream_id, selection.replication_key
        self.value["bookmarks"][name] = {key: bookmark}
        self._note((name,))

    def cover(self, selections: Sequence[Selection], config: Config, tenant_id: str | None) -> bool:
        """Drop bookmarks of what was read with less than `config` wants; say if there were any.

        `tenant_id` is the organisation to be read, None where that is not known. From now on the
        state says what these streams are read with.
        """
        dropped: dict[str, list[str]] = {}
        for place, stream in _places(selections):
            settings = settings_of(stream, config, tenant_id, self._run_start)
            if _at(self.value["bookmarks"], place):
                kept = self._read_with(place)
                lack = lack_of(kept, settings)
                if lack:
                    self._drop(place)
                    dropped.setdefault(lack, []).append(" of ".join(place))
                else:
                    settings = narrowed(kept, settings, stream)
            self._reading_with[place] = settings
            self._note(place)
        if dropped:
            LOGGER.warning(
                "%s: read anew, since earlier runs read less than is wanted now: %s",
                self._source,
                "; ".join(f"{', '.join(names)} ({lack})" for lack, names in dropped.items()),
            )
        return bool(dropped)

    def _read_with(self, place: Place) -> dict[str, Any]:
        kept = _at(self.value[READ_WITH], place)
        return kept if isinstance(kept, dict) else {}

    def _drop(self, place: Place) -> None:
        for part in ("bookmarks", READ_WITH):
            self.value[part] = _with(self.value[part], place, None)

    def _note(self, place: Place) -> None:
        """Say beside the bookmark at `place`, if there is one, what it is read with."""
        settings = self._reading_with.get(place)
        if settings and _at(self.value["bookmarks"], place):
            self.value[READ_WITH] = _with(self.value[READ_WITH], place, settings)

    def forget_unused(self, selections: Sequence[Selection]) -> None:
        """Drop bookmarks of streams that tap-xero 2.x read by date and that are read whole now.

        It took LinkedTransactions for a list that Xero filters, and followed bank transfers by
        when they were created, which shows no later change.
        """
        whole = [s.stream.tap_stream_id for s in selections if s.stream.replication_key is None]
        unused = [name for name in whole if self.value["bookmarks"].pop(name, None)]
        if unused:
            LOGGER.warning(
                "%s: bookmarks of %s are not used any more, their tables are read whole",
                self._source,
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
                f"{self._source}: bookmark {value!r} of stream {name} cannot be read: "
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
        """Move a stream's bookmark up to `complete_to`, everything up to which is written.

        `server_start` is when the stream began by Xero's clock, in case ours is wrong. Where Xero
        tells no time, the newest stamp of the stream's first answer, `first_newest`, takes its
        place: what was modified later may be missing.
        """
        key = selection.replication_key
        if key is None or self._has_begun_too_late(selection, server_start) or complete_to is None:
            return
        before = self.bookmark(selection)
        if key == JOURNAL_NUMBER:
            self._put(selection, max(complete_to, before or 0))
        else:
            clock = first_newest if server_start is None else server_start
            capped = min([complete_to, self._run_start, *filter(None, [clock])])
            new = capped if before is None else max(capped, before)
            self._put(selection, dates.to_rfc3339(new))

    def _has_begun_too_late(self, selection: Selection, server_start: int | None) -> bool:
        """Say whether the run reads the stream from a moment that Xero's clock had not reached.

        Its bookmark is set back then, for the next run: what this one reads covers nothing.
        """
        name = selection.stream.tap_stream_id
        is_moment = selection.replication_key != JOURNAL_NUMBER
        if is_moment and server_start and self._come_back(selection, server_start):
            self._began_too_late.add(name)
        return name in self._began_too_late

    def settled(self, server_start: int | None, config: Config) -> int:
        """Return the moment (ms since 1970) up to which no stamp can turn up any more.

        It lies before the run as far as streams look back behind their bookmarks; `server_start`
        is when the run began by Xero's clock.
        """
        began = min([self._run_start, *filter(None, [server_start])])
        return began - _lookback(config)

    def check(self, selections: Iterable[Selection]) -> None:
        """Raise InputError if a bookmark or a position of these streams cannot be read."""
        for selection in selections:
            for documents in selection.stream.documents:
                self.position(selection.stream.tap_stream_id, documents)
            if not selection.stream.documents and selection.replication_key:
                self.bookmark(selection)

    def position(self, details: str, documents: str) -> Position | None:
        """Return how far the stream `details` has come with the documents of a stream.

        Raises InputError when the state says it in a way that cannot be read.
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
                f"{self._source}: the bookmark of stream {details} for {documents} cannot be "
                f'read: it must be {{"{UPDATED}": a date-time, "{DOCUMENT}": an id}}; correct it, '
                "or remove it to read them from the start date"
            ) from None

    def come_to(self, details: str, documents: str, position: Position) -> None:
        """Keep how far the stream `details` has come with the documents of a stream."""
        place = {UPDATED: dates.to_rfc3339(position.stamp)}
        if position.uid is not None:
            place[DOCUMENT] = position.uid
        bookmarks = self.value["bookmarks"]
        bookmarks[details] = {**(bookmarks.get(details) or {}), documents: place}
        self._note((details, documents))


def _places(selections: Sequence[Selection]) -> Iterator[tuple[Place, Stream]]:
    """Yield where in the state bookmarks stand, each with the list that it is about."""
    for selection in selections:
        stream = selection.stream
        for documents in stream.documents:
            yield (stream.tap_stream_id, documents), STREAM_BY_ID[documents]
        if stream.resumes:
            continue
        if selection.replication_key and not stream.parent:
            yield (stream.tap_stream_id,), stream


def _at(tree: object, place: Place) -> Any:  # noqa: ANN401
    """Return what stands at a place of the state; None where nothing does."""
    for name in place:
        tree = tree.get(name) if isinstance(tree, dict) else None
    return tree


def _with(tree: Mapping[str, Any], place: Place, value: object) -> dict[str, Any]:
    """Return a copy of a part of the state with `value` at a place, or nothing for None."""
    name, *rest = place
    if rest:
        inner = tree.get(name)
        value = _with(inner if isinstance(inner, dict) else {}, tuple(rest), value) or None
    others = {key: part for key, part in tree.items() if key != name}
    return others if value is None else {**others, name: value}


def _lookback(config: Config) -> int:
    """Return how many ms before a bookmark to start.

    A second at the least: If-Modified-Since might leave out the moment that it names.
    """
    return max(config.lookback_seconds, 1) * SECOND
