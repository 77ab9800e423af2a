"""What to sync: the streams and fields that a user's catalog selects, or the default ones."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tap_xero.errors import InputError, SkipStreamError
from tap_xero.streams.available import available_streams
from tap_xero.streams.table import REMOVED_STREAMS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tap_xero.streams.available import AvailableStream
    from tap_xero.streams.object_ids import ObjectID
    from tap_xero.streams.stream import Stream

LOGGER = logging.getLogger(__name__)

_METHODS = ("INCREMENTAL", "FULL_TABLE")


@dataclass(frozen=True)
class Selection:
    """A stream to sync, its selected top-level fields, and how to replicate it.

    `schema` is the whole schema of the stream. `from_catalog` says whether a catalog asked for the
    stream; without a catalog it is only selected by default. `line_table_fields` and `object_ids`
    are as in `AvailableStream`.
    """

    stream: Stream
    key_properties: tuple[str, ...]
    schema: dict[str, Any]
    selected_fields: frozenset[str]
    is_full_table: bool
    from_catalog: bool
    line_table_fields: frozenset[str] = frozenset()
    object_ids: tuple[ObjectID, ...] = ()

    @property
    def selected_schema(self) -> dict[str, Any]:
        """The schema of the records that are written: the selected fields only."""
        fields = self.schema["properties"].items()
        properties = {name: part for name, part in fields if name in self.selected_fields}
        return {**self.schema, "properties": properties}

    def may_fail_with(self, error: Exception | None) -> bool:
        """Say whether a run may succeed without it: no catalog asks for it, and Xero refuses it."""
        return isinstance(error, SkipStreamError) and not self.from_catalog

    @property
    def replication_key(self) -> str | None:
        """The field that the bookmark follows; None for a full table."""
        return None if self.is_full_table else self.stream.replication_key


def default_selection(*, line_tables: bool = False, with_tenant: bool = False) -> list[Selection]:
    """Return the streams that are synced without a catalog."""
    available = available_streams(line_tables=line_tables, with_tenant=with_tenant)
    return [_by_default(each) for each in available if each.stream.selected_by_default]


def selection(
    catalog: object, source: str, *, line_tables: bool = False, with_tenant: bool = False
) -> list[Selection]:
    """Return what the Singer catalog `catalog`, read from `source`, selects.

    `line_tables` and `with_tenant` are as in `available_streams`; the catalog must have been
    discovered with the same settings.

    Raises InputError, naming the source, if it is not a catalog or selects what does not exist.
    """
    streams = list(available_streams(line_tables=line_tables, with_tenant=with_tenant))
    by_id = {each.stream.tap_stream_id: each for each in streams}
    selected = []
    for entry in _entries(catalog, source):
        name = _name(entry, source)
        metadata = _metadata(entry, source)
        if not _is_selected(entry, metadata):
            continue
        if name in REMOVED_STREAMS:
            LOGGER.warning("%s: stream %s is skipped: Xero removed its endpoint", source, name)
        elif name in by_id:
            selected.append(_from_catalog(by_id[name], metadata, source))
        else:
            known = ", ".join(by_id)
            raise InputError(f"{source}: there is no stream {name!r}; the streams are {known}")
    if not selected:
        LOGGER.warning("%s selects no stream: set `selected` in the metadata of one", source)
    _warn_of_details_without_documents(selected, source)
    if line_tables:
        _check_line_tables(selected, streams, catalog, source)
    return selected


def _by_default(available: AvailableStream) -> Selection:
    schema = available.load_schema()
    return Selection(
        stream=available.stream,
        key_properties=available.key_properties,
        schema=schema,
        selected_fields=frozenset(schema["properties"]),
        is_full_table=available.stream.replication_key is None,
        from_catalog=False,
        line_table_fields=available.line_table_fields,
        object_ids=available.object_ids,
    )


def _from_catalog(
    available: AvailableStream,
    metadata: Mapping[tuple[str, ...], Mapping[str, Any]],
    source: str,
) -> Selection:
    schema = available.load_schema()
    return Selection(
        stream=available.stream,
        key_properties=available.key_properties,
        schema=schema,
        selected_fields=_selected_fields(available, schema["properties"], metadata, source),
        is_full_table=_is_full_table(available.stream, metadata.get((), {}), source),
        from_catalog=True,
        line_table_fields=available.line_table_fields,
        object_ids=available.object_ids,
    )


def _entries(catalog: object, source: str) -> list[dict[str, Any]]:
    entries = catalog.get("streams") if isinstance(catalog, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InputError(f'{source}: not a catalog: it must be {{"streams": [...]}}')
    return entries


def _name(entry: Mapping[str, Any], source: str) -> str:
    name = entry.get("tap_stream_id") or entry.get("stream")
    if not isinstance(name, str):
        raise InputError(f"{source}: each stream needs a tap_stream_id; one has {name!r:.80}")
    return name


def _metadata(entry: dict[str, Any], source: str) -> dict[tuple[str, ...], dict[str, Any]]:
    try:
        return {
            tuple(item["breadcrumb"]): dict(item["metadata"])
            for item in entry.get("metadata") or []
        }
    except (TypeError, KeyError, ValueError):
        name = entry.get("tap_stream_id")
        raise InputError(
            f"{source}: stream {name}: each entry of metadata needs a breadcrumb and metadata"
        ) from None


def _is_selected(entry: dict[str, Any], metadata: Mapping[tuple[str, ...], Any]) -> bool:
    """Say whether the stream is selected, in its metadata or in one of the older places."""
    schema = entry.get("schema")
    places = (metadata.get((), {}), entry, schema if isinstance(schema, dict) else {})
    return any(place.get("selected") is True for place in places)


def _selected_fields(
    available: AvailableStream,
    properties: Mapping[str, Any],
    metadata: Mapping[tuple[str, ...], Mapping[str, Any]],
    source: str,
) -> frozenset[str]:
    """Return all fields but those that are deselected; keys and bookmarks are always selected."""
    stream = available.stream
    fields = {path[1]: part for path, part in metadata.items() if len(path) == 2}  # noqa: PLR2004
    for name, part in fields.items():
        if name not in properties and part.get("selected") is True:
            raise InputError(f"{source}: stream {stream.tap_stream_id} has no field {name!r}")
    deselected = {name for name, part in fields.items() if part.get("selected") is False}
    automatic = {*available.key_properties, stream.replication_key}
    return frozenset(name for name in properties if name in automatic or name not in deselected)


def _is_full_table(stream: Stream, metadata: Mapping[str, Any], source: str) -> bool:
    method = metadata.get("replication-method")
    if stream.replication_key is None or method is None:
        return stream.replication_key is None
    if method not in _METHODS:
        raise InputError(
            f"{source}: stream {stream.tap_stream_id}: replication-method {method!r} must be one "
            f"of {', '.join(_METHODS)}"
        )
    if method == "FULL_TABLE" and stream.documents:
        raise InputError(
            f"{source}: stream {stream.tap_stream_id} takes several runs, so it cannot be "
            "FULL_TABLE: to read it again, remove its bookmark from the state"
        )
    return bool(method == "FULL_TABLE")


def _warn_of_details_without_documents(selected: Sequence[Selection], source: str) -> None:
    names = {item.stream.tap_stream_id for item in selected}
    for item in selected:
        if item.stream.documents and names.isdisjoint(item.stream.documents):
            LOGGER.warning(
                "%s selects %s but no stream of documents that have it, such as invoices",
                source,
                item.stream.tap_stream_id,
            )


def _check_line_tables(
    selected: Sequence[Selection],
    streams: Sequence[AvailableStream],
    catalog: object,
    source: str,
) -> None:
    """Raise InputError if lines would be lost: the parent or the line table is missing."""
    names = {item.stream.tap_stream_id for item in selected}
    for item in selected:
        parent = item.stream.parent
        if parent and parent not in names:
            raise InputError(
                f"{source}: stream {item.stream.tap_stream_id} is made from {parent}: "
                f"select {parent} too"
            )
    known = {_name(entry, source) for entry in _entries(catalog, source)}
    for stream in (each.stream for each in streams):
        if stream.parent in names and stream.tap_stream_id not in known:
            raise InputError(
                f"{source}: the catalog has {stream.parent} but not {stream.tap_stream_id}: "
                "discover it again with line_tables in the config"
            )
