"""Which streams a config offers: with or without line tables, for one organisation or for many."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from tap_xero.streams.line_tables import LINE_TABLES, line_table_schema, nested_lists, without_lists
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
    are loaded. `line_table_fields` are the lists that line tables hold in its place.
    """

    stream: Stream
    key_properties: tuple[str, ...]
    load_schema: LoadSchema
    line_table_fields: frozenset[str] = frozenset()


def available_streams(
    *, line_tables: bool = False, with_tenant: bool = False
) -> Iterator[AvailableStream]:
    """Yield the streams of a config, each stream before its line tables.

    `line_tables` is the setting of that name. `with_tenant` is true for a config with `tenant_ids`:
    every stream then begins with the key TenantID, and the stream `syncs` exists.
    """
    streams = _with_line_tables() if line_tables else _whole_streams()
    if not with_tenant:
        yield from streams
        return
    for each in (*streams, _whole(SYNCS)):
        yield each._replace(
            key_properties=(TENANT_ID, *each.key_properties),
            load_schema=partial(_with_tenant, each.load_schema),
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
        yield AvailableStream(
            stream, stream.key_properties, partial(dict, flat), nested_lists(properties)
        )
        for table in LINE_TABLES:
            if table.parent == stream.tap_stream_id:
                line_stream = table.stream_of(stream)
                yield AvailableStream(
                    line_stream,
                    line_stream.key_properties,
                    partial(line_table_schema, table, stream, schema),
                    nested_lists(table.element(schema)),
                )


def _with_tenant(load: LoadSchema) -> dict[str, Any]:
    schema = load()
    tenant = {TENANT_ID: {"type": ["string"]}}
    return {**schema, "properties": tenant | schema["properties"]}
