"""Compare the schemas and the stream table with a description of Xero's API.

    python scripts/compare_api.py xero_accounting.yaml

prints every difference that neither `compare_api_explained.json` nor `fields_beyond_the_api.json`
explains, and exits with 1 if there is one. So a new version of Xero's API takes one command.

Xero's description (OpenAPI 3, github.com/XeroAPI/Xero-OpenAPI) is not complete. Its example answers
have fields that its components lack, and texts where the components have numbers. So the script
first completes the components from the examples, then compares the schemas with the result.
Documents refer to each other without end, so it does not compare the tree below a stream. It
compares each schema file once with each component that the file describes.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ROOT = Path(__file__).parent.parent
EXPLAINED = Path(__file__).with_name("compare_api_explained.json")
# Source to fields, each as "file path"; a file may be a pattern.
BEYOND_THE_API = Path(__file__).with_name("fields_beyond_the_api.json")

# What a tap may send on a list; the rest are filters, which would leave records out.
PARAMETERS = {
    "If-Modified-Since",
    "page",
    "pageSize",
    "offset",
    "order",
    "unitdp",
    "includeArchived",
    "includeDeleted",
}
DATE = re.compile(r"/Date\(-?\d+([+-]\d{4})?\)/|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?")
SCALARS = ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"))


@dataclass(frozen=True)
class Listing:
    """What the stream table says about one stream, as far as the API has a say in it."""

    tap_stream_id: str
    path: str
    rows_key: str
    keys: tuple[str, ...] = ()
    sends: frozenset[str] = frozenset()


@dataclass
class Value:
    """The value at one place of an answer; "date" is a kind of its own.

    `fields` is the component of an object, `items` what an array holds, `seen` the kinds of the
    values in the examples.
    """

    kinds: set[str] = field(default_factory=set)
    mark: str | None = None
    fields: Component | None = None
    items: Value | None = None
    seen: set[str] = field(default_factory=set)

    def allowed(self) -> set[str]:
        """Return the documented kinds and those seen; a text that is always a date is one."""
        if self.kinds == {"string"} and self.seen == {"date"}:
            return {"date"}
        kinds = self.kinds | self.seen
        if "number" in kinds:
            kinds.discard("integer")
        if "date" in self.kinds and "string" not in self.seen:
            kinds.discard("string")
        return kinds


@dataclass
class Component:
    """A component of the description: its fields by name."""

    name: str
    fields: dict[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Endpoint:
    """A path that lists records: its arrays by name and what it takes."""

    path: str
    lists: dict[str, Component]
    takes: frozenset[str]


class Description:
    """An API description, its components completed by its examples."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._schemas = document["components"]["schemas"]
        self._parameters = document["components"].get("parameters", {})
        self._components: dict[str, Component] = {}
        self._paths = document["paths"]
        self._by_name: dict[str, Value] = {}
        for name, schema in self._schemas.items():
            if "properties" in schema:
                self._component(name, schema)
        for operations in self._paths.values():
            for method in {"get", "put", "post"} & operations.keys():
                self._learn(operations[method])
        self.endpoints = [
            endpoint
            for path, operations in self._paths.items()
            if "{" not in path and "get" in operations
            for endpoint in self._endpoint(path, operations)
        ]

    def _learn(self, operation: Mapping[str, Any]) -> None:
        answer = _json_answer(operation)
        if answer and "example" in answer:
            self._observe(self._value(answer["schema"], "answer"), answer["example"], "answer")

    def _observe(self, value: Value, example: Any, name: str) -> None:  # noqa: ANN401 - any JSON
        """Add to `value` what the example shows; null, "" and [] show nothing but the field.

        An object that its component lacks is taken for the one documented elsewhere by that name.
        """
        if isinstance(example, dict):
            if value.items and "object" not in value.kinds:
                self._observe(value.items, example, name)
                return
            value.seen.add("object")
            value.fields = value.fields or Component(name)
            for key, part in example.items():
                if key not in value.fields.fields:
                    value.fields.fields[key] = self._by_name.get(key, Value())
                self._observe(value.fields.fields[key], part, f"{value.fields.name}.{key}")
        elif isinstance(example, list):
            if "object" not in value.kinds:
                value.seen.add("array")
            for part in example:
                value.items = value.items or Value()
                self._observe(value.items, part, f"{name}[]")
        elif example not in (None, ""):
            kind = next(kind for scalar, kind in SCALARS if isinstance(example, scalar))
            value.seen.add("date" if kind == "string" and DATE.fullmatch(example) else kind)

    def _endpoint(self, path: str, operations: Mapping[str, Any]) -> Iterator[Endpoint]:
        answer = _json_answer(operations["get"])
        if not answer:
            return
        envelope = self._value(answer["schema"], path).fields
        lists = {
            name: value.items.fields
            for name, value in (envelope.fields.items() if envelope else ())
            if value.items and value.items.fields and name != "Warnings"
        }
        given = [*operations.get("parameters", []), *operations["get"].get("parameters", [])]
        names = {
            self._parameters[one["$ref"].rpartition("/")[2]]["name"]
            if "$ref" in one
            else one["name"]
            for one in given
        }
        yield Endpoint(path, lists, frozenset(names & PARAMETERS))

    def _component(self, name: str, schema: Mapping[str, Any]) -> Component:
        if name not in self._components:
            component = self._components[name] = Component(name)
            for key, part in schema["properties"].items():
                value = component.fields[key] = self._value(part, f"{name}.{key}")
                if value.fields or (value.items and value.items.fields):
                    self._by_name.setdefault(key, value)
        return self._components[name]

    def _value(self, schema: Mapping[str, Any], name: str) -> Value:
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            return self._value(self._schemas[name], name)
        if "properties" in schema:
            return Value({"object"}, fields=self._component(name, schema))
        if schema.get("type") == "array":
            return Value({"array"}, items=self._value(schema["items"], f"{name}[]"))
        mark = next((key for key in ("x-is-msdate", "x-is-msdate-time") if key in schema), None)
        return Value({"date" if mark else schema.get("type", "string")}, mark)


