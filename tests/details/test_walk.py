"""Every document brings its history and attachments, once."""

from __future__ import annotations

import json
import os
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft4Validator

from tap_xero.commands import summary
from tap_xero.demo import DemoXero, Fault
from tap_xero.demo.examples import read_examples
from tap_xero.discover import catalog
from tap_xero.errors import InputError, SkipStreamError
from tap_xero.selection import selection
from tap_xero.streams.schema_files import stream_schema
from tap_xero.streams.table import DETAILS, LISTS, STREAM_BY_ID
from tests.support import expected_records
from tests.support.details import NAMES, Books, books, details, miss, outcome
from tests.support.fake_clock import FakeTime
from tests.support.rows import FIRST, data_calls, expected, row, rows, spread
from tests.support.run_tap import Output, catalog_of, sync

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_xero.streams.stream import Stream

API_DESCRIPTION = os.environ.get("XERO_API_DESCRIPTION", "")
DOCUMENTS = sorted({name for detail in DETAILS for name in detail.documents})
FIXTURES = Path(__file__).parent.parent / "fixtures"
# What the tap adds to what Xero says.
ADDED = {"DocumentType", "DocumentID", "Number", "UpdatedDateUTC", "ContentPath"}


def keys(output: Output, stream: str) -> Counter[tuple[Any, ...]]:
    names = STREAM_BY_ID[stream]
    return Counter(
        tuple(record[name] for name in names.key_properties) for record in output.records(stream)
    )


# What comes


@pytest.fixture(scope="module")
def xero() -> Iterator[DemoXero]:
    time = FakeTime()
    with DemoXero(size=40, clock=time.timestamp) as server:
        yield server


@pytest.fixture(scope="module")
def everything(xero: DemoXero) -> Output:
    options: dict[str, Any] = {"detail_calls_per_run": 5000, "include_archived_contacts": True}
    output = sync(xero, [*DOCUMENTS, *NAMES], clock=FakeTime().clock, **options)
    assert output.error is None
    assert not summary.failures(output.runs)
    return output


@pytest.mark.parametrize("detail", DETAILS, ids=NAMES)
def test_every_document_that_has_any_brings_its_details_once(
    xero: DemoXero, everything: Output, detail: Stream
) -> None:
    held: Counter[tuple[str, str]] = Counter()
    for name in detail.documents:
        stream = STREAM_BY_ID[name]
        for document in xero.organisation.rows(stream.path):
            uid = document[stream.key_properties[0]]
            tell = getattr(xero.organisation, detail.tap_stream_id)
            held[name, uid] += len(tell(stream.path, uid))
    got = Counter(
        (record["DocumentType"], record["DocumentID"])
        for record in everything.records(detail.tap_stream_id)
    )
    assert got == +held
    assert len({name for name, _ in got}) > 1


@pytest.mark.parametrize("name", NAMES)
def test_keys_are_never_null_and_never_repeat(everything: Output, name: str) -> None:
    found = keys(everything, name)
    assert set(found.values()) == {1}
    assert all(part is not None for key in found for part in key)


@pytest.mark.parametrize("name", NAMES)
def test_records_fit_the_schema_that_was_announced(everything: Output, name: str) -> None:
    (schema,) = (
        message
        for message in everything.messages
        if message["type"] == "SCHEMA" and message["stream"] == name
    )
    validator = Draft4Validator(schema["schema"])
    for record in everything.records(name):
        assert not list(validator.iter_errors(json.loads(json.dumps(record, default=float))))
        assert set(record) <= set(schema["schema"]["properties"])


def test_records_carry_the_stamp_of_their_document(everything: Output) -> None:
    stamps = {each["InvoiceID"]: each["UpdatedDateUTC"] for each in everything.records("invoices")}
    for name in NAMES:
        told = [each for each in everything.records(name) if each["DocumentType"] == "invoices"]
        assert told
        assert all(each["UpdatedDateUTC"] == stamps[each["DocumentID"]] for each in told)


