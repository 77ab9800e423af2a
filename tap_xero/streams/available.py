"""Which streams a config offers: with or without line tables, for one organisation or for many."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from tap_xero.streams.line_tables import LINE_TABLES, line_table_schema, nested_lists, without_lists
from tap_xero.streams.object_ids import ObjectID, object_ids, with_object_ids
from tap_xero.streams.schema_files import stream_schema
from tap_xero.streams.table import STREAMS, SYNCS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_xero.streams.stream import Stream

    LoadSchema: TypeAlias = Callable[[], dict[str, Any]]

TENANT_ID = "TenantID"


class AvailableStream(NamedTuple):
    """A stream as a config offers it.

    `load_schema` returns its schema; loading takes a while, so only the schemas of selected streams
    are loaded. With line tables, `line_table_fields` are the lists that line tables hold in its
    place, and `object_ids` the ids that it has beside its objects.
    """

    stream: Stream
    key_properties: tuple[str, ...]
    load_schema: LoadSchema
    line_table_fields: frozenset[str] = frozenset()
    object_ids: tuple[ObjectID, ...] = ()


def available_streams(
    *, line_tables: bool = False, with_tenant: bool = False
) -> Iterator[AvailableStream]:
    """Yield the streams of a config, each stream before its line tables.

    In the schemas only keys are never null.
    `line_tables` is the setting of that name. `with_tenant` is true for a config with `tenant_ids`:
    every stream then begins with the key TenantID, and the stream `syncs` exists.
    """
    streams = list(_with_line_tables() if line_tables else _whole_streams())
    tenant = (TENANT_ID,) if with_tenant else ()
    for each in (*streams, _whole(SYNCS)) if with_tenant else streams:
        keys = (*tenant, *each.key_properties)
        yield each._replace(
            key_properties=keys, load_schema=partial(_keyed, each.load_schema, keys)
        )


def _whole_streams() -> Iterator[AvailableStream]:
    return map(_whole, STREAMS)


def _whole(stream: Stream) -> AvailableStream:
    load = partial(stream_schema, stream.tap_stream_id)
    return AvailableStream(stream, stream.key_properties, load)


def _with_line_tables() -> Iterator[AvailableStream]:
    for stream in STREAMS:
        schema = stream_schema(stream.tap_stream_id)
        properties = schema["properties"]
        flat = {**schema, "properties": without_lists(properties)}
        yield _flat(stream, flat, nested_lists(properties))
        for table in LINE_TABLES:
            if table.parent == stream.tap_stream_id:
                flat = line_table_schema(table, stream, schema)
                yield _flat(table.stream_of(stream), flat, nested_lists(table.element(schema)))


def _flat(stream: Stream, schema: dict[str, Any], lists: frozenset[str]) -> AvailableStream:
    properties = schema["properties"]
    extended = {**schema, "properties": with_object_ids(properties)}
    return AvailableStream(
        stream, stream.key_properties, partial(dict, extended), lists, object_ids(properties)
    )


def _keyed(load: LoadSchema, key_properties: tuple[str, ...]) -> dict[str, Any]:
    """Return the schema with keys that are never null, and with TenantID if it is one of them."""
    schema = load()
    properties = dict(schema["properties"])
    if TENANT_ID in key_properties:
        properties = {TENANT_ID: {"type": ["null", "string"]}, **properties}
    for name in key_properties:
        types = [kind for kind in properties[name]["type"] if kind != "null"]
        properties[name] = {**properties[name], "type": types}
    return {**schema, "properties": properties}
