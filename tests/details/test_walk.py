"""History and attachments of documents: every one in the end, within the calls of each run."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft4Validator

from tap_xero.client import Usage
from tap_xero.commands import summary
from tap_xero.demo import Behaviour, DemoXero, Fault
from tap_xero.demo.books.histories import content
from tap_xero.demo.examples import read_examples
from tap_xero.details.attachment_files import place, save
from tap_xero.discover import catalog
from tap_xero.errors import DayLimitError, InputError, SkipStreamError
from tap_xero.selection import selection
from tap_xero.state import State
from tap_xero.streams.schema_files import stream_schema
from tap_xero.streams.table import DETAILS, LISTS, STREAM_BY_ID
from tests.support import expected_records
from tests.support.fake_clock import START, FakeTime
from tests.support.rows import FIRST, SECOND, data_calls, expected, row, rows, spread
from tests.support.run_tap import Output, catalog_of, log_lines, sync, tap
from tests.whole_run.test_kill import KilledError, Pipe, killed, up_to_the_last_state

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from tap_xero.demo import Call
    from tap_xero.streams.stream import Stream

API_DESCRIPTION = os.environ.get("XERO_API_DESCRIPTION", "")
NAMES = [detail.tap_stream_id for detail in DETAILS]
DOCUMENTS = sorted({name for detail in DETAILS for name in detail.documents})
FIXTURES = Path(__file__).parent.parent / "fixtures"
# What the tap adds to what Xero says.
ADDED = {"DocumentType", "DocumentID", "Number", "UpdatedDateUTC", "ContentPath"}
NOON = int(START.timestamp() * 1000)


class Books:
    """A demo Xero and a tap that runs against it from time to time, with one state."""

    def __init__(self, xero: DemoXero, time: FakeTime, streams: Iterable[str]) -> None:
        self.xero = xero
        self.time = time
        self.streams = list(streams)
        self.state: dict[str, Any] = {}
        self.outputs: list[Output] = []

    def run(self, **options: Any) -> Output:  # noqa: ANN401
        """Run the tap once, an hour after it ran before; keep the last STATE."""
        self.time.sleep(3600)
        output = sync(self.xero, self.streams, state=self.state, clock=self.time.clock, **options)
        self.state = output.state
        self.outputs.append(output)
        return output

    def calls(self) -> list[Call]:
        """Return the calls of the last run, and forget them."""
        made = data_calls(self.xero)[self.seen :]
        self.seen = len(data_calls(self.xero))
        return made

    seen = 0

    def records(self, stream: str) -> list[dict[str, Any]]:
        """Return what all runs wrote of a stream."""
        return [record for output in self.outputs for record in output.records(stream)]

    def documents(self, stream: str) -> set[str]:
        """Return the documents of which some run wrote details."""
        return {record["DocumentID"] for record in self.records(stream)}

    def entries(self) -> set[tuple[str, int]]:
        """Return document and number of each entry of a history that some run wrote."""
        return {(record["DocumentID"], record["Number"]) for record in self.records("history")}

    def entries_of(self, invoices: Iterable[str]) -> set[tuple[str, int]]:
        """Return the same of all entries that Xero has for these invoices."""
        tell = self.xero.organisation.history
        return {
            (uid, number)
            for uid in invoices
            for number, _ in enumerate(tell("Invoices", uid), start=1)
        }


def books(*streams: str, stamps: Iterable[int] = (), attached: bool = True) -> Iterator[Books]:
    time = FakeTime()
    behaviour = Behaviour(pretty=False)
    with DemoXero(size=0, behaviour=behaviour, clock=lambda: time.now().timestamp()) as xero:
        given = rows("Invoices", stamps)
        if attached:
            given = [text[:-1] + b',"HasAttachments":true}' for text in given]
        xero.replace("Invoices", given)
        yield Books(xero, time, streams)


@pytest.fixture
def history() -> Iterator[Books]:
    yield from books("invoices", "history", stamps=spread(30))


@pytest.fixture
def attached() -> Iterator[Books]:
    yield from books("invoices", "attachments", stamps=spread(30))


@pytest.fixture
def both() -> Iterator[Books]:
    yield from books("invoices", "history", "attachments", stamps=spread(30))


def details(calls: Iterable[Call]) -> list[Call]:
    return [call for call in calls if "/History" in call.path or "/Attachments" in call.path]


def keys(output: Output, stream: str) -> Counter[tuple[Any, ...]]:
    names = STREAM_BY_ID[stream]
    return Counter(
        tuple(record[name] for name in names.key_properties) for record in output.records(stream)
    )


# What comes


@pytest.fixture(scope="module")
def xero() -> Iterator[DemoXero]:
    time = FakeTime()
    with DemoXero(size=40, clock=lambda: time.now().timestamp()) as server:
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


def test_attachments_are_asked_for_only_where_there_are_any() -> None:
    with DemoXero(size=40) as xero:
        sync(xero, ["invoices", "contacts", "quotes", "attachments"])
        asked = {call.path.split("/")[1] for call in details(data_calls(xero))}
        have = {
            each["InvoiceID"]
            for each in xero.organisation.rows("Invoices")
            if each["HasAttachments"]
        }
    assert asked == have
    assert 0 < len(have) < 40


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


# Calls


@pytest.mark.parametrize("limit", [0, 1, 7, 29, 30, 31])
def test_a_run_makes_no_more_calls_than_it_may(history: Books, limit: int) -> None:
    output = history.run(detail_calls_per_run=limit)
    assert len(details(history.calls())) == min(limit, 30)
    assert not summary.failures(output.runs)
    assert output.error is None


def test_it_goes_on_where_it_stopped_until_all_is_there(history: Books) -> None:
    for _ in range(5):
        history.run(detail_calls_per_run=7)
    assert history.documents("history") == expected(30)
    asked = [call.path for call in details(data_calls(history.xero))]
    assert len(asked) == len(set(asked)) == 30


def test_nothing_new_costs_no_call(both: Books) -> None:
    both.run()
    both.run()
    both.calls()
    output = both.run()
    assert [call.path for call in both.calls()] == ["Invoices"]
    assert output.records("history") == output.records("attachments") == []


def test_files_count_as_calls_and_a_document_is_taken_up_where_the_calls_ended(
    attached: Books, tmp_path: Path
) -> None:
    for _ in range(30):
        attached.run(detail_calls_per_run=3, attachments_dir=str(tmp_path))
        assert len(details(attached.calls())) <= 3
    assert attached.documents("attachments") == expected(30)
    for record in attached.records("attachments"):
        assert Path(record["ContentPath"]).read_bytes() == content(record["AttachmentID"])


def test_both_streams_get_their_share_and_what_one_leaves_is_for_the_other(both: Books) -> None:
    both.run(detail_calls_per_run=20)
    asked = Counter(call.path.rpartition("/")[2] for call in details(both.calls()))
    assert asked == {"History": 10, "Attachments": 10}
    both.streams.remove("attachments")
    both.run(detail_calls_per_run=15)
    both.streams.append("attachments")
    both.calls()
    both.run(detail_calls_per_run=25)
    asked = Counter(call.path.rpartition("/")[2] for call in details(both.calls()))
    assert asked == {"History": 5, "Attachments": 20}


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_with_a_call_or_two_a_run_everybody_gets_on_in_the_end(limit: int) -> None:
    streams = {"invoices": "Invoices", "manual_journals": "ManualJournals", "quotes": "Quotes"}
    for tried in books(*streams, *NAMES):
        for path in streams.values():
            tried.xero.replace(path, attached_rows(path, 4))
        for _ in range(24 // limit):
            tried.run(detail_calls_per_run=limit)
        for name in NAMES:
            told = {(each["DocumentType"], each["DocumentID"]) for each in tried.records(name)}
            assert told == {(stream, uid) for stream in streams for uid in expected(4)}


def attached_rows(path: str, count: int) -> list[bytes]:
    return [each[:-1] + b',"HasAttachments":true}' for each in rows(path, spread(count))]


def test_the_lists_of_a_stream_get_their_share(history: Books) -> None:
    history.xero.replace("ManualJournals", rows("ManualJournals", spread(30, every=30 * SECOND)))
    history.streams.insert(0, "manual_journals")
    for _ in range(3):
        history.run(detail_calls_per_run=4)
        asked = Counter(call.path.split("/")[0] for call in details(history.calls()))
        assert asked == {"Invoices": 2, "ManualJournals": 2}


@pytest.mark.parametrize("limit", [1, 2])
def test_a_list_that_changes_all_the_time_does_not_starve_the_others(
    history: Books, limit: int
) -> None:
    """Nor, with a call or two, does a stream the other."""
    history.xero.replace("ManualJournals", attached_rows("ManualJournals", 3))
    history.streams += ["manual_journals", "attachments"]
    busy = iter(range(1000))
    for _ in range(36 // limit):
        for _ in range(3):
            history.xero.edit("Invoices", f"row-{next(busy) % 30:06d}", Reference="changed")
        history.run(detail_calls_per_run=limit)
    for name in NAMES:
        told = [each for each in history.records(name) if each["DocumentType"] != "invoices"]
        assert {each["DocumentID"] for each in told} == expected(3), name


def test_the_day_that_is_used_up_ends_the_run_and_the_next_day_goes_on(history: Books) -> None:
    history.xero.behaviour.calls_per_day = 12
    errors = []
    for _ in range(6):
        history.time.sleep(24 * 3600)
        errors.append(type(history.run().error))
        if errors[-1] is type(None):
            break
    assert errors[0] is DayLimitError
    assert errors[-1] is type(None)
    assert history.documents("history") == expected(30)


# Positions


def test_more_documents_of_one_stamp_than_calls_get_on_from_run_to_run() -> None:
    for tied in books("invoices", "history", stamps=[FIRST] * 250 + [FIRST + SECOND]):
        for _ in range(7):
            tied.run(detail_calls_per_run=40, page_size=50)
        assert tied.documents("history") == expected(251)
        assert len(details(data_calls(tied.xero))) == 251


@pytest.mark.parametrize("limit", [9, 10, 11, 14, 17, 20])
def test_a_run_may_end_between_documents_of_one_stamp_on_two_pages(limit: int) -> None:
    stamps = [FIRST + number // 4 * 60 * SECOND for number in range(60)]
    for tied in books("invoices", "history", stamps=stamps):
        tied.xero.behaviour.list_order = "shuffled_ties"
        tied.xero.behaviour.honours_order = False
        for _ in range(60 // limit + 2):
            tied.run(detail_calls_per_run=limit, page_size=9)
        assert tied.documents("history") == expected(60)


def test_documents_edited_between_the_runs_come_again_and_none_is_missing(history: Books) -> None:
    for number in range(12):
        history.xero.edit("Invoices", f"row-{number * 2:06d}", Reference="changed")
        history.run(detail_calls_per_run=5)
    for _ in range(3):
        history.run()
    assert history.entries() == history.entries_of(expected(30))


@pytest.mark.parametrize("order", ["documented", "id", "desc"])
def test_documents_edited_while_they_are_walked_are_seen_by_the_next_run(
    history: Books, order: str
) -> None:
    edits = iter(range(29, -1, -1))

    def edit(xero: DemoXero, call: Call) -> None:
        history.time.sleep(1)
        if "History" in call.path and (number := next(edits, None)) is not None:
            xero.edit("Invoices", f"row-{number:06d}", Reference="changed")

    history.xero.behaviour.list_order = order
    history.xero.behaviour.honours_order = order == "documented"
    history.xero.before_call = edit
    for _ in range(4):
        history.run(page_size=7)
    history.xero.before_call = None
    history.run()
    told = Counter((each["DocumentID"], each["Changes"]) for each in history.records("history"))
    assert {uid for uid, changes in told if changes == "Edited"} == expected(30)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_xero_is_like_and_whoever_edits_what_no_entry_is_lost(seed: int) -> None:
    random = Random(seed)
    stamps = sorted(FIRST + random.choice([0, 1, 60, 4000]) * SECOND for _ in range(60))
    for tried in books("invoices", "history", "attachments", stamps=stamps):
        behaviour = tried.xero.behaviour
        behaviour.ims_inclusive = random.random() < 0.5
        behaviour.ims_precision = random.choice(["ms", "second", "minute", "day"])
        behaviour.list_order = random.choice(["documented", "id", "desc", "shuffled_ties"])
        behaviour.honours_order = random.random() < 0.5
        behaviour.pagination = random.choice(["right", "right", "missing", "too_small"])

        def edit(xero: DemoXero, _: Call, tried: Books = tried) -> None:
            tried.time.sleep(random.random())
            if random.random() < 0.1:
                xero.edit("Invoices", f"row-{random.randrange(60):06d}", Reference="changed")

        for _ in range(6):
            tried.xero.before_call = edit
            size = random.choice([7, 20, 1000])
            tried.run(page_size=size, detail_calls_per_run=random.choice([20, 50, 90]))
        tried.xero.before_call = None
        tried.run()
        tried.run()
        assert tried.entries() == tried.entries_of(expected(60))
        assert tried.documents("attachments") == expected(60)


def test_a_document_edited_as_the_run_begins_is_left_to_the_next(history: Books) -> None:
    history.run()
    history.time.sleep(3600 - 2)
    uid = history.xero.edit("Invoices", "row-000003", Reference="changed")
    history.time.sleep(-3598)
    assert history.run().records("history") == []
    assert {each["DocumentID"] for each in history.run().records("history")} == {uid}


def test_a_document_that_shows_up_late_with_an_older_stamp_is_not_lost(history: Books) -> None:
    """It was committed a moment after one with a later stamp; no position passes that moment."""
    late = NOON + 3600 * SECOND - 3 * SECOND
    history.xero.insert("Invoices", row("Invoices", "early", late + SECOND))
    history.run()
    history.xero.insert("Invoices", row("Invoices", "late", late))
    history.run()
    assert {"early", "late"} <= history.documents("history")


def test_so_it_is_by_xeros_clock_if_ours_is_wrong(history: Books) -> None:
    history.xero.clock = lambda: history.time.now().timestamp() - 7200
    late = NOON + 3600 * SECOND - 7203 * SECOND
    history.xero.insert("Invoices", row("Invoices", "early", late + SECOND))
    history.run()
    assert "early" not in history.documents("history")
    history.xero.insert("Invoices", row("Invoices", "late", late))
    history.run()
    assert {"early", "late"} <= history.documents("history")


def test_the_state_says_how_far_each_list_has_come(both: Books) -> None:
    marks = both.run(detail_calls_per_run=8).state["bookmarks"]
    assert marks["history"] == marks["attachments"]
    assert marks["history"]["invoices"] == {
        "UpdatedDateUTC": "2026-06-01T00:03:00.000000Z",
        "DocumentID": "row-000003",
    }
    whole = both.run().state["bookmarks"]
    assert set(whole["history"]["invoices"]) == {"UpdatedDateUTC"}
    assert whole["history"]["invoices"] == whole["invoices"]


@pytest.mark.parametrize(
    "kept", ["x", {"invoices": 3}, {"invoices": {}}, {"invoices": {"UpdatedDateUTC": "soon"}}]
)
def test_a_position_that_cannot_be_read_is_named_before_the_first_call(
    history: Books, kept: object
) -> None:
    output = sync(history.xero, history.streams, state={"bookmarks": {"history": kept}})
    assert isinstance(output.error, InputError)
    assert "state: the bookmark of stream history for " in str(output.error)
    assert output.raw == b""
    assert data_calls(history.xero) == []


# Kills


@pytest.mark.parametrize("part", range(1, 16, 2))
def test_a_run_cut_at_any_byte_is_taken_up_without_a_gap(
    both: Books, tmp_path: Path, part: int
) -> None:
    options: dict[str, Any] = {"attachments_dir": str(tmp_path / "files"), "clock": both.time.clock}
    both.time.sleep(3600)
    whole = len(sync(both.xero, both.streams, **options).raw)
    cut = Pipe(whole * part // 16 + part)
    with pytest.raises(KilledError):
        sync(both.xero, both.streams, sink=cut, **options)
    first = up_to_the_last_state(bytes(cut.kept))
    second = sync(both.xero, both.streams, state=first.state, **options)
    for name in NAMES:
        told = {each["DocumentID"] for each in [*first.records(name), *second.records(name)]}
        assert told == expected(30)


@pytest.mark.parametrize("after", [26_000, 34_001])
def test_a_process_killed_by_sigkill_leaves_no_gap_and_no_half_file(
    both: Books, tmp_path: Path, after: int
) -> None:
    both.xero.clock = time.time
    both.xero.behaviour.latency = 0.005
    files = tmp_path / "files"
    config = both.xero.config(attachments_dir=str(files), calls_per_minute=10_000)
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "catalog.json").write_text(json.dumps(catalog_of(both.streams)))
    first = up_to_the_last_state(killed(tmp_path, after))
    assert 0 < len(first.records("history")) < 30
    whole = [path for path in files.rglob("*") if path.is_file() and path.suffix != ".part"]
    assert whole
    for path in whole:
        assert path.read_bytes() == content(path.name[:36])
    clock = FakeTime().clock
    second = sync(
        both.xero, both.streams, state=first.state, attachments_dir=str(files), clock=clock
    )
    assert second.error is None
    for name in NAMES:
        told = [*first.records(name), *second.records(name)]
        assert {each["DocumentID"] for each in told} == expected(30)


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


def miss(tried: Books, documents: Collection[str]) -> None:
    """Let Xero have no details of these, for now."""
    tried.xero.fail(
        Fault.status(404),
        on=lambda call: call.path.split("/")[1:2] in [[d] for d in documents],
        times=None,
    )


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


def test_the_outcome_says_so_also_where_the_files_of_a_document_are_left(
    attached: Books, tmp_path: Path
) -> None:
    while attached.documents("attachments") != expected(4):
        output = attached.run(detail_calls_per_run=2, attachments_dir=str(tmp_path))
        assert outcome(output, "attachments") == "to be continued"
    assert outcome(attached.run(attachments_dir=str(tmp_path)), "attachments") == "complete"


def outcome(output: Output, stream: str) -> str:
    figures = summary.summary(output.runs, State({}, "state", 0), Usage(), 0.0)
    return str(figures["streams"][stream]["outcome"])


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


# Files


def test_the_content_is_downloaded_once_and_whole(attached: Books, tmp_path: Path) -> None:
    attached.run(attachments_dir=str(tmp_path))
    for record in attached.records("attachments"):
        path = tmp_path / "invoices" / record["DocumentID"]
        path /= f"{record['AttachmentID']}-{record['FileName']}"
        assert record["ContentPath"] == str(path)
        assert path.read_bytes() == content(record["AttachmentID"])
    attached.calls()
    attached.xero.edit("Invoices", "row-000005", Reference="changed")
    attached.run(attachments_dir=str(tmp_path))
    assert [call.path for call in details(attached.calls())] == ["Invoices/row-000005/Attachments"]


def test_a_file_that_is_not_whole_is_fetched_again(attached: Books, tmp_path: Path) -> None:
    attached.run(attachments_dir=str(tmp_path))
    (record, *_) = attached.records("attachments")
    path = Path(record["ContentPath"])
    path.write_bytes(path.read_bytes()[:10])
    path.with_name(f"{path.name}.part").write_bytes(b"left behind")
    attached.xero.edit("Invoices", record["DocumentID"], Reference="changed")
    attached.run(attachments_dir=str(tmp_path))
    assert path.read_bytes() == content(record["AttachmentID"])
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("length", [{}, {"ContentLength": None}, {"ContentLength": 3}])
def test_a_length_that_is_untrue_or_not_told_holds_up_no_document(
    tmp_path: Path, length: dict[str, Any]
) -> None:
    long_ago = 1_600_000_000_000  # before the clock by which this machine stamps its files
    listed = [
        row("Invoices", uid, long_ago)[:-1] + b',"HasAttachments":true}' for uid in ("a", "b")
    ]
    files = [{"AttachmentID": uid, "FileName": "x.pdf", **length} for uid in ("c", "d", "e")]
    answers = {
        "Invoices": b'{"Invoices":[' + b",".join(listed) + b"]}",
        "Invoices/Attachments": json.dumps({"Attachments": files}).encode(),
    }
    state: dict[str, Any] = {}
    records: list[dict[str, Any]] = []
    options: dict[str, Any] = {
        "detail_calls_per_run": 2,
        "attachments_dir": str(tmp_path),
        "start_date": "2020-01-01",
    }
    with DemoXero(size=0, answers=answers) as xero:
        for _ in range(6):
            output = sync(xero, ["invoices", "attachments"], state=state, **options)
            state = output.state
            records += output.records("attachments")
        fetched = Counter(c.path for c in details(data_calls(xero)) if "Attachments/" in c.path)
    assert Counter(each["DocumentID"] for each in records) == {"a": 3, "b": 3}
    # Only the same wrong length, twice, shows that it is the length itself that is wrong.
    assert set(fetched.values()) == {2 if length.get("ContentLength") else 1}
    for record in records:
        assert Path(record["ContentPath"]).read_bytes() == content(record["AttachmentID"])


NO_FILES = {
    "a login page": Fault.html200(),
    "an error in JSON": Fault.status(200, {"Content-Type": "application/json"}, b'{"Error":"x"}'),
    "204": Fault.status(204),
    "304": Fault.status(304),
    "nothing": Fault.status(200, {"Content-Type": "application/pdf"}),
    "a part": Fault.status(200, {"Content-Type": "application/pdf"}, b"%PDF"),
}


@pytest.mark.parametrize("fault", NO_FILES.values(), ids=NO_FILES)
def test_what_is_not_the_file_is_asked_for_again_and_never_kept(
    attached: Books, tmp_path: Path, fault: Fault
) -> None:
    attached.xero.fail(fault, on=lambda call: "Attachments/" in call.path)
    output = attached.run(attachments_dir=str(tmp_path))
    assert output.error is None
    for record in attached.records("attachments"):
        assert Path(record["ContentPath"]).read_bytes() == content(record["AttachmentID"])
    assert len(list(tmp_path.rglob("*-*.*"))) == len(attached.records("attachments"))


def test_without_a_folder_nothing_is_downloaded(attached: Books) -> None:
    attached.run()
    assert {each["ContentPath"] for each in attached.records("attachments")} == {None}
    assert all(call.path.endswith("/Attachments") for call in details(attached.calls()))


HOSTILE = [
    "../../etc/passwd",
    "/etc/passwd",
    "..",
    "",
    "a\x00b.txt",
    "C:\\Windows\\system32.dll",
    "x" * 5000 + ".pdf",
    "é" * 5000,
    "con.",
    "a\u202egpj.exe",
    "line\nbreak.txt",
    ".hidden",
    "a." + "b" * 300,
]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_file_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    listed = row("Invoices", "a:b", FIRST)[:-1] + b',"HasAttachments":true}'
    file = {"AttachmentID": "c:d", "FileName": name, "MimeType": "a/b\r\nX: y"}
    answers = {
        "Invoices": b'{"Invoices":[' + listed + b"]}",
        "Invoices/Attachments": json.dumps({"Attachments": [file]}).encode(),
    }
    folder = tmp_path / "files"
    with DemoXero(size=0, answers=answers) as xero:
        output = sync(xero, ["invoices", "attachments"], attachments_dir=str(folder))
        asked = [call for call in data_calls(xero) if "octet-stream" in call.headers["accept"]]
        assert asked[0].headers["contenttype"] == "application/octet-stream"
    (record,) = output.records("attachments")
    assert record["FileName"] == name
    kept = Path(record["ContentPath"])
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [kept]
    assert kept.parent.parent == folder / "invoices"
    assert kept.resolve() == kept
    assert len(kept.name.encode()) < 255
    assert kept.name.isprintable()


@pytest.mark.parametrize("uid", ["../../x", "/x", "..", "", "x/../../../y", "é" * 500])
def test_no_id_leads_out_of_the_folder(tmp_path: Path, uid: str) -> None:
    path = place(tmp_path, "invoices", uid, uid, "z" * 300 + ".pdf")
    assert path.parent.parent == tmp_path / "invoices"
    assert path.resolve() == path
    save(path, b"z")
    assert path.read_bytes() == b"z"


def test_a_folder_that_cannot_be_written_is_one_line_before_the_run(
    attached: Books, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    config, chosen = tmp_path / "config.json", tmp_path / "catalog.json"
    config.write_text(
        json.dumps(attached.xero.config(attachments_dir=str(tmp_path / "file" / "x")))
    )
    chosen.write_text(json.dumps(catalog_of(attached.streams)))
    done = tap("--config", str(config), "--catalog", str(chosen))
    critical = [line for line in log_lines(done.stderr) if line.startswith("CRITICAL")]
    assert done.returncode == 1
    assert len(critical) == 1
    assert critical[0].startswith("CRITICAL attachments_dir: ")
    assert "Not a directory" in critical[0]
    assert done.stdout == b""
    assert data_calls(attached.xero) == []


def test_a_folder_that_breaks_during_the_run_ends_the_attachments_only(
    both: Books, tmp_path: Path
) -> None:
    (tmp_path / "invoices").write_text("in the way")
    output = both.run(attachments_dir=str(tmp_path))
    assert [run.name for run in summary.failures(output.runs)] == ["attachments"]
    assert "cannot be written" in str(output.runs[2].error)
    assert both.documents("history") == expected(30)
    (tmp_path / "invoices").unlink()
    both.run(attachments_dir=str(tmp_path))
    assert both.documents("attachments") == expected(30)


def test_one_call_a_run_is_too_few_for_files(attached: Books, tmp_path: Path) -> None:
    output = attached.run(attachments_dir=str(tmp_path), detail_calls_per_run=1)
    assert isinstance(output.error, InputError)
    assert "a file takes two calls" in str(output.error)


def test_a_file_that_is_gone_leaves_its_record(attached: Books, tmp_path: Path) -> None:
    attached.xero.fail(
        Fault.status(404), on=lambda call: "row-000003/Attachments/" in call.path, times=None
    )
    attached.run(attachments_dir=str(tmp_path))
    assert attached.documents("attachments") == expected(30)
    without = [each for each in attached.records("attachments") if each["ContentPath"] is None]
    assert {each["DocumentID"] for each in without} == {"row-000003"}


def test_attachments_without_an_id_or_with_one_twice_have_keys_of_their_own() -> None:
    listed = row("Invoices", "x", FIRST)[:-1] + b',"HasAttachments":true}'
    files = b'[{"AttachmentID":"a"},{"AttachmentID":"a"},{"FileName":"b"}]'
    answers = {
        "Invoices": b'{"Invoices":[' + listed + b"]}",
        "Invoices/Attachments": b'{"Attachments":' + files + b"}",
    }
    with DemoXero(size=0, answers=answers) as xero:
        output = sync(xero, ["invoices", "attachments"])
    assert [each["AttachmentID"] for each in output.records("attachments")] == ["a", "2", "3"]


# Others


@pytest.mark.parametrize("line_tables", [False, True])
def test_other_streams_are_as_without_them(line_tables: bool) -> None:  # noqa: FBT001
    names = ["invoices", "contacts", "trial_balance"]
    time = FakeTime()
    with DemoXero(size=20, clock=lambda: time.now().timestamp()) as xero:
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