def test_all_lists_are_read_before_the_first_call_for_details(xero: DemoXero) -> None:
    before = len(data_calls(xero))
    names = [stream.tap_stream_id for stream in LISTS]
    streams = [*names, "trial_balance", *NAMES]
    output = sync(xero, streams, start_date="2026-05-01", clock=FakeTime().clock)
    calls = data_calls(xero)[before:]
    first = calls.index(details(calls)[0])
    assert {call.path.split("/")[0] for call in calls[:first]} == {
        stream.path.split("/")[0] for stream in LISTS
    } | {"Reports"}
    types = [message["type"] for message in output.messages]
    records = [message for message in output.messages if message["type"] == "RECORD"]
    assert types[0] == "SCHEMA"
    lists = [at for at, message in enumerate(records) if message["stream"] not in NAMES]
    told = [at for at, message in enumerate(records) if message["stream"] in NAMES]
    assert max(lists) < min(told)


def test_a_list_that_could_not_be_read_waits_with_its_details(history: Books) -> None:
    history.xero.replace("ManualJournals", rows("ManualJournals", spread(3)))
    history.streams.append("manual_journals")
    history.xero.fail(Fault.status(400), on=lambda call: call.path == "Invoices")
    output = history.run()
    assert [run.name for run in summary.failures(output.runs)] == ["invoices"]
    assert history.documents("history") == expected(3)
    assert [call.path for call in history.calls()].count("Invoices") == 1
    history.run()
    assert history.documents("history") == expected(30)


def test_nobody_gets_them_without_asking(xero: DemoXero) -> None:
    chosen = {entry["tap_stream_id"]: entry for entry in catalog()["streams"]}
    for name in NAMES:
        top = next(each for each in chosen[name]["metadata"] if not each["breadcrumb"])["metadata"]
        assert top["selected"] is False
        assert top["forced-replication-method"] == "INCREMENTAL"
    before = len(data_calls(xero))
    sync(xero, ["invoices", "contacts"])
    assert details(data_calls(xero)[before:]) == []


def test_a_list_that_is_not_selected_has_no_details(caplog: pytest.LogCaptureFixture) -> None:
    with DemoXero(size=20) as xero:
        sync(xero, ["contacts", "history"])
        assert {call.path.split("/")[0] for call in data_calls(xero)} == {"Contacts"}
        output = sync(xero, ["users", "history"])
    assert output.error is None
    assert "selects history but no stream of documents that have it" in caplog.text


def test_a_full_table_of_them_is_refused_in_one_line() -> None:
    with pytest.raises(InputError, match="history takes several runs, so it cannot be FULL_TABLE"):
        selection(catalog_of(["history"], replication_method="FULL_TABLE"), "catalog.json")


# Numbers


def test_an_entry_keeps_its_number_when_others_are_added(history: Books) -> None:
    first = history.run()
    for _ in range(3):
        history.time.sleep(3600)
        history.xero.edit("Invoices", "row-000007", Reference="changed")
    second = history.run()

    def entries(output: Output) -> dict[int, tuple[str, str]]:
        return {
            each["Number"]: (each["DateUTC"], each["Changes"])
            for each in output.records("history")
            if each["DocumentID"] == "row-000007"
        }

    before, after = entries(first), entries(second)
    assert len(after) == len(before) + 3
    assert before.items() <= after.items()
    assert [date for _, (date, _) in sorted(after.items())] == sorted(
        date for date, _ in after.values()
    )


def test_entries_of_one_moment_have_numbers_of_their_own_in_the_order_of_the_answer() -> None:
    entry = '{{"Changes":"{}","DateUTC":"/Date({}+0000)/"}}'
    given = [("c", 2), ("b", 1), ("a", 1)]
    told = ",".join(entry.format(name, FIRST + stamp) for name, stamp in given)
    answers = {
        "Invoices": f'{{"Invoices":[{row("Invoices", "x", FIRST).decode()}]}}'.encode(),
        "Invoices/History": f'{{"HistoryRecords":[{told}]}}'.encode(),
    }
    with DemoXero(size=0, answers=answers) as xero:
        output = sync(xero, ["invoices", "history"])
    assert {each["Changes"]: each["Number"] for each in output.records("history")} == {
        "a": 1,
        "b": 2,
        "c": 3,
    }


# Documents that cannot be read


def test_a_document_that_is_gone_is_passed_over_with_one_warning(
    history: Books, caplog: pytest.LogCaptureFixture
) -> None:
    gone = {"row-000003", "row-000011", "row-000012"}
    miss(history, gone)
    output = history.run()
    assert not summary.failures(output.runs)
    assert history.documents("history") == expected(30) - gone
    assert caplog.text.count("history: left out, as may be others, are those of row-000003") == 1
    assert caplog.text.count("left out") == 1
    history.calls()
    history.run()
    assert details(history.calls()) == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("begins_at", [0, 1, 17, 27, 28, 29])
