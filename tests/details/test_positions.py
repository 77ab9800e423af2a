"""A run starts where the last one ended, whatever happened between them."""

from __future__ import annotations

import json
import time
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from tap_xero.demo.books.histories import content
from tap_xero.errors import InputError
from tests.support.details import NAMES, NOON, Books, books, details
from tests.support.fake_clock import FakeTime
from tests.support.killed_runs import KilledError, Pipe, killed, up_to_the_last_state
from tests.support.rows import FIRST, SECOND, data_calls, expected, row
from tests.support.run_tap import catalog_of, sync

if TYPE_CHECKING:
    from pathlib import Path

    from tap_xero.demo import Call, DemoXero


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
