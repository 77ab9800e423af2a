"""The bundled schemas: what every target and every record may rely on."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from tap_xero.demo import DemoXero
from tap_xero.errors import InputError
from tap_xero.output.date_fields import is_date
from tap_xero.streams.schema_files import resolve, schema_folder, stream_schema
from tap_xero.streams.table import LISTS, STREAMS, SYNCS
from tests.support.demo_client import Login

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_xero.streams.stream import Stream

FOLDER = schema_folder()
FIXTURES = Path(__file__).parent.parent / "fixtures"
SCRIPTS = Path(__file__).parent.parent.parent / "scripts"
FILES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.json"))
BY_ID = [pytest.param(stream, id=stream.tap_stream_id) for stream in LISTS]

# The only keywords that a schema may use: no enum, as Xero adds values; no multipleOf or limits,
# as numbers are exact; no additionalProperties, as Xero adds fields.
KEYWORDS = {"type", "properties", "items", "format"}


def parts(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the schema and every one inside it."""
    yield schema
    for inner in schema.get("properties", {}).values():
        yield from parts(inner)
    if "items" in schema:
        yield from parts(schema["items"])


def references(value: object) -> Iterator[str]:
    """Yield what the document refers to."""
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)


def objects(
    value: object, schema: dict[str, Any], path: str = ""
) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Yield each object of the answer that is documented: its path, itself, and its properties."""
    if isinstance(value, list):
        for item in value:
            yield from objects(item, schema["items"], f"{path}[]")
    elif isinstance(value, dict):
        properties = schema["properties"]
        yield path, value, properties
        for name in value.keys() & properties.keys():
            yield from objects(value[name], properties[name], f"{path}.{name}")


def undocumented(answer: object, schema: dict[str, Any]) -> Iterator[str]:
    """Yield the fields of the answer that its schema does not have."""
    for path, value, properties in objects(answer, schema):
        yield from (f"{path}.{name}" for name in value if name not in properties)


def misplaced(answer: object, schema: dict[str, Any]) -> Iterator[str]:
    """Yield the fields that the schema has behind one that follows them in the answer."""
    for path, value, properties in objects(answer, schema):
        place = {name: number for number, name in enumerate(properties)}
        names = [name for name in value if name in place]
        for name, following in pairwise(names):
            if place[name] > place[following]:
                yield f"{path}.{name}"


def fields(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """Yield the path of every field of the schema."""
    for name, inner in schema.get("properties", {}).items():
        yield f"{path}.{name}"
        yield from fields(inner, f"{path}.{name}")
    if "items" in schema:
        yield from fields(schema["items"], f"{path}[]")


def given(value: object, path: str = "") -> Iterator[str]:
    """Yield the path of every field that a row has."""
    if isinstance(value, list):
        for item in value:
            yield from given(item, f"{path}[]")
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield f"{path}.{name}"
            yield from given(inner, f"{path}.{name}")


def fixture_rows(stream: Stream) -> list[dict[str, Any]]:
    """Read the rows of the stream's hand-written answer."""
    answer = json.loads((FIXTURES / f"{stream.tap_stream_id}.json").read_bytes())
    rows: list[dict[str, Any]] = answer[stream.rows_key or stream.path]
    return rows


def test_every_stream_has_a_schema_and_every_schema_a_stream() -> None:
    top = {name.removesuffix(".json") for name in FILES if "/" not in name}
    assert top == {stream.tap_stream_id for stream in (*STREAMS, SYNCS)}


def test_every_shared_part_is_used() -> None:
    used = {ref for name in FILES for ref in references(json.loads((FOLDER / name).read_bytes()))}
    assert used == {name for name in FILES if name.startswith("shared/")}


@pytest.mark.parametrize("name", FILES)
def test_a_schema_is_valid_draft_4_and_plain_enough_for_any_target(name: str) -> None:
    schema = resolve(FOLDER, name)
    jsonschema.Draft4Validator.check_schema(schema)
    for part in parts(schema):
        assert part.keys() <= KEYWORDS
        assert part["type"][0] == "null"
        assert ("object" in part["type"]) == ("properties" in part)
        assert ("array" in part["type"]) == ("items" in part)
        if "format" in part:
            assert part == {"type": ["null", "string"], "format": "date-time"}


@pytest.mark.parametrize("name", FILES)
def test_dates_are_known_by_their_name(name: str) -> None:
    for part in parts(resolve(FOLDER, name)):
        for field, inner in part.get("properties", {}).items():
            if field.endswith(("UTC", "DateString", "UTCString")):
                assert inner.get("format") == "date-time", field