def test_a_404_that_passes_loses_no_details(begins_at: int, name: str) -> None:
    for tried in books("invoices", name, stamps=spread(30)):
        miss(tried, expected(30) - expected(begins_at))
        outputs = [tried.run(), tried.run()]
        assert [run.name for run in summary.failures(outputs[-1].runs)] == [name]
        assert "row-0000" in str(outputs[-1].runs[1].error)
        assert "Xero does not know this path" in str(outputs[-1].runs[1].error)
        assert tried.documents(name) == expected(begins_at)
        assert len(details(tried.calls())) <= begins_at + 2 * 3
        tried.xero.faults.clear()
        assert not summary.failures(tried.run().runs)
        assert tried.documents(name) == expected(30)


def test_a_404_of_one_list_leaves_the_others_alone(history: Books) -> None:
    history.xero.replace("ManualJournals", rows("ManualJournals", spread(3)))
    history.streams.append("manual_journals")
    history.xero.fail(Fault.status(404), on=lambda call: "Invoices/" in call.path, times=None)
    output = history.run()
    assert [run.name for run in summary.failures(output.runs)] == ["history"]
    told = [each["DocumentID"] for each in output.records("history")]
    assert set(told) == expected(3)
    assert {each["DocumentType"] for each in output.records("history")} == {"manual_journals"}


@pytest.mark.parametrize("limit", [2, 5])
def test_a_few_calls_a_run_get_past_a_document_that_is_gone(limit: int, tmp_path: Path) -> None:
    for tried in books("invoices", *NAMES, stamps=spread(9)):
        miss(tried, {"row-000000", "row-000004"})
        for _ in range(40):
            output = tried.run(detail_calls_per_run=limit, attachments_dir=str(tmp_path))
            assert not summary.failures(output.runs)
        for name in NAMES:
            assert tried.documents(name) == expected(9) - {"row-000000", "row-000004"}


def test_too_few_calls_to_get_past_a_document_that_is_gone_say_so(history: Books) -> None:
    miss(history, {"row-000001"})
    for _ in range(3):
        output = history.run(detail_calls_per_run=1)
    assert [run.name for run in summary.failures(output.runs)] == ["history"]
    assert history.documents("history") == expected(1)


def test_a_document_that_is_refused_among_others_is_passed_over(history: Books) -> None:
    history.xero.fail(Fault.status(403), on=lambda call: "row-000003" in call.path, times=None)
    assert not summary.failures(history.run().runs)
    assert history.documents("history") == expected(30) - {"row-000003"}


def test_the_outcome_says_that_the_next_run_goes_on(both: Books) -> None:
    assert outcome(both.run(detail_calls_per_run=3), "history") == "to be continued"
    assert outcome(both.run(), "history") == "complete"
    both.xero.behaviour.forbidden = {"Invoices": "role403"}
    assert outcome(both.run(), "history") == "to be continued"


def test_a_login_that_may_not_read_them_loses_none_and_costs_few_calls(both: Books) -> None:
    both.xero.behaviour.forbidden = {"Attachments": "scope401"}
    output = both.run()
    assert isinstance(output.runs[2].error, SkipStreamError)
    assert [run.name for run in summary.failures(output.runs)] == ["attachments"]
    assert len([call for call in both.calls() if "Attachments" in call.path]) == 3
    assert "attachments" not in output.state["bookmarks"]
    assert both.documents("history") == expected(30)

    both.xero.behaviour.forbidden = {}
    both.run()
    assert both.documents("attachments") == expected(30)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_refusal_of_the_few_there_are_is_told_and_loses_none(count: int) -> None:
    for tried in books("invoices", "history", stamps=spread(count)):
        tried.xero.behaviour.forbidden = {"History": "role403"}
        output = tried.run()
        assert [run.name for run in summary.failures(output.runs)] == ["history"]
        assert "history" not in output.state["bookmarks"]
        tried.xero.behaviour.forbidden = {}
        tried.run()
        assert tried.documents("history") == expected(count)


def test_a_document_that_is_gone_does_not_take_refused_ones_with_it(history: Books) -> None:
    history.xero.fail(Fault.status(404), on=lambda call: "row-000001/" in call.path, times=None)
    history.xero.behaviour.forbidden = {"History": "role403"}
    assert summary.failures(history.run().runs)
    history.xero.behaviour.forbidden = {}
    history.xero.faults.clear()
    history.run()
    assert history.documents("history") == expected(30)


