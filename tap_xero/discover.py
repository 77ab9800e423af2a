"""The Singer catalog of all streams, from the stream table and the bundled schemas.

Discovery makes no call to Xero and needs no login. The catalog selects the streams that a sync
reads without a catalog, so it can be passed to `--catalog` unchanged.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
from singer import metadata as singer_metadata

from tap_xero.errors import InputError
from tap_xero.streams.available import TENANT_ID, available_streams

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from tap_xero.streams.available import AvailableStream

EVERY_STREAM = "*"

_LINE_LENGTH = 100
# A list or an object that holds no other one with more than one line.
_LEAF_LIST = re.compile(r"\[\n[^\[\]{}]*\]")
_LEAF_OBJECT = re.compile(r"\{\n[^{}]*\}")


def catalog(
    *,
    line_tables: bool = False,
    with_tenant: bool = False,
    select: Collection[str] | None = None,
) -> dict[str, Any]:
    """Return the Singer catalog of all streams.

    `line_tables` and `with_tenant` are as in `available_streams`. `select` names the streams to
    select, or EVERY_STREAM; None selects those that are synced without a catalog. Raises InputError
    if `select` names a stream that does not exist.
    """
    streams = list(available_streams(line_tables=line_tables, with_tenant=with_tenant))
    selected = _selected_names(streams, select)
    return {"streams": [_entry(each, each.stream.tap_stream_id in selected) for each in streams]}


def as_json(
    *,
    line_tables: bool = False,
    with_tenant: bool = False,
    select: Collection[str] | None = None,
) -> str:
    """Return the catalog as indented JSON, with short lists and objects on one line."""
    found = catalog(line_tables=line_tables, with_tenant=with_tenant, select=select)
    # The standard library takes a quarter of the time of a discovery to indent it.
    text = msgspec.json.format(msgspec.json.encode(found), indent=2).decode()
    return _LEAF_OBJECT.sub(_on_one_line, _LEAF_LIST.sub(_on_one_line, text)) + "\n"


def _on_one_line(found: re.Match[str]) -> str:
    text = found.group()
    line = re.sub(r"\n\s*", " ", text[2:-1]).strip()
    return f"{text[0]}{line}{text[-1]}" if len(line) <= _LINE_LENGTH else text


def _selected_names(
    streams: Iterable[AvailableStream], select: Collection[str] | None
) -> frozenset[str]:
    if select is None:
        return frozenset(
            each.stream.tap_stream_id for each in streams if each.stream.selected_by_default
        )
    known = [each.stream.tap_stream_id for each in streams]
    if EVERY_STREAM in select:
        return frozenset(known)
    unknown = [name for name in select if name not in known]
    if unknown:
        raise InputError(
            f"--select: there is no stream {unknown[0]!r}; the streams are {', '.join(known)}"
        )
    return frozenset(select)


def _entry(available: AvailableStream, is_selected: bool) -> dict[str, Any]:  # noqa: FBT001
    stream, schema = available.stream, available.load_schema()
    keys = list(available.key_properties)
    is_forced = stream.replication_key is None or bool(stream.documents)
    metadata = singer_metadata.to_map(
        singer_metadata.get_standard_metadata(
            schema=schema,
            key_properties=keys,
            valid_replication_keys=[stream.replication_key] if stream.replication_key else None,
            replication_method=stream.replication_method if is_forced else None,
        )
    )
    metadata[()]["selected"] = is_selected
    if stream.parent:
        metadata[()]["parent-tap-stream-id"] = stream.parent
    if TENANT_ID in keys:
        metadata[("properties", TENANT_ID)]["inclusion"] = "automatic"
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
