"""Stream table and schemas to a Singer catalog, and a user's catalog back to what to sync.

Discovery makes no call to Xero: the schemas are bundled. The catalog it emits has the streams
selected that are synced without one, so it can be passed to `--catalog` as it is.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from tap_xero.errors import InputError
from tap_xero.singer_metadata import singer_metadata
from tap_xero.streams.line_tables import flat_streams
from tap_xero.streams.schema_files import stream_schema
from tap_xero.streams.table import REMOVED_STREAMS, STREAMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import ModuleType

    from tap_xero.streams.stream import Stream

    LoadSchema: TypeAlias = Callable[[], dict[str, Any]]

LOGGER = logging.getLogger(__name__)

_METHODS = ("INCREMENTAL", "FULL_TABLE")


@dataclass(frozen=True)
class Selection:
    """A stream to sync, which of its top-level fields, and how to replicate it.

    `documented` is the stream's whole schema; `by_user` says whether a catalog asked for the
    stream, or only the default; `lists` names those that line tables hold in its place.
    """

    stream: Stream
    documented: dict[str, Any]
    fields: frozenset[str]
    full_table: bool
    by_user: bool
    lists: frozenset[str] = frozenset()

    @property
    def schema(self) -> dict[str, Any]:
        """The schema of what is written: the selected fields only."""
        documented = self.documented["properties"].items()
        properties = {name: part for name, part in documented if name in self.fields}
        return {**self.documented, "properties": properties}

    @property
    def replication_key(self) -> str | None:
        """The field that the bookmark follows; None for a full table."""
        return None if self.full_table else self.stream.replication_key


def catalog(*, line_tables: bool = False) -> dict[str, Any]:
    """Return the Singer catalog of all streams; `line_tables` is the setting of that name."""
    standard = singer_metadata()
    return {
        "streams": [_entry(stream, load(), standard) for stream, load, _ in _offered(line_tables)]
    }


def as_json(*, line_tables: bool = False) -> str:
    """Return the Singer catalog of all streams as indented JSON."""
    # To indent it, the standard library's json takes a quarter of a discovery.
    text = msgspec.json.encode(catalog(line_tables=line_tables))
    return msgspec.json.format(text, indent=2).decode() + "\n"


def default_selection(*, line_tables: bool = False) -> list[Selection]:
    """Return the streams that are synced without a catalog."""
    selected = []
    for stream, load, lists in _offered(line_tables):
        if stream.selected_by_default:
            schema = load()
            fields = frozenset(schema["properties"])
            full_table = stream.replication_key is None
            by_default = Selection(stream, schema, fields, full_table, by_user=False, lists=lists)
            selected.append(by_default)
    return selected


def selection(catalog: object, source: str, *, line_tables: bool = False) -> list[Selection]:
    """Return what the Singer catalog `catalog`, read from `source`, selects.

    `line_tables` is the setting of that name; the catalog must have been discovered with it.

    Raises InputError, naming the source, when it is no catalog or selects what does not exist.
    """
    offered = {each[0].tap_stream_id: each for each in _offered(line_tables)}
    selected = []
    for entry in _entries(catalog, source):
        name = _name(entry, source)
        metadata = _metadata(entry, source)
        if not _is_selected(entry, metadata):
            continue
        if name in REMOVED_STREAMS:
            LOGGER.warning("%s: Xero has removed the list behind stream %s: skipped", source, name)
        elif name in offered:
            stream, load, lists = offered[name]
            chosen = _selected(stream, load(), metadata, source)
            selected.append(replace(chosen, lists=lists))
        else:
            known = ", ".join(offered)
            raise InputError(f"{source}: there is no stream {name!r}; the streams are {known}")
    if not selected:
        LOGGER.warning("%s selects no stream: set `selected` in the metadata of one", source)
    _warn_of_details_of_nothing(selected, source)
    if line_tables:
        _check_line_tables(selected, catalog, source)
    return selected


def _offered(line_tables: bool) -> Iterable[tuple[Stream, LoadSchema, frozenset[str]]]:  # noqa: FBT001
    """Return the streams that there are, with what loads the schema and `Selection.lists`.

    A schema takes a while to load, so not all are.
    """
    if line_tables:
        return ((each.stream, partial(dict, each.schema), each.lists) for each in flat_streams())
    none: frozenset[str] = frozenset()
    return ((stream, partial(stream_schema, stream.tap_stream_id), none) for stream in STREAMS)


def _name(entry: Mapping[str, Any], source: str) -> str:
    name = entry.get("tap_stream_id") or entry.get("stream")
    if not isinstance(name, str):
        raise InputError(f"{source}: each stream needs a tap_stream_id; one has {name!r:.80}")
    return name


def _warn_of_details_of_nothing(selected: Sequence[Selection], source: str) -> None:
    names = {item.stream.tap_stream_id for item in selected}
    for item in selected:
        if item.stream.resumes and names.isdisjoint(item.stream.documents):
            LOGGER.warning(
                "%s selects %s but no stream of documents that have it, such as invoices",
                source,
                item.stream.tap_stream_id,
            )


def _check_line_tables(selected: Sequence[Selection], catalog: object, source: str) -> None:
    """Raise InputError where lines would be lost: no parent to read, or a catalog without them."""
    names = {item.stream.tap_stream_id for item in selected}
    for item in selected:
        parent = item.stream.parent
        if parent and parent not in names:
            raise InputError(
                f"{source}: stream {item.stream.tap_stream_id} is made from {parent}: "
                f"select {parent} too"
            )
    known = {_name(entry, source) for entry in _entries(catalog, source)}
    for stream, _, _ in flat_streams():
        if stream.parent in names and stream.tap_stream_id not in known:
            raise InputError(
                f"{source}: the catalog has {stream.parent} but not {stream.tap_stream_id}: "
                "discover it again with line_tables in the config"
            )


def _entry(stream: Stream, schema: dict[str, Any], standard: ModuleType) -> dict[str, Any]:
    keys = list(stream.key_properties)
    metadata = standard.to_map(
        standard.get_standard_metadata(
            schema=schema,
            key_properties=keys,
            valid_replication_keys=[stream.replication_key] if stream.replication_key else None,
            replication_method=stream.replication_method if _is_forced(stream) else None,
        )
    )
    metadata[()]["selected"] = stream.selected_by_default
    if stream.parent:
        metadata[()]["parent-tap-stream-id"] = stream.parent
    entry: dict[str, Any] = {
        "tap_stream_id": stream.tap_stream_id,
        "stream": stream.tap_stream_id,
        "key_properties": keys,
        "replication_method": stream.replication_method,
    }
    if stream.replication_key:
        metadata[()]["replication-method"] = stream.replication_method
        metadata[("properties", stream.replication_key)]["inclusion"] = "automatic"
        entry["replication_key"] = stream.replication_key
    listed = [
        {"breadcrumb": list(breadcrumb), "metadata": part} for breadcrumb, part in metadata.items()
    ]
    return {**entry, "schema": schema, "metadata": listed}


def _is_forced(stream: Stream) -> bool:
    """Say whether the user has no choice of the replication method."""
    return stream.replication_key is None or stream.resumes


def _entries(catalog: object, source: str) -> Iterable[dict[str, Any]]:
    entries = catalog.get("streams") if isinstance(catalog, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InputError(f'{source}: not a catalog: it must be {{"streams": [...]}}')
    return entries


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


def _selected(
    stream: Stream,
    schema: dict[str, Any],
    metadata: Mapping[tuple[str, ...], Mapping[str, Any]],
    source: str,
) -> Selection:
    automatic = {*stream.key_properties, stream.replication_key}
    fields = {path[1]: part for path, part in metadata.items() if len(path) == 2}  # noqa: PLR2004
    for name, part in fields.items():
        if name not in schema["properties"] and part.get("selected") is True:
            raise InputError(f"{source}: stream {stream.tap_stream_id} has no field {name!r}")
    chosen = frozenset(
        name
        for name in schema["properties"]
        if name in automatic or fields.get(name, {}).get("selected") is not False
    )
    return Selection(
        stream,
        schema,
        chosen,
        full_table=_full_table(stream, metadata.get((), {}), source),
        by_user=True,
    )


def _full_table(stream: Stream, metadata: Mapping[str, Any], source: str) -> bool:
    method = metadata.get("replication-method")
    if stream.replication_key is None or method is None:
        return stream.replication_key is None
    if method not in _METHODS:
        raise InputError(
            f"{source}: stream {stream.tap_stream_id}: replication-method {method!r} must be one "
            f"of {', '.join(_METHODS)}"
        )
    if method == "FULL_TABLE" and stream.resumes:
        raise InputError(
            f"{source}: stream {stream.tap_stream_id} takes several runs, so it cannot be "
            "FULL_TABLE: to read it anew, remove its bookmark from the state"
        )
    return bool(method == "FULL_TABLE")
