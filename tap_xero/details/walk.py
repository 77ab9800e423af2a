"""History and attachments: what Xero tells of one document at a time, at a call for each.

They are read for the documents that changed, of the lists that the run has read. Each list is
walked in the order of stamp and id, and the state keeps how far: a position in that order, which
holds also where thousands of documents have one stamp. For that the list is read once more from
the position on, by the pager of its stream, and only as far as the calls of the run go: a
document's turn comes once the pager says that the list is complete up to its stamp.

A position must not pass a document that may still turn up before it. So documents that were
modified just before the run began, or since, are left to the next run: whatever has an earlier
stamp stands in the list by now, and an edit only ever makes a stamp later. Documents that Xero
refuses, or does not have any more, are passed over for good once it answers for a later one of the
same list: else it is the login that may not read them, or an answer that will pass.
"""

from __future__ import annotations

import logging
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from tap_xero import dates
from tap_xero.details import attachment_files
from tap_xero.errors import GoneError, SkipStreamError, StreamError
from tap_xero.paging.endpoint import UPDATED
from tap_xero.paging.pages import Page, Position
from tap_xero.paging.rows import NULL, Row, decode_rows, encode, encode_rows, integer, text
from tap_xero.streams.stream import DOCUMENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from msgspec import Raw

    from tap_xero.paging.endpoint import Endpoint, EndpointPage
    from tap_xero.paging.pages import Pager, Start
    from tap_xero.streams.stream import Stream

LOGGER = logging.getLogger(__name__)

# So many documents of a list, one after the other, are refused where all would be; or as many as
# there are, or as all calls of a run suffice for, where those are fewer.
_REFUSALS = 3
_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+", re.ASCII)
_ANY_MEDIA_TYPE = "application/octet-stream"


class Document(NamedTuple):
    """A document in the order in which its list is walked; `modified` is its stamp as written."""

    stamp: int
    uid: str
    modified: Raw
    is_wanted: bool


@dataclass(frozen=True)
class Detail:
    """How a stream of details is read.

    `has_any` says whether a document has such details. `read` returns the records of one document,
    or None if the calls of the run do not suffice.
    """

    has_any: Callable[[Row], bool]
    read: Callable[[Walk, Document], Page | None]


@dataclass
class CallBudget:
    """The calls for details that a run is `given`; `sent` counts all that were sent so far."""

    given: int
    sent: Callable[[], int]
    used: int = 0

    @property
    def left(self) -> int:
        """The calls that may still be made; retries may have taken more than there were."""
        return self.given - self.used


@dataclass(eq=False)
class Walk:
    """One stream of details over the documents of one stream.

    `pager` reads the documents of the stream `parent` from `listing`; `answers` reads their
    details. `position` is where earlier runs stopped. `until` is the last stamp (ms since 1970)
    that this run may reach. `folder` is where files go, None for nowhere. `calls` counts the calls
    for details. `passed_over` is shared by the walks of one stream.
    """

    stream: Stream
    detail: Detail
    parent: Stream
    pager: Pager
    listing: Endpoint
    answers: Endpoint
    start: Start
    position: Position | None
    until: int
    budget: CallBudget
    folder: Path | None
    passed_over: list[str]
    calls: int = 0
    _answered: bool = field(default=False, init=False)
    _refused: dict[Position, StreamError] = field(default_factory=dict, init=False)

    @property
    def name(self) -> str:
        """The tap_stream_id of the details."""
        return self.stream.tap_stream_id

    def pages(self) -> Iterator[Page]:
        """Yield the records of one document after the other, and each position come to.

        The next may be asked for only while calls are left. Raises SkipStreamError when the login
        may not read the details, GoneError when Xero has none of any document, and what the pager
        of the list and `Client.get` raise.
        """
        waiting: list[Document] = []
        for page in self.pager.pages(self.listing, self.start):
            waiting += self._ahead(decode_rows(page.rows))
            proven = page.complete_to
            if proven is None:
                continue
            ready = [each for each in waiting if each.stamp <= proven]
            waiting = [each for each in waiting if each.stamp > proven]
            for document in sorted(ready, key=_place):
                if document.is_wanted:
                    read = self._read(document, page.source)
                    # What a refusal means only the next document tells: it belongs to this turn.
                    if not self._refused or self.budget.left <= 0:
                        yield read
            if ready and not self._refused:
                last = max(each.stamp for each in ready)
                yield Page([], page.source, position=Position(last))
        if self._refused and not self._answered:
            raise next(iter(self._refused.values()))

    def _ahead(self, rows: list[Row]) -> Iterator[Document]:
        """Yield the documents among `rows` to which the walk has not come, up to its end."""
        for row in rows:
            document = self._document(row)
            if document is None or document.stamp > self.until:
                continue
            if self.position is None or self.position.is_before(document.stamp, document.uid):
                yield document

    def _document(self, row: Row) -> Document | None:
        modified, uid = row.get(UPDATED, NULL), text(row, self.parent.key_properties[0])
        stamp = dates.to_ms(bytes(modified))
        if stamp is None or not uid:
            self._pass_over(uid or "a document without an id", "it has no place in the order")
            return None
        return Document(stamp, uid, modified, self.detail.has_any(row))

    def _read(self, document: Document, listed: EndpointPage) -> Page:
        """Return a document's records; none where it is refused or the calls do not suffice."""
        position = Position(document.stamp, document.uid)
        try:
            page = self.detail.read(self, document)
        except (GoneError, SkipStreamError) as error:
            self._refuse(position, error)
            self._pass_over(document.uid, str(error))
            return Page([], listed)
        behind_refused = max(self._refused, default=None)
        self._answered = True
        self._refused.clear()
        if page is None:
            return Page([], listed, position=behind_refused)
        return Page(page.rows, page.source, position=position)

    def _refuse(self, position: Position, error: StreamError) -> None:
        """Keep in mind that a document is refused; raise `error` where all seem to be."""
        self._refused[position] = error
        # So few calls a run do not get past a refusal: the walk would stand still, unnoticed.
        took_all_calls = self.calls >= self.budget.given
        if len(self._refused) == _REFUSALS or (took_all_calls and not self._answered):
            raise error

    def _pass_over(self, uid: str, reason: str) -> None:
        """Note that a document's details are left out, and say so once for the stream."""
        if not self.passed_over:
            LOGGER.warning(
                "%s: left out, as may be others, are those of %s in %s: %s",
                self.name,
                uid,
                self.parent.tap_stream_id,
                reason,
            )
        self.passed_over.append(uid)

    # What the functions that read a document use.

    def ask(self, key: str) -> EndpointPage:
        """Return what Xero has under `key` below the list."""
        with self._counted():
            return self.answers.ask_one(key)

    def ask_file(self, key: str, media_type: str, length: int | None) -> bytes:
        """Return the file of `length` bytes (None: not known) that Xero has under `key`."""
        with self._counted():
            return self.answers.ask_file(key, media_type, length)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        before = self.budget.sent()
        try:
            yield
        finally:
            made = self.budget.sent() - before
            self.calls += made
            self.budget.used += made

    def record(self, document: Document, key: Row, row: Row, **more: str | None) -> Row:
        """Return a row with what tells whose it is in front."""
        head = {"DocumentType": self.parent.tap_stream_id, DOCUMENT: document.uid}
        whose = {name: encode(value) for name, value in head.items()}
        added = {name: encode(value) for name, value in more.items()}
        own = whose | key | {UPDATED: document.modified}
        return own | row | own | added


