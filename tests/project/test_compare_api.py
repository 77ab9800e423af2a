"""The comparison with an API description finds what differs, and only that."""

from __future__ import annotations

import copy
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "scripts"))

from compare_api import Description, Listing, differences, load, main, unexplained

from tap_xero.streams.table import LISTS

if TYPE_CHECKING:
    import pytest

TEXT = {"type": ["null", "string"]}
NUMBER = {"type": ["null", "number"]}
DATE = {"type": ["null", "string"], "format": "date-time"}

API = """
paths:
  /Orders:
    parameters:
    - {$ref: '#/components/parameters/modified'}
    get:
      parameters:
      - {in: query, name: page}
      - {in: query, name: where}
      responses:
        '200':
          content:
            application/json:
              schema: {$ref: '#/components/schemas/Orders'}
              example:
                Id: f0e1
                Orders:
                - OrderID: a1
                  Number: 7
                  DateString: '2024-02-29T00:00:00'
                  Total: 46.00
                  Lines:
                  - {Price: '1.5', Total: 46}
                  Parent: {OrderID: a0}
                  Warnings: []
  /Orders/{OrderID}:
    get:
      responses:
        '200': {description: a PDF}
components:
  parameters:
    modified: {in: header, name: If-Modified-Since}
  schemas:
    Orders:
      type: object
      properties:
        Warnings: {type: array, items: {$ref: '#/components/schemas/Warning'}}
        Orders: {type: array, items: {$ref: '#/components/schemas/Order'}}
    Warning: {type: object, properties: {Message: {type: string}}}
    Status: {type: string, enum: [OPEN]}
    Order:
      type: object
      properties:
        OrderID: {type: string, format: uuid}
        Date: {type: string, x-is-msdate: true}
        UpdatedDateUTC: {type: string, x-is-msdate-time: true}
        Number: {type: string}
        Status: {$ref: '#/components/schemas/Status'}
        Total: {type: number}
        Lines: {type: array, items: {$ref: '#/components/schemas/Line'}}
        Parent: {$ref: '#/components/schemas/Order'}
    Line:
      type: object
      properties:
        Price: {type: number}
        Total: {type: integer}
"""

SCHEMAS: dict[str, Any] = {
    "orders.json": {
        "type": ["null", "object"],
        "properties": {
            "OrderID": TEXT,
            "UpdatedDateUTC": DATE,
            "Date": DATE,
            "DateString": DATE,
            "Number": {"type": ["null", "string", "integer"]},
            "Status": TEXT,
            "Total": NUMBER,
            "Lines": {"type": ["null", "array"], "items": {"$ref": "shared/line.json"}},
            "Parent": {"type": ["null", "object"], "properties": {"OrderID": TEXT}},
            "Warnings": {
                "type": ["null", "array"],
                "items": {"type": ["null", "object"], "properties": {"Message": TEXT}},
            },
        },
    },
    "shared/line.json": {
        "type": ["null", "object"],
        "properties": {
            "Price": {"type": ["null", "number", "string"]},
            "Total": {"type": ["null", "integer"]},
        },
    },
}
CUT = {"orders.json Parent.*: missing, documented *": "the parent of an order is named only"}
ORDERS = Listing(
    "orders", "Orders", "Orders", ("OrderID",), frozenset({"page", "If-Modified-Since"})
)


def compare(
    folder: Path,
    *,
    api: str = API,
    schemas: dict[str, Any] = SCHEMAS,
    listing: Listing = ORDERS,
) -> list[str]:
    """Return the unexplained differences of a small API and its schemas."""
    for name, schema in schemas.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(schema))
    return unexplained(differences(Description(load(api)), folder, [listing]), CUT)


def changed(file: str, **fields: dict[str, Any] | None) -> dict[str, Any]:
    """Return the schemas with fields of one file replaced, added or (None) left out."""
    schemas = copy.deepcopy(SCHEMAS)
    properties = {**schemas[file]["properties"], **fields}
    schemas[file]["properties"] = {name: part for name, part in properties.items() if part}
    return schemas


def test_what_agrees_is_not_reported(tmp_path: Path) -> None:
    assert compare(tmp_path) == []


