"""Answers of Xero as raw bytes, and the tap's lines for them, for tests of exact values.

A *tree* is a JSON document whose leaves are the very bytes that stand on the wire: dict of name
to tree, list of trees, or bytes. `EXAMPLES` is how many of each property are tried; the variable
EXACT_EXAMPLES sets another number.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tap_xero.client import Answer
from tap_xero.output.records import Records
from tap_xero.paging.endpoint import Endpoint
from tap_xero.paging.pages import Page
from tap_xero.streams.schema_files import stream_schema
from tap_xero.streams.table import STREAM_BY_ID
from tap_xero.transport.json_text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_xero.paging.endpoint import AsRecord, EndpointPage

Tree: TypeAlias = "dict[str, Tree] | list[Tree] | bytes"

EXAMPLES = settings(
    max_examples=int(os.environ.get("EXACT_EXAMPLES", "40")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
RECEIVED = datetime(2026, 11, 22, 9, 30, tzinfo=timezone.utc)
GAPS = (b"", b" ", b"\r\n    ", b"\n\t", b"\r")


class Number(str):
    """A JSON number, as its digits stand in the text."""

    __slots__ = ()


@dataclass(frozen=True)
class _Client:
    """Answers every call with the same bytes and headers."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    def get(self, path: str, *, modified_since: str | None = None, **params: str) -> Answer:
        """Return the answer as the real client does."""
        del path, modified_since, params
        return Answer(one_line(self.body), self.headers, RECEIVED)


def lines(body: bytes, stream: str = "invoices", made: Records | None = None) -> list[bytes]:
    """Return the RECORD lines that the tap writes for an answer of these bytes.

    `made` is for those who ask what is selected, or warned of; else lines are made by one that
    has made others before, of which none may depend.
    """
    made = made or _in_use(stream)
    source = page(body, stream, made.as_record)
    text = b"".join(made.lines(Page(source.rows, source)))
    assert text.endswith(b"\n") or not text
    return text.split(b"\n")[:-1]


def compiled(
    stream: str = "invoices", selected: frozenset[str] | None = None, version: int | None = None
) -> Records:
    """Return what makes the records of a stream."""
    schema = stream_schema(stream)
    return Records(
        stream, schema, selected=selected or frozenset(schema["properties"]), version=version
    )


_in_use = cache(compiled)


def page(body: bytes, stream: str, as_record: AsRecord, **headers: str) -> EndpointPage:
    """Return the page that the tap makes of an answer of these bytes and headers."""
    row = STREAM_BY_ID[stream]
    endpoint = Endpoint(
        _Client(body, headers),  # type: ignore[arg-type]
        row.path,
        rows_key=row.rows_key or row.path,
        key_properties=row.key_properties,
        replication_key=row.replication_key,
        params={},
        as_record=as_record,
    )
    return endpoint.ask()


def records(
    body: bytes, stream: str = "invoices", made: Records | None = None
) -> list[dict[str, Any]]:
    """Return the records alone, numbers as `Number`."""
    return [parse(line)["record"] for line in lines(body, stream, made)]


def record(tree: Tree, stream: str = "invoices", gap: bytes = b"") -> dict[str, Any]:
    """Return the one record of an answer with this one row."""
    (only,) = records(answer([tree], stream, lambda: gap), stream)
    return only


def parse(text: bytes) -> Any:  # noqa: ANN401
    """Read JSON and keep each number's digits."""
    return json.loads(text, parse_float=Number, parse_int=Number, parse_constant=_refuse)


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


def answer(rows: list[Tree], stream: str = "invoices", gap: Callable[[], bytes] = bytes) -> bytes:
    """Return an answer of Xero with these rows, `gap()` between all tokens."""
    stream_row = STREAM_BY_ID[stream]
    envelope: Tree = {"Status": b'"OK"', (stream_row.rows_key or stream_row.path): rows}
    return write(envelope, gap)


def write(tree: Tree, gap: Callable[[], bytes] = bytes) -> bytes:
    """Write a tree with `gap()` between all tokens."""
    if isinstance(tree, bytes):
        return gap() + tree + gap()
    if isinstance(tree, list):
        return b"[" + b",".join(write(part, gap) for part in tree) + gap() + b"]"
    members = (
        gap() + json.dumps(name).encode() + gap() + b":" + write(part, gap)
        for name, part in tree.items()
    )
    return b"{" + b",".join(members) + gap() + b"}"


