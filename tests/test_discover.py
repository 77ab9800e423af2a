"""Discovery and selection: the catalog that is emitted, and what a catalog asks for."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import singer

from tap_xero.discover import catalog
from tap_xero.errors import InputError
from tap_xero.selection import default_selection, selection
from tap_xero.streams.table import LISTS
from tests.support.run_tap import catalog_of, tap

ROOT = Path(__file__).parent.parent


def metadata_of(entry: dict[str, Any]) -> dict[tuple[str, ...], dict[str, Any]]:
    return {tuple(item["breadcrumb"]): item["metadata"] for item in entry["metadata"]}


def entry_of(catalog: dict[str, Any], name: str) -> dict[str, Any]:
    return next(entry for entry in catalog["streams"] if entry["tap_stream_id"] == name)


def test_catalog_json_is_exactly_what_discovery_prints() -> None:
    done = tap("--discover")
    assert done.returncode == 0
    assert done.stdout == (ROOT / "catalog.json").read_bytes()


def test_catalog_json_selects_just_the_default_streams() -> None:
    selected = [item.stream for item in selection(catalog(), "catalog.json")]
    assert selected == [stream for stream in LISTS if stream.selected_by_default]
    assert [item.stream for item in default_selection()] == selected


def test_singer_python_reads_the_catalog() -> None:
    read = singer.Catalog.load(str(ROOT / "catalog.json"))
    assert len(list(read.get_selected_streams({}))) == len(default_selection())


@pytest.mark.parametrize("stream", LISTS, ids=lambda stream: stream.tap_stream_id)
def test_keys_and_replication_keys_cannot_be_left_out(stream: Any) -> None:  # noqa: ANN401
    entry = entry_of(catalog(), stream.tap_stream_id)
    metadata = metadata_of(entry)
    automatic = {
        path[1] for path, part in metadata.items() if path and part["inclusion"] == "automatic"
    }
    assert automatic == {*stream.key_properties, stream.replication_key} - {None}
    assert metadata[()]["table-key-properties"] == list(stream.key_properties)
    forced = metadata[()].get("forced-replication-method")
    assert forced == (None if stream.replication_key else "FULL_TABLE")
    assert entry["replication_method"] == stream.replication_method


def test_a_key_that_is_deselected_is_sent_all_the_same() -> None:
    chosen = catalog_of(["invoices"])
    for item in entry_of(chosen, "invoices")["metadata"]:
        if item["breadcrumb"]:
            item["metadata"]["selected"] = False
    (only,) = selection(chosen, "catalog")
    assert only.selected_fields == {"InvoiceID", "UpdatedDateUTC"}


def test_an_incremental_stream_can_be_set_to_full_table() -> None:
    (only,) = selection(catalog_of(["invoices"], replication_method="FULL_TABLE"), "catalog")
    assert only.is_full_table
    assert only.replication_key is None


def test_older_ways_to_select_a_stream_work() -> None:
    chosen = {
        "streams": [
            {"tap_stream_id": "users", "schema": {"selected": True}},
            {"tap_stream_id": "items", "schema": {}, "selected": True},
            {"tap_stream_id": "accounts", "schema": {}},
        ]
    }
    assert [item.stream.tap_stream_id for item in selection(chosen, "c")] == ["users", "items"]


def test_a_stream_that_xero_has_removed_is_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    chosen = {"streams": [{"tap_stream_id": "employees", "selected": True}]}
    with caplog.at_level(logging.WARNING):
        assert selection(chosen, "catalog.json") == []
    assert "employees" in caplog.text


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ([], "not a catalog"),
        ({}, "not a catalog"),
        ({"streams": {}}, "not a catalog"),
        ({"streams": ["invoices"]}, "not a catalog"),
        ({"streams": [{"tap_stream_id": "invoces", "selected": True}]}, "no stream 'invoces'"),
        ({"streams": [{"tap_stream_id": ["items"], "selected": True}]}, "needs a tap_stream_id"),
        ({"streams": [{"tap_stream_id": "items", "metadata": [{}]}]}, "needs a breadcrumb"),
        ({"streams": [{"tap_stream_id": "items", "metadata": [1]}]}, "needs a breadcrumb"),
        ({"streams": [{"tap_stream_id": "items", "metadata": 1}]}, "needs a breadcrumb"),
        (catalog_of(["items"], replication_method="LOG_BASED"), "LOG_BASED"),
    ],
)
def test_a_catalog_that_will_not_do_is_named(wrong: Any, named: str) -> None:  # noqa: ANN401
    with pytest.raises(InputError, match=named) as raised:
        selection(wrong, "my-catalog.json")
    assert str(raised.value).startswith("my-catalog.json: ")


def test_a_selected_field_that_does_not_exist_is_named() -> None:
    chosen = catalog_of(["items"])
    entry_of(chosen, "items")["metadata"].append(
        {"breadcrumb": ["properties", "Colour"], "metadata": {"selected": True}}
    )
    with pytest.raises(InputError, match="stream items has no field 'Colour'"):
        selection(chosen, "catalog.json")


def test_a_catalog_survives_json() -> None:
    assert json.loads(json.dumps(catalog())) == catalog()


def selected_names(chosen: dict[str, Any]) -> list[str]:
    return [item.stream.tap_stream_id for item in selection(chosen, "catalog")]


def test_discovery_can_select_just_the_streams_that_one_wants() -> None:
    assert selected_names(catalog(select=["invoices", "journals"])) == ["journals", "invoices"]


def test_discovery_can_select_every_stream() -> None:
    assert len(selected_names(catalog(select=["*"]))) == len(catalog()["streams"])


def test_a_stream_to_select_that_does_not_exist_is_named() -> None:
    with pytest.raises(InputError, match="--select: there is no stream 'invoces'"):
        catalog(select=["invoces"])


@pytest.mark.parametrize("line_tables", [False, True])
def test_with_many_organisations_every_key_begins_with_the_tenant(line_tables: bool) -> None:  # noqa: FBT001
    found = catalog(line_tables=line_tables, with_tenant=True, select=["*"])
    assert found["streams"][-1]["key_properties"] == ["TenantID", "Stream"]
    for entry in found["streams"]:
        assert entry["key_properties"][0] == "TenantID"
        assert next(iter(entry["schema"]["properties"])) == "TenantID"
        assert metadata_of(entry)["properties", "TenantID"]["inclusion"] == "automatic"
    for item in selection(found, "catalog", line_tables=line_tables, with_tenant=True):
        assert item.key_properties[0] == "TenantID"
        assert item.selected_schema["properties"]["TenantID"] == {"type": ["string"]}
        assert "TenantID" not in item.stream.key_properties


def test_with_one_organisation_no_stream_has_a_tenant() -> None:
    assert "TenantID" not in json.dumps(catalog())
    assert "syncs" not in [entry["tap_stream_id"] for entry in catalog()["streams"]]


@pytest.mark.parametrize("line_tables", [False, True])
def test_keys_are_never_null_and_other_fields_may_be(line_tables: bool) -> None:  # noqa: FBT001
    for entry in catalog(line_tables=line_tables)["streams"]:
        nullable = {
            name for name, part in entry["schema"]["properties"].items() if "null" in part["type"]
        }
        assert nullable == entry["schema"]["properties"].keys() - set(entry["key_properties"])


def test_a_stream_without_a_key_stops_no_target_by_default() -> None:
    assert all(item.key_properties for item in default_selection())