def _json_answer(operation: Mapping[str, Any]) -> Mapping[str, Any] | None:
    answer: Mapping[str, Any] | None = (
        operation["responses"].get("200", {}).get("content", {}).get("application/json")
    )
    return answer if answer and "schema" in answer else None


def differences(
    description: Description, schemas: Path, listings: Iterable[Listing]
) -> Iterator[str]:
    """Yield one line for each difference; where it is, then what it is."""
    by_path = {endpoint.path: endpoint for endpoint in description.endpoints}
    streams = [(f"/{listing.path}", listing) for listing in listings]
    for path in sorted(by_path.keys() - dict(streams).keys()):
        yield f"endpoint {path}: no stream"
    compared: dict[tuple[str, str], Component] = {}
    for path, listing in streams:
        stream = f"stream {listing.tap_stream_id}"
        if path not in by_path:
            yield f"{stream}: no endpoint {path}"
            continue
        endpoint = by_path[path]
        unsent = endpoint.takes - listing.sends
        if "page" not in endpoint.takes:
            unsent -= {"order"}  # it matters only to a list that comes in pages
        for name in sorted(unsent):
            yield f"{stream} {name}: taken, not sent"
        for name in sorted(listing.sends - endpoint.takes):
            yield f"{stream} {name}: sent, not taken"
        rows = endpoint.lists.get(listing.rows_key)
        if rows is None:
            yield f"{stream} {listing.rows_key}: no such array, but {sorted(endpoint.lists)}"
            continue
        for name in sorted(set(listing.keys) - rows.fields.keys()):
            yield f"{stream} {name}: key is not documented"
        files = Files(schemas, compared)
        yield from files.compare(f"{listing.tap_stream_id}.json", rows)
    for component in {component.name: component for component in compared.values()}.values():
        yield from misnamed_dates(component)


def misnamed_dates(component: Component) -> Iterator[str]:
    """Yield the dates whose name hides that they are an instant, or a calendar date.

    The tap tells them apart by the name: those that end with UTC or UTCString are instants.
    """
    for name, value in component.fields.items():
        instant = name.endswith(("UTC", "UTCString"))
        if value.mark and instant != (value.mark == "x-is-msdate-time"):
            yield f"component {component.name}.{name}: {value.mark}, but its name says otherwise"