def _history(walk: Walk, document: Document) -> Page:
    source = walk.ask(f"{quote(document.uid, safe='')}/History")
    rows = [
        walk.record(document, {"Number": encode(number)}, row)
        for number, row in enumerate(_from_the_oldest(decode_rows(source.rows)), start=1)
    ]
    return Page(encode_rows(rows), source)


def _from_the_oldest(rows: list[Row]) -> list[Row]:
    """Sort the entries of a history so that a new one comes last.

    Xero has the newest first (example in Xero OpenAPI 16.1.0), so of entries with one stamp the
    later in the answer is the older.
    """
    stamps = [dates.to_ms(bytes(row.get("DateUTC", NULL))) or 0 for row in rows]
    places = range(len(rows))
    oldest_first = bool(rows) and stamps[0] < stamps[-1]
    order = places if oldest_first else reversed(places)
    return [rows[place] for place in sorted(order, key=stamps.__getitem__)]


def _attachments(walk: Walk, document: Document) -> Page | None:
    key = f"{quote(document.uid, safe='')}/Attachments"
    source = walk.ask(key)
    rows, seen = [], set()
    for number, row in enumerate(decode_rows(source.rows), start=1):
        uid, path = text(row, "AttachmentID"), None
        if uid and uid not in seen and walk.folder:
            path = _file_place(walk.folder, walk, document, row)
            if not attachment_files.holds(path, integer(row, "ContentLength")):
                if walk.budget.left <= 0:
                    return None
                path = _download(walk, f"{key}/{quote(uid, safe='')}", row, path)
        # Where Xero gives no id, or one twice, the place in the answer stands for it.
        own = {"AttachmentID": encode(str(number) if not uid or uid in seen else uid)}
        seen.add(uid)
        rows.append(
            walk.record(document, own, row, ContentPath=None if path is None else str(path))
        )
    return Page(encode_rows(rows), source)


def _file_place(folder: Path, walk: Walk, document: Document, row: Row) -> Path:
    name, uid = text(row, "FileName"), text(row, "AttachmentID")
    return attachment_files.place(folder, walk.parent.tap_stream_id, document.uid, uid, name)


def _download(walk: Walk, key: str, row: Row, path: Path) -> Path | None:
    """Fetch a file and return its path; None where Xero does not have it any more."""
    media_type = text(row, "MimeType")
    known = media_type if _MEDIA_TYPE.fullmatch(media_type) else _ANY_MEDIA_TYPE
    length = integer(row, "ContentLength")
    try:
        content = walk.ask_file(key, known, length)
        attachment_files.save(path, content, length)
    except GoneError as error:
        LOGGER.warning("attachments: %s; the record comes without its content", error)
        return None
    return path


def _has_attachments(row: Row) -> bool:
    return bytes(row.get("HasAttachments", NULL)) == b"true"


def _place(document: Document) -> tuple[int, str]:
    return document.stamp, document.uid


DETAILS: dict[str, Detail] = {
    "history": Detail(lambda _: True, _history),
    "attachments": Detail(_has_attachments, _attachments),
}