def test_a_document_that_fails_for_good_ends_the_stream_and_is_not_passed_over(
    history: Books,
) -> None:
    history.xero.fail(Fault.status(500), on=lambda call: "row-000003" in call.path, times=None)
    output = history.run()
    assert [run.name for run in summary.failures(output.runs)] == ["history"]
    assert output.state["bookmarks"]["history"]["invoices"]["DocumentID"] == "row-000002"
    history.xero.faults.clear()
    history.run()
    assert history.documents("history") == expected(30)


def test_faults_that_pass_cost_no_record(both: Books, tmp_path: Path) -> None:
    faults = [Fault.status(503), Fault.reset(), Fault.cut(after=9), Fault.status(429)]
    for number, fault in enumerate(faults):
        both.xero.fail(fault, on=9 + 7 * number)
    assert not summary.failures(both.run(attachments_dir=str(tmp_path)).runs)
    for name in NAMES:
        assert both.documents(name) == expected(30)


# Others


@pytest.mark.parametrize("line_tables", [False, True])
def test_other_streams_are_as_without_them(line_tables: bool) -> None:  # noqa: FBT001
    names = ["invoices", "contacts", "trial_balance"]
    time = FakeTime()
    with DemoXero(size=20, clock=time.timestamp) as xero:
        options: dict[str, Any] = {"line_tables": line_tables, "start_date": "2026-05-01"}
        tables = ["invoice_line_items"] if line_tables else []
        alone = sync(xero, [*names, *tables], clock=time.clock, **options)
        beside = sync(xero, [*names, *tables, *NAMES], clock=time.clock, **options)
        for name in [*names, *tables]:
            assert alone.records(name) == beside.records(name)
        assert beside.records("history")


def rows_of(answer: bytes, detail: Stream) -> list[dict[str, Any]]:
    """Return the rows of an answer as records, without what the tap adds."""
    schema = stream_schema(detail.tap_stream_id)
    told = json.loads(answer, parse_float=Decimal)[detail.rows_key]
    return [expected_records.record(each, schema) for each in told]


def assert_whole(detail: Stream, output: Output, answer: bytes) -> None:
    assert output.error is None
    got = [
        {part: value for part, value in each.items() if part not in ADDED}
        for each in output.records(detail.tap_stream_id)
    ]
    assert sorted(map(repr, got)) == sorted(map(repr, rows_of(answer, detail)))
    assert got


def answers_for(detail: Stream, parent: Stream) -> tuple[str, dict[str, bytes]]:
    """Return the name of the details in the demo, and a list with a document that has some."""
    key = parent.key_properties[0]
    document = {key: "x", "UpdatedDateUTC": "/Date(1)/", "HasAttachments": True}
    listed = json.dumps({parent.path: [document]}).encode()
    return f"{parent.path}/{detail.path.rpartition('/')[2]}", {parent.path: listed}


@pytest.mark.parametrize("detail", DETAILS, ids=NAMES)
def test_hand_written_answers_come_out_whole(detail: Stream) -> None:
    name = detail.tap_stream_id
    answer = (FIXTURES / f"{name}.json").read_bytes()
    kind, answers = answers_for(detail, STREAM_BY_ID["invoices"])
    with DemoXero(size=0, answers={**answers, kind: answer}) as xero:
        output = sync(xero, ["invoices", name], start_date="1900-01-01")
    assert_whole(detail, output, answer)
    used = {field for each in rows_of(answer, detail) for field in each}
    assert used == stream_schema(name)["properties"].keys() - ADDED


@pytest.mark.skipif(not API_DESCRIPTION, reason="XERO_API_DESCRIPTION names no file")
@pytest.mark.parametrize("detail", DETAILS, ids=NAMES)
def test_example_answers_of_the_api_description_come_out_whole(detail: Stream) -> None:
    examples = read_examples(API_DESCRIPTION)
    for parent in detail.documents:
        kind, answers = answers_for(detail, STREAM_BY_ID[parent])
        with DemoXero(size=0, examples=API_DESCRIPTION, answers=answers) as xero:
            output = sync(xero, [parent, detail.tap_stream_id], start_date="1900-01-01")
        assert_whole(detail, output, examples[kind])