def meaning(tree: Tree) -> Any:  # noqa: ANN401
    """Return what a tree says, numbers as `Number`."""
    return parse(write(tree))


NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,14})?([eE][+-]?[0-9]{1,3})?", fullmatch=True).map(str.encode)  # fmt: skip  # noqa: E501
INTEGERS = st.from_regex(r"-?(0|[1-9][0-9]{0,40})", fullmatch=True).map(str.encode)
BOOLEANS = st.sampled_from([b"true", b"false"])
_PIECES = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [
            "/Date(1+0000)/ in a sentence",
            "/Date(1541176592690+0000)/",
            "2018-10-20T00:00:00",
            "\ud83d",
            "\udc00\ud83d",
            "😀",
            "\U0010fffe",
            "\U0010fffeud83d",
            "\\ud83d",
            '"UpdatedDateUTC":"',
            "\r\n\t\0\x7f\u2028",
            "}],",
        ]
    ),
)


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """Draw a JSON string literal: any text, in one of the ways to write it."""
    text = "".join(draw(st.lists(_PIECES, max_size=4)))
    ascii_only = draw(st.booleans()) or any("\ud800" <= sign <= "\udfff" for sign in text)
    literal = json.dumps(text, ensure_ascii=ascii_only)
    if draw(st.booleans()):
        literal = literal.replace("/", "\\/")
    return literal.encode()


MS = st.integers(-62_135_596_800_000, 253_402_300_799_999)
OFFSETS = st.sampled_from(["", "+0000", "+1300", "-0330", "+0545"])


@st.composite
def dates(draw: st.DrawFn) -> bytes:
    """Draw a date as Xero writes them, well away from the ends of the calendar."""
    moment = draw(st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31)))  # noqa: DTZ001
    if draw(st.booleans()):
        ms = int((moment - datetime(1970, 1, 1)).total_seconds() * 1000)  # noqa: DTZ001
        slash = draw(st.sampled_from(["/", "\\/"]))
        return f'"{slash}Date({ms}{draw(OFFSETS)}){slash}"'.encode()
    text = moment.isoformat(sep=draw(st.sampled_from("T ")))
    return f'"{text}{draw(st.sampled_from(["", "Z"]))}"'.encode()


def fitting(schema: Mapping[str, Any]) -> st.SearchStrategy[Tree]:
    """Return trees that fit a schema; fields may be missing, or null, or unknown."""
    types = {*schema.get("type", [])} - {"null"}
    if schema.get("format") == "date-time":
        return st.one_of(st.just(b"null"), dates())
    choices: list[st.SearchStrategy[Any]] = [st.just(b"null"), *(_LEAVES[t] for t in types & _LEAVES.keys())]  # fmt: skip  # noqa: E501
    if "array" in types:
        choices += [st.lists(fitting(schema.get("items", {})), max_size=2)] * 2
    if "object" in types:
        choices += [objects(schema)] * 2
    return st.one_of(choices)


def objects(schema: Mapping[str, Any]) -> st.SearchStrategy[Tree]:
    """Return objects that fit a schema, with a few of its fields."""
    properties = schema.get("properties", {})
    few = st.sets(st.sampled_from(sorted(properties)), max_size=8) if properties else st.just(set())
    unknown: st.SearchStrategy[dict[str, Tree]] = st.dictionaries(
        st.just("Unheard"), st.one_of(texts(), NUMBERS, st.just([b"1"]))
    )
    return few.flatmap(
        lambda names: st.fixed_dictionaries({name: fitting(properties[name]) for name in names})
    ).flatmap(lambda known: unknown.map(lambda more: {**known, **more}))


_LEAVES: dict[str, st.SearchStrategy[bytes]] = {
    "string": texts(),
    "number": NUMBERS,
    "integer": INTEGERS,
    "boolean": BOOLEANS,
}

ANY_LEAF: st.SearchStrategy[Tree] = st.one_of(texts(), NUMBERS, BOOLEANS, st.just(b"null"), dates())
ANYTHING: st.SearchStrategy[Tree] = st.recursive(
    ANY_LEAF,
    lambda part: st.one_of(
        st.lists(part, max_size=3),
        st.dictionaries(
            st.one_of(st.text(max_size=5), st.sampled_from(["Date", "Total", "Name", "LineItems"])),
            part,
            max_size=3,
        ),
    ),
    max_leaves=8,
)