def test_a_field_that_the_schema_lacks_is_found_however_deep(tmp_path: Path) -> None:
    top = changed("orders.json", Status=None)
    assert compare(tmp_path, schemas=top) == ["orders.json Status: missing, documented string"]
    deep = changed("shared/line.json", Total=None)
    found = ["shared/line.json Total: missing, documented integer"]
    assert compare(tmp_path, schemas=deep) == found


def test_a_field_shown_only_in_an_example_is_found(tmp_path: Path) -> None:
    schemas = changed("orders.json", DateString=None)
    found = ["orders.json DateString: missing, documented date"]
    assert compare(tmp_path, schemas=schemas) == found


def test_a_field_that_nothing_documents_is_found(tmp_path: Path) -> None:
    schemas = changed("shared/line.json", Colour=TEXT)
    assert compare(tmp_path, schemas=schemas) == ["shared/line.json Colour: not documented"]


def test_a_wrong_type_is_found(tmp_path: Path) -> None:
    schemas = changed("orders.json", Total=TEXT)
    assert compare(tmp_path, schemas=schemas) == ["orders.json Total: is string, documented number"]


def test_a_text_that_the_example_shows_as_a_number_too_is_found(tmp_path: Path) -> None:
    schemas = changed("orders.json", Number=TEXT)
    assert compare(tmp_path, schemas=schemas) == [
        "orders.json Number: is string, documented integer or string"
    ]


def test_a_date_that_is_not_marked_is_found(tmp_path: Path) -> None:
    schemas = changed("orders.json", Date=TEXT)
    assert compare(tmp_path, schemas=schemas) == ["orders.json Date: is string, documented date"]


def test_a_part_that_stands_for_something_else_is_found(tmp_path: Path) -> None:
    schemas = changed("orders.json", Total={"$ref": "shared/line.json"})
    assert compare(tmp_path, schemas=schemas) == ["orders.json Total: is object, documented number"]


def test_a_date_whose_name_hides_that_it_is_an_instant_is_found(tmp_path: Path) -> None:
    api = API.replace("x-is-msdate: true", "x-is-msdate-time: true")
    assert compare(tmp_path, api=api) == [
        "component Order.Date: x-is-msdate-time, but its name says otherwise"
    ]


def test_a_new_endpoint_is_found(tmp_path: Path) -> None:
    api = API.replace("  /Orders/{OrderID}:", "  /Shops:")
    api = api.replace(
        "{description: a PDF}", "{content: {application/json: {schema: {type: object}}}}"
    )
    assert compare(tmp_path, api=api) == ["endpoint /Shops: no stream"]


def test_an_endpoint_that_is_gone_is_found(tmp_path: Path) -> None:
    assert compare(tmp_path, api=API.replace("/Orders:", "/Sales:"))[:2] == [
        "endpoint /Sales: no stream",
        "stream orders: no endpoint /Orders",
    ]


def test_a_parameter_not_sent_and_one_not_taken_are_found(tmp_path: Path) -> None:
    listing = replace(ORDERS, sends=frozenset({"page", "unitdp"}))
    assert compare(tmp_path, listing=listing) == [
        "stream orders If-Modified-Since: taken, not sent",
        "stream orders unitdp: sent, not taken",
    ]


def test_a_wrong_key_and_a_wrong_array_are_found(tmp_path: Path) -> None:
    key = replace(ORDERS, keys=("ID",))
    assert compare(tmp_path, listing=key) == ["stream orders ID: key is not documented"]
    rows = replace(ORDERS, rows_key="Sales")
    assert compare(tmp_path, listing=rows)[0] == (
        "stream orders Sales: no such array, but ['Orders']"
    )


def test_an_explanation_that_explains_nothing_is_found() -> None:
    assert unexplained(["a: b"], {"a: *": "known", "c: *": "old"}) == [
        "explanation not needed any more: c: *"
    ]


def test_the_command_compares_the_real_stream_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "api.yaml"
    path.write_text("info: {title: Shops, version: 1.0.0}" + API)
    assert main([str(path)]) == 1
    out, err = capsys.readouterr()
    assert "endpoint /Orders: no stream\n" in out
    assert all(f"stream {stream.tap_stream_id}: no endpoint" in out for stream in LISTS)
    assert err.startswith("Shops 1.0.0: ")
