"""One list of Xero, asked a page at a time, as the pagers see it.

Rows are raw JSON, and each is looked at but once. That tells whether it can be written as it
came, so that it is a record by now, and what the pagers decide by: its key and its stamp. Beside
the rows stand what Xero says of its pages, and Xero's clock. Who has to look into rows opens
them: a dict of field name to the raw value.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
from msgspec import Raw

from tap_xero import dates
from tap_xero.client import EMPTY, Usage
from tap_xero.errors import StreamError
from tap_xero.paging.rows import NULL, Row, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tap_xero.client import Answer, Client

# Takes a row; returns it as a record that can be written, with its fields by name, or None.
AsRecord: TypeAlias = "Callable[[Raw], tuple[bytes, Any] | None]"


def never_as_record(_: Raw) -> None:
    """Say so of any row, where none is written as it came."""


# The moment when Xero last changed a row; Xero filters lists by it.
UPDATED = "UpdatedDateUTC"


class Pagination(msgspec.Struct, frozen=True):
    """Xero's own account of a list's pages (Xero OpenAPI 16.1.0, schema Pagination)."""

    page: int
    pageSize: int  # noqa: N815
    pageCount: int  # noqa: N815
    itemCount: int  # noqa: N815


@dataclass(frozen=True)
class EndpointPage:
    """One answer of a list.

    A row is `Raw` as long as it is as Xero wrote it, else a record that can be written.
    `stamps[i]` is when `rows[i]` was last modified, in ms since 1970, or None where the row does
    not say; `ids[i]` is one number for its key and stamp together: the same version, the same
    number. `server_ms` is Xero's clock as it was asked.
    """

    rows: list[bytes]
    received: datetime
    stamps: list[int | None]
    ids: list[int]
    pagination: Pagination | None = None
    server_ms: int | None = None

    @cached_property
    def known_stamps(self) -> list[int]:
        """The stamps of those rows that have one."""
        return [stamp for stamp in self.stamps if stamp is not None]


class Endpoint:
    """A list endpoint, bound to the client that reads it.

    `usage` counts its answers and their bytes.
    """

    def __init__(  # noqa: PLR0913 - what a list is; each is one word of the stream table
        self,
        client: Client,
        path: str,
        *,
        rows_key: str,
        key_properties: tuple[str, ...],
        replication_key: str | None,
        params: Mapping[str, str],
        page_size: int | None = None,
        as_record: AsRecord = never_as_record,
        usage: Usage | None = None,
    ) -> None:
        """Bind the list at `path`, whose rows stand under `rows_key` of the answer.

        `page_size` is given where Xero fixes it. `as_record` returns the row as a record where it
        can be written unchanged.
        `usage` counts the calls, here and in the endpoints that share it.
        """
        self.path = path
        self.usage = usage or Usage()
        self.fixed_size = page_size
        self._client = client
        self._params = dict(params)
        self._replication_key = replication_key
        self._as_record = as_record
        stamp = [replication_key] if replication_key else []
        self._key = _getter(key_properties)
        self._stamp = _getter(stamp)
        self._list = msgspec.json.Decoder(_envelope_type(rows_key, list[Raw]))
        self._one_or_list = msgspec.json.Decoder(_envelope_type(rows_key, list[Raw] | Row))
        self._head = msgspec.json.Decoder(_head_type({*key_properties, *stamp}))

    def ask(self, since: int | None = None, **params: str) -> EndpointPage:
        """Return one page of what was modified since `since` (ms since 1970), or of everything.

        Raises what `Client.get` raises, and StreamError when the answer is not a list of records:
        taken for an empty list, such an answer would empty a table.
        """
        header = None if since is None else dates.to_header(since)
        answer = self._client.get(self.path, modified_since=header, **(self._params | params))
        return self._page(answer, self._list)

    def ask_one(self, key: str, **params: str) -> EndpointPage:
        """Return the one record with this key, as a page; Xero may send it outside a list.

        Raises what `ask` raises.
        """
        answer = self._client.get_one(f"{self.path}/{key}", **params)
        return self._page(answer, self._one_or_list)

    def ask_file(self, key: str, media_type: str, length: int | None) -> bytes:
        """Return the file below the list under `key`. Raises what `Client.get_file` raises."""
        answer = self._client.get_file(f"{self.path}/{key}", media_type, length)
        self.usage.add(answer.size)
        return answer.body

    def beside(self, path: str, key: str, **params: str) -> Endpoint:
        """Return another list of the same organisation, incremental and with the key `key`."""
        return Endpoint(
            self._client,
            path,
            rows_key=path,
            key_properties=(key,),
            replication_key=UPDATED,
            params=params,
            usage=self.usage,
        )

    def with_params(self, **params: str) -> Endpoint:
        """Return the same endpoint, asked with these parameters too; they share the count."""
        same = copy(self)
        same._params = {**self._params, **params}  # noqa: SLF001 - an endpoint too
        return same

    def page_params(self, number: int, size: int) -> dict[str, str]:
        """Return the parameters that ask for page `number` of `size` rows."""
        size_param = {} if self.fixed_size else {"pageSize": str(size)}
        return {"page": str(number)} | size_param

    @property
    def takes_modified_since(self) -> bool:
        """Whether Xero filters the list by when its rows were modified."""
        return self._replication_key is not None

    @property
    def newest_first(self) -> dict[str, str]:
        """The parameters that turn the order round; empty where it cannot be asked for."""
        order = self._params.get("order", "")
        return {"order": order.replace(" ASC", " DESC")} if order else {}

    def _page(self, answer: Answer, decoder: msgspec.json.Decoder[Any]) -> EndpointPage:
        self.usage.add(answer.size)
        try:
            envelope = decoder.decode(answer.body)
            rows = envelope.rows or []
            rows = [encode(rows)] if isinstance(rows, dict) else rows
            looked_at = [self._look(row) for row in rows]
        except (msgspec.DecodeError, RecursionError) as error:
            raise StreamError(
                f"{self.path}: Xero's answer is not a list of records: {error}"
            ) from None
        is_missing = envelope.rows is msgspec.UNSET and answer.body != EMPTY
        if is_missing or envelope.Status not in (None, "OK"):
            raise StreamError(f"{self.path}: Xero's answer holds no list of records")
        return EndpointPage(
            rows=[row for row, _, _ in looked_at],
            received=answer.received,
            stamps=[stamp for _, stamp, _ in looked_at],
            ids=[number for _, _, number in looked_at],
            pagination=_pagination(envelope.pagination),
            server_ms=_server_ms(envelope.DateTimeUTC, answer),
        )

    def _look(self, row: Raw) -> tuple[bytes, int | None, int]:
        """Return the row, as a record if it is ready, its stamp, and the number of its version."""
        found = self._as_record(row)
        if found:
            record, fields = found
            key, stamp = self._key(fields), _ms(self._stamp(fields))
        else:
            head = self._head.decode(row)
            key, stamp = _plain(self._key(head)), dates.to_ms(bytes(self._stamp(head)))
            record = row
        # Without a key a row is known by all that it holds.
        return record, stamp, hash((bytes(row) if key is None else key, stamp))


def _envelope_type(rows_key: str, rows: Any) -> Any:  # noqa: ANN401 - made here, has no static type
    """Return the type of an answer whose rows, of the type `rows`, stand under `rows_key`."""
    return msgspec.defstruct(
        "Envelope",
        [
            (
                "rows",
                rows | msgspec.UnsetType,
                msgspec.field(default=msgspec.UNSET, name=rows_key),
            ),
            ("pagination", Raw, NULL),
            ("DateTimeUTC", Raw, NULL),
            ("Status", Any, None),
        ],
    )


def _head_type(names: Iterable[str]) -> Any:  # noqa: ANN401 - as above
    """Return the type of a row of which only these fields are looked at, as raw JSON."""
    return msgspec.defstruct("Head", [(name, Raw, NULL) for name in names], gc=False)


def _getter(names: Sequence[str]) -> Callable[[Any], Any]:
    """Return what gets a field of an object, or a tuple unless it is one."""
    return attrgetter(*names) if names else lambda _: ()


def _plain(key: Raw | tuple[Raw, ...]) -> object:
    """Return a key, raw, as it is in a record that is ready: text as text."""
    if isinstance(key, tuple):
        return tuple(map(_plain, key))
    try:
        return msgspec.json.decode(key, type=str | None)
    except msgspec.DecodeError:
        return (bytes(key),)


def _ms(moment: object) -> int | None:
    return dates.to_ms_of(moment) if isinstance(moment, datetime) else None


def _pagination(raw: Raw) -> Pagination | None:
    try:
        return msgspec.json.decode(raw, type=Pagination)
    except msgspec.DecodeError:
        return None


def _server_ms(date_time_utc: Raw, answer: Answer) -> int | None:
    """Return Xero's clock as it was asked: before that, nothing can have been looked up.

    It is the header's, which a server cannot get wrong, or else the answer's own.
    """
    try:
        date = int(parsedate_to_datetime(answer.headers.get("Date", "")).timestamp() * 1000)
    except (ValueError, TypeError, OverflowError):
        own = dates.to_ms(bytes(date_time_utc))
        if own is None:
            return None
        date = own
    return date - int(answer.seconds * 1000)