@pytest.mark.parametrize("name", FILES)
def test_a_text_never_has_the_name_of_a_date(name: str) -> None:
    fields = [
        (field, inner)
        for part in parts(resolve(FOLDER, name))
        for field, inner in part.get("properties", {}).items()
    ]
    dates = {field for field, inner in fields if is_date(inner)}
    texts = {field for field, inner in fields if "string" in inner["type"] and not is_date(inner)}
    assert not dates & texts, "it would be taken for one: dates are found by their names"


@pytest.mark.parametrize("stream", BY_ID)
def test_keys_stand_first_and_the_bookmark_next(stream: Stream) -> None:
    properties = stream_schema(stream.tap_stream_id)["properties"]
    marks = [stream.replication_key] if stream.replication_key else []
    first = [*stream.key_properties, *marks]
    assert list(properties)[: len(first)] == first


@pytest.fixture(scope="module")
def login() -> Iterator[Login]:
    """Log in to a demo Xero, which sends fields in the order of Xero's own example answers."""
    with DemoXero(size=200) as xero, Login(xero) as login:
        yield login


@pytest.mark.parametrize("stream", BY_ID)
def test_the_other_fields_stand_in_the_order_in_which_they_are_checked_fastest(
    stream: Stream, login: Login
) -> None:
    answer = login.answer(stream.path, **stream.params)
    first = {*stream.key_properties, stream.replication_key}
    rows = [
        {name: value for name, value in row.items() if name not in first}
        for row in answer[stream.rows_key or stream.path]
    ]
    assert rows
    assert set(misplaced(rows, {"items": stream_schema(stream.tap_stream_id)})) == set()


@pytest.mark.parametrize("stream", BY_ID)
def test_fixtures_hold_documented_fields_only(stream: Stream) -> None:
    schema = {"items": stream_schema(stream.tap_stream_id)}
    assert list(undocumented(fixture_rows(stream), schema)) == []


@pytest.mark.parametrize("stream", BY_ID)
def test_fixtures_use_every_field(stream: Stream) -> None:
    used = {path.removeprefix("[]") for path in given(fixture_rows(stream))}
    assert set(fields(stream_schema(stream.tap_stream_id))) - used == set()


def test_a_missing_schema_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.json cannot be read: No such file"):
        resolve(tmp_path, "nothing.json")


@pytest.mark.parametrize(
    ("text", "message"), [("{", "is not valid JSON"), ("[]", "is not a JSON object")]
)
def test_a_corrupt_schema_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=rf"a\.json {message}"):
        resolve(tmp_path, "a.json")


def test_a_circle_of_references_is_named_not_followed(tmp_path: Path) -> None:
    for name, other in (("a", "b"), ("b", "a")):
        (tmp_path / f"{name}.json").write_text(
            json.dumps({"properties": {"x": {"items": {"$ref": f"{other}.json"}}}})
        )
    with pytest.raises(InputError, match=r"a\.json refers to itself"):
        resolve(tmp_path, "a.json")


FIELDS_OF_2_6_0 = json.loads((Path(__file__).parent / "fields_of_2_6_0.json").read_bytes())
BEYOND_THE_API = json.loads((SCRIPTS / "fields_beyond_the_api.json").read_bytes())


@pytest.mark.parametrize("stream", FIELDS_OF_2_6_0)
def test_fields_that_2_6_0_had_and_xeros_description_lacks_are_in_the_schemas(stream: str) -> None:
    known = {path.removeprefix(".") for path in fields(stream_schema(stream))}
    assert set(FIELDS_OF_2_6_0[stream]) - known == set()


@pytest.mark.parametrize(
    "field", [field for fields in BEYOND_THE_API.values() for field in fields if "*" not in field]
)
def test_every_field_that_is_listed_with_a_source_beside_the_api_is_in_its_schema(
    field: str,
) -> None:
    file, path = field.split()
    part = json.loads((FOLDER / file).read_bytes())
    for name in path.split("."):
        part = part["properties"][name]
    assert part


@pytest.mark.parametrize(
    ("stream", "path"),
    [
        ("invoices", "InvoicePaymentServices"),
        ("invoices", "LineItems[].Tracking[].Options"),
        ("users", "GlobalUserID"),
        ("accounts", "ReportingCodeUpdatedUTC"),
        ("organisations", "TaxNumberName"),
        ("repeating_invoices", "Schedule.NextScheduledDateString"),
        ("payments", "Invoice.InvoicePaymentServices"),
        ("credit_notes", "Allocations[].Invoice.LineItems"),
        ("batch_payments", "Payments[].Invoice.LineItems"),
        ("purchase_orders", "LineItems[].ItemID"),
    ],
)
def test_fields_that_live_organisations_send_are_in_the_schemas(stream: str, path: str) -> None:
    assert f".{path}" in set(fields(stream_schema(stream)))
