"""The calls of a run are shared out: between streams, lists and documents."""

from __future__ import annotations

from collections import Counter

import pytest

from tap_xero.commands import summary
from tap_xero.errors import DayLimitError
from tests.support.details import NAMES, Books, attached_rows, books, details
from tests.support.rows import SECOND, data_calls, expected, rows, spread


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
