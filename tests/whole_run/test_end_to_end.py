"""The whole tap against the demo Xero, over HTTP: what arrives is what Xero has."""

from __future__ import annotations

import json
import os
from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft4Validator

from tap_xero.demo import DemoXero
from tap_xero.demo.examples import read_examples
from tap_xero.demo.lists import CASH_JOURNALS
from tap_xero.streams.schema_files import stream_schema
from tap_xero.streams.table import DETAILS, LISTS, REPORTS, STREAM_BY_ID
from tests.support import expected_records
from tests.support.fake_clock import impatient_clock
from tests.support.run_tap import Output, catalog_of, sync, tap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_xero.streams.stream import Stream

FIXTURES = Path(__file__).parent.parent / "fixtures"
ALL = [stream.tap_stream_id for stream in LISTS]
API_DESCRIPTION = os.environ.get("XERO_API_DESCRIPTION", "")


@pytest.fixture(scope="module")
def xero() -> Iterator[DemoXero]:
    with DemoXero(size=40) as server:
        yield server


@pytest.fixture(scope="module")
def first(xero: DemoXero) -> Output:
    return sync(xero, ALL, include_archived_contacts=True)


@pytest.fixture(scope="module")
def second(xero: DemoXero, first: Output) -> Output:
    return sync(xero, ALL, state=first.state, include_archived_contacts=True)