@dataclass(frozen=True)
class Files:
    """Schema files, each compared once with every component that it describes."""

    folder: Path
    compared: dict[tuple[str, str], Component]

    def compare(self, file: str, component: Component) -> Iterator[str]:
        """Yield the differences of a file, and of those that it refers to."""
        if (file, component.name) in self.compared:
            return
        self.compared[file, component.name] = component
        path = self.folder / file
        if not path.is_file():
            yield f"{file} : no such file"
            return
        value = Value({"object"}, fields=component)
        yield from self._value(file, "", json.loads(path.read_bytes()), value)

    def _value(self, file: str, path: str, schema: dict[str, Any], value: Value) -> Iterator[str]:
        if "$ref" in schema:
            if value.fields:
                yield from self.compare(schema["$ref"], value.fields)
            else:
                yield f"{file} {path}: is object, documented {_text(value.allowed())}"
            return
        kinds = {schema["type"]} if isinstance(schema["type"], str) else set(schema["type"])
        kinds.discard("null")
        if schema.get("format") == "date-time":
            kinds = {"date"}
        if value.allowed() and kinds != value.allowed():
            yield f"{file} {path}: is {_text(kinds)}, documented {_text(value.allowed())}"
            return
        if "items" in schema and value.items:
            yield from self._value(file, f"{path}[]", schema["items"], value.items)
        if "properties" in schema and value.fields:
            yield from self._object(file, path, schema["properties"], value.fields)

    def _object(
        self, file: str, path: str, properties: dict[str, Any], component: Component
    ) -> Iterator[str]:
        prefix = f"{path}." if path else ""
        for name, value in component.fields.items():
            if name in properties:
                yield from self._value(file, f"{prefix}{name}", properties[name], value)
            else:
                yield f"{file} {prefix}{name}: missing, documented {_text(value.allowed())}"
        for name in properties.keys() - component.fields.keys():
            yield f"{file} {prefix}{name}: not documented"


def _text(kinds: set[str]) -> str:
    return " or ".join(sorted(kinds)) or "nothing"


def unexplained(found: Iterable[str], explained: Mapping[str, str]) -> list[str]:
    """Return the differences that no pattern explains, and the patterns that explain nothing."""
    lines = sorted(found)
    left = [line for line in lines if not any(fnmatchcase(line, pattern) for pattern in explained)]
    idle = [
        f"explanation not needed any more: {pattern}"
        for pattern in explained
        if not any(fnmatchcase(line, pattern) for line in lines)
    ]
    return left + idle


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML with dates left as the text that they are."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the name is PyYAML's
        first: [(tag, regexp) for tag, regexp in resolvers if not tag.endswith("timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def load(text: bytes | str) -> dict[str, Any]:
    """Read the YAML of an API description."""
    document: dict[str, Any] = yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader
    return document


def table() -> Iterator[Listing]:
    """Yield what the stream table says."""
    sys.path.insert(0, str(ROOT))  # a bare checkout will do
    from tap_xero.paging.journals import JOURNAL_NUMBERS
    from tap_xero.paging.seek import MODIFIED_SINCE
    from tap_xero.paging.sweep import PAGE_NUMBERS
    from tap_xero.streams.table import LISTS

    for stream in LISTS:
        sends = {*stream.params}
        if stream.takes_modified_since:
            sends.add("If-Modified-Since")
        if stream.pager in (MODIFIED_SINCE, PAGE_NUMBERS):
            sends.add("page")
            if stream.page_size is None:
                sends.add("pageSize")
        if stream.pager is JOURNAL_NUMBERS:
            sends.add("offset")
        keys = {*stream.key_properties, stream.replication_key}
        yield Listing(
            stream.tap_stream_id,
            stream.path,
            stream.rows_key or stream.path,
            tuple(sorted(key for key in keys if key)),
            frozenset(sends),
        )


def fields_beyond_the_api() -> dict[str, str]:
    """Return the differences that fields make which only other sources know, with the source."""
    by_source = json.loads(BEYOND_THE_API.read_bytes())
    return {
        f"{field}: not documented": source
        for source, fields in by_source.items()
        for field in fields
    }


def main(arguments: list[str] | None = None) -> int:
    """Print the unexplained differences; 1 if there are any."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("description", type=Path, help="xero_accounting.yaml")
    path = parser.parse_args(arguments).description
    document = load(path.read_bytes())
    explained = {**json.loads(EXPLAINED.read_bytes()), **fields_beyond_the_api()}
    found = set(differences(Description(document), ROOT / "schemas", table()))
    left = unexplained(found, explained)
    for line in left:
        print(line)
    print(
        f"{document['info']['title']} {document['info']['version']}: "
        f"{len(found)} differences, {len(left)} of them unexplained",
        file=sys.stderr,
    )
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