def keys_of(stream: Stream, rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [tuple(row[key] for key in stream.key_properties) for row in rows]


@pytest.mark.parametrize("stream", LISTS, ids=ALL)
def test_the_first_sync_brings_every_record_once(
    xero: DemoXero, first: Output, stream: Stream
) -> None:
    assert first.error is None
    cash = stream.params.get("paymentsOnly")
    held = xero.organisation.rows(CASH_JOURNALS if cash else stream.path)
    assert held, "the demo has rows of every stream"
    assert Counter(keys_of(stream, first.records(stream.tap_stream_id))) == Counter(
        keys_of(stream, held)
    )


@pytest.mark.parametrize("stream", LISTS, ids=ALL)
def test_every_record_fits_the_schema_that_was_announced(first: Output, stream: Stream) -> None:
    schemas = [
        message
        for message in first.messages
        if message["type"] == "SCHEMA" and message["stream"] == stream.tap_stream_id
    ]
    assert len(schemas) == 1
    assert schemas[0]["key_properties"] == list(stream.key_properties)
    assert schemas[0].get("bookmark_properties") == (
        [stream.replication_key] if stream.replication_key else None
    )
    validator = Draft4Validator(schemas[0]["schema"])
    for record in first.records(stream.tap_stream_id):
        plain = json.loads(json.dumps(record, default=float))
        assert not list(validator.iter_errors(plain))


@pytest.mark.parametrize("stream", LISTS, ids=ALL)
def test_a_second_sync_brings_full_tables_again_and_of_others_only_the_newest(
    second: Output, first: Output, stream: Stream
) -> None:
    name = stream.tap_stream_id
    again = keys_of(stream, second.records(name))
    if stream.replication_key is None:
        assert Counter(again) == Counter(keys_of(stream, first.records(name)))
        assert second.types(name)[-1] == "ACTIVATE_VERSION"
    else:
        assert set(again) <= set(keys_of(stream, newest(stream, first)))
    assert second.state["bookmarks"].get(name) == first.state["bookmarks"].get(name)


def newest(stream: Stream, output: Output) -> list[dict[str, Any]]:
    """Return the records within the five minutes before the bookmark."""
    rows = output.records(stream.tap_stream_id)
    if stream.replication_key != "UpdatedDateUTC":
        return []
    last = max(datetime.fromisoformat(row["UpdatedDateUTC"][:-1]) for row in rows)
    edge = last - timedelta(seconds=301)
    return [row for row in rows if datetime.fromisoformat(row["UpdatedDateUTC"][:-1]) >= edge]


def test_an_edit_between_two_syncs_arrives_with_the_second() -> None:
    with DemoXero(size=30) as xero:
        before = sync(xero, ["invoices", "contacts"])
        row = xero.organisation.rows("Invoices")[0]
        xero.edit("Invoices", row["InvoiceID"], Reference="edited")
        new = xero.insert("Contacts")
        after = sync(xero, ["invoices", "contacts"], state=before.state)
    assert [
        record["InvoiceID"]
        for record in after.records("invoices")
        if record.get("Reference") == "edited"
    ] == [row["InvoiceID"]]
    assert new in [record["ContactID"] for record in after.records("contacts")]


def test_messages_come_in_the_order_that_targets_need(first: Output) -> None:
    for name in ALL:
        assert first.types(name)[0] == "SCHEMA"
        assert "SCHEMA" not in first.types(name)[1:]
    assert first.messages[-1]["type"] == "STATE"
    assert first.state["currently_syncing"] is None


def test_records_say_when_they_were_extracted(first: Output) -> None:
    versioned = {item["stream"] for item in first.messages if item["type"] == "ACTIVATE_VERSION"}
    for message in first.messages:
        if message["type"] == "RECORD":
            assert message["time_extracted"].endswith("Z")
            assert ("version" in message) == (message["stream"] in versioned)


def test_a_stream_with_no_rows_still_gets_its_table() -> None:
    with DemoXero(size=5, answers={"Quotes": b'{"Status": "OK", "Quotes": []}'}) as xero:
        output = sync(xero, ["quotes"])
    assert output.error is None
    assert output.types("quotes") == ["SCHEMA"]


def test_fields_that_are_not_selected_are_neither_announced_nor_sent() -> None:
    catalog = catalog_of(["invoices"])
    entry = next(item for item in catalog["streams"] if item["tap_stream_id"] == "invoices")
    for item in entry["metadata"]:
        if item["breadcrumb"] == ["properties", "LineItems"]:
            item["metadata"]["selected"] = False
    with DemoXero(size=5) as xero:
        output = sync(xero, catalog=catalog)
    schema = next(message for message in output.messages if message["type"] == "SCHEMA")
    assert "LineItems" not in schema["schema"]["properties"]
    assert output.records("invoices")
    assert all("LineItems" not in record for record in output.records("invoices"))
    assert all("Contact" in record for record in output.records("invoices"))


def test_unit_prices_keep_four_decimals_and_lists_come_with_their_lines() -> None:
    with DemoXero(size=30) as xero:
        output = sync(xero, ["invoices"])
        lines = {
            line["LineItemID"]: line
            for invoice in xero.organisation.rows("Invoices")
            for line in invoice["LineItems"]
        }
    sent = [line for record in output.records("invoices") for line in record["LineItems"]]
    assert len(sent) == len(lines)
    for line in sent:
        assert Decimal(line["UnitAmount"]) == lines[line["LineItemID"]]["UnitAmount"]
    assert any(Decimal(line["UnitAmount"]).as_tuple().exponent == -4 for line in sent)


def test_archived_contacts_come_when_asked_for() -> None:
    with DemoXero(size=60) as xero:
        row = xero.organisation.rows("Contacts")[0]
        xero.archive("Contacts", row["ContactID"])
        without = sync(xero, ["contacts"])
        including = sync(xero, ["contacts"], include_archived_contacts=True)
    assert row["ContactID"] not in [item["ContactID"] for item in without.records("contacts")]
    assert row["ContactID"] in [item["ContactID"] for item in including.records("contacts")]


def assert_whole(stream: Stream, output: Output, answer: bytes) -> None:
    rows = json.loads(answer, parse_float=Decimal)[stream.rows_key or stream.path]
    schema = stream_schema(stream.tap_stream_id)
    wanted = [expected_records.record(row, schema) for row in rows]
    got = output.records(stream.tap_stream_id)
    assert sorted(map(repr, got)) == sorted(map(repr, wanted))


@pytest.mark.parametrize("stream", LISTS, ids=ALL)
def test_hand_written_answers_come_out_whole(stream: Stream) -> None:
    answer = (FIXTURES / f"{stream.tap_stream_id}.json").read_bytes()
    with DemoXero(size=5, answers={stream.path: answer}) as xero:
        output = sync(
            xero, [stream.tap_stream_id], clock=impatient_clock(), start_date="1900-01-01"
        )
    assert output.error is None
    assert_whole(stream, output, answer)


@pytest.mark.skipif(not API_DESCRIPTION, reason="XERO_API_DESCRIPTION names no file")
@pytest.mark.parametrize("stream", LISTS, ids=ALL)
def test_example_answers_of_the_api_description_come_out_whole(stream: Stream) -> None:
    with DemoXero(size=5, examples=API_DESCRIPTION) as xero:
        output = sync(
            xero, [stream.tap_stream_id], clock=impatient_clock(), start_date="1900-01-01"
        )
    assert output.error is None
    assert_whole(stream, output, read_examples(API_DESCRIPTION)[stream.path])


def test_the_demo_needs_no_config_and_no_account() -> None:
    done = tap("--demo")
    assert done.returncode == 0, done.stderr.decode()
    output = Output(done.stdout)
    announced = {message["stream"] for message in output.messages if message["type"] == "SCHEMA"}
    assert announced == {stream.tap_stream_id for stream in LISTS if stream.selected_by_default}
    assert all(output.records(name) for name in announced)


def test_the_demo_can_be_discovered() -> None:
    done = tap("--demo", "--discover")
    assert done.returncode == 0
    assert len(json.loads(done.stdout)["streams"]) == len(LISTS) + len(REPORTS) + len(DETAILS)


def test_the_state_that_was_given_comes_before_the_first_record() -> None:
    with DemoXero(size=30) as xero:
        before = sync(xero, ["accounts", "invoices"])
        xero.insert("Accounts")
        after = sync(xero, ["accounts", "invoices"], state=before.state)
    types = [message["type"] for message in after.messages]
    first = next(message for message in after.messages if message["type"] == "STATE")
    assert types.index("STATE") < types.index("RECORD")
    assert first["value"]["bookmarks"] == before.state["bookmarks"]


def state_after_a_part_flush(output: Output, flushed: str) -> dict[str, Any]:
    """Return the state that a PipelineWise target prints if only the stream `flushed` is flushed.

    It takes the first STATE for flushed; of later ones it takes the bookmarks of the streams that
    it flushes (pipelinewise-target-postgres 2.1.2, target_postgres/__init__.py).
    """
    states = [message["value"] for message in output.messages if message["type"] == "STATE"]
    kept: dict[str, Any] = json.loads(json.dumps(states[0]))
    if flushed in states[-1]["bookmarks"]:
        kept["bookmarks"][flushed] = states[-1]["bookmarks"][flushed]
    return kept


def test_a_target_that_is_killed_between_two_flushes_misses_no_row() -> None:
    with DemoXero(size=30) as xero:
        first = sync(xero, ["accounts", "invoices"])
        kept = state_after_a_part_flush(first, "invoices")
        second = sync(xero, ["accounts", "invoices"], state=kept)
    assert keys_of(STREAM_BY_ID["accounts"], first.records("accounts"))
    assert Counter(keys_of(STREAM_BY_ID["accounts"], second.records("accounts"))) == Counter(
        keys_of(STREAM_BY_ID["accounts"], first.records("accounts"))
    )
