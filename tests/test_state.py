"""Bookmarks cover what is written and nothing else; states of tap-xero 2.x are taken over."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from tap_xero import dates
from tap_xero.demo import Behaviour, DemoXero, Fault, Tenant
from tap_xero.errors import DayLimitError, InputError
from tests.support.fake_clock import FakeTime
from tests.support.rows import (
    DAY,
    FIRST,
    SECOND,
    bookmark,
    data_calls,
    expected,
    keys,
    row,
    rows,
    spread,
)
from tests.support.run_tap import catalog_of, sync, tap

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tap_xero.demo import Call
    from tests.support.run_tap import Output

NOON = dates.to_ms_of(datetime(2026, 7, 1, 12, tzinfo=timezone.utc))  # the fake clock's start
HOUR = 3600 * SECOND


def serve(stamps: Sequence[int | None], path: str = "Invoices") -> DemoXero:
    xero = DemoXero(size=0, behaviour=Behaviour(pretty=False), clock=lambda: NOON / 1000)
    xero.replace(path, rows(path, stamps))
    return xero


def kept(moment: str, stream: str = "invoices") -> dict[str, Any]:
    return {"bookmarks": {stream: {"UpdatedDateUTC": moment}}}


def read(xero: DemoXero, state: dict[str, Any], **options: Any) -> Any:  # noqa: ANN401
    return sync(xero, ["invoices"], state=state, clock=FakeTime().clock, **options)


def asked_since(xero: DemoXero) -> str:
    return data_calls(xero)[0].headers["if-modified-since"]


def test_the_bookmark_is_the_last_stamp_that_was_written() -> None:
    with serve(spread(30)) as xero:
        assert bookmark(read(xero, {}), "invoices") == dates.to_rfc3339(spread(30)[-1])


def test_a_bookmark_never_passes_the_start_of_the_run() -> None:
    with serve([FIRST, NOON + 90 * SECOND]) as xero:
        output = read(xero, {})

        assert set(keys(output, "invoices")) == expected(2)
        assert bookmark(output, "invoices") == "2026-07-01T12:00:00.000000Z"


def test_a_bookmark_never_passes_the_start_by_xeros_clock() -> None:
    with serve([FIRST, NOON - 60 * SECOND]) as xero:
        xero.clock = lambda: NOON / 1000 - 3600
        assert bookmark(read(xero, {}), "invoices") == "2026-07-01T11:00:00.000000Z"


def test_a_bookmark_never_moves_back() -> None:
    with serve(spread(5)) as xero:
        output = read(xero, kept("2026-06-20T00:00:00.000000Z"))

        assert bookmark(output, "invoices") == "2026-06-20T00:00:00.000000Z"


def test_a_bookmark_in_the_future_does_not_hide_what_is_new() -> None:
    with serve([NOON - SECOND]) as xero:
        output = read(xero, kept("2027-01-01T00:00:00.000000Z"))

        assert set(keys(output, "invoices")) == expected(1)
        assert bookmark(output, "invoices") == dates.to_rfc3339(NOON - SECOND)


def test_nothing_is_lost_after_a_state_that_2x_left_13_hours_late() -> None:
    """Its last run was an hour ago, for a Xero whose stamps carry +1300."""
    time = FakeTime()
    with serve([NOON - HOUR // 2]) as xero:
        xero.clock = time.timestamp
        state = kept(dates.to_rfc3339(NOON - HOUR + 13 * HOUR))
        read_keys: set[str] = set()
        for number in range(1, 16):
            output = sync(xero, ["invoices"], state=state, clock=time.clock)
            read_keys |= set(keys(output, "invoices"))
            state = output.state
            time.sleep(1800)
            made = dates.to_ms_of(time.now())
            xero.insert("Invoices", row("Invoices", f"row-{number:06d}", made))
            time.sleep(1800)

    assert read_keys == expected(15)


def test_a_bookmark_in_the_future_is_set_back_at_once_with_a_warning_for_its_stream(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with serve([]) as xero:
        first = read(xero, kept("2027-01-01T00:00:00.000000Z"))
        read(xero, first.state)

    states = [each["value"] for each in first.messages if each["type"] == "STATE"]
    marks = {each["bookmarks"]["invoices"]["UpdatedDateUTC"] for each in states}
    assert marks == {"2026-06-30T22:00:00.000000Z"}
    (warning,) = (each.message for each in caplog.records if "in the future" in each.message)
    assert warning.startswith("invoices: the bookmark 2027-01-01")


def test_a_bookmark_that_xeros_clock_has_not_reached_does_not_hide_what_is_new() -> None:
    """Our clock is two hours fast, so it is Xero's that tells that the bookmark is false."""
    time = FakeTime()
    with serve([NOON - 4 * HOUR, NOON - 3 * HOUR]) as xero:
        xero.clock = lambda: time.now().timestamp() - 2 * 3600
        first = sync(xero, ["invoices"], state=kept("2026-07-01T11:00:00Z"), clock=time.clock)
        xero.insert("Invoices", row("Invoices", "row-000002", NOON - 2 * HOUR + 60 * SECOND))
        time.sleep(1800)
        second = sync(xero, ["invoices"], state=first.state, clock=time.clock)

    assert bookmark(first, "invoices") == "2026-06-30T20:00:00.000000Z"
    assert set(keys(second, "invoices")) == expected(3)
    assert bookmark(second, "invoices") == "2026-07-01T10:01:00.000000Z"


@pytest.mark.parametrize(
    ("lookback", "asked"),
    [(5, "2026-06-09T23:59:55"), (3600, "2026-06-09T23:00:00"), (0, "2026-06-09T23:59:59")],
)
def test_a_sync_looks_back_as_far_as_configured_and_a_second_at_least(
    lookback: int, asked: str
) -> None:
    with serve([]) as xero:
        read(xero, kept("2026-06-10T00:00:00.000000Z"), lookback_seconds=lookback)

        assert asked_since(xero) == asked


def test_without_a_bookmark_a_stream_starts_at_the_start_date() -> None:
    with serve(spread(10, every=86_400_000)) as xero:
        output = read(xero, {}, start_date="2026-06-05T12:00:00Z")

        assert asked_since(xero) == "2026-06-04T11:59:59", "else a filter might cut the day short"
        assert set(keys(output, "invoices")) == {f"row-{number:06d}" for number in range(5, 10)}


@pytest.mark.parametrize("value", ["yesterday", "2026-02-30", 17, ["2026-01-01"], "12:00"])
def test_a_bookmark_that_cannot_be_read_names_its_stream(value: object) -> None:
    with serve([]) as xero, pytest.raises(InputError, match="stream invoices cannot be read"):
        sync_or_raise(xero, "invoices", {"bookmarks": {"invoices": {"UpdatedDateUTC": value}}})


@pytest.mark.parametrize("value", ["many", [1], {"a": 1}, float("inf")])
def test_a_journal_number_that_cannot_be_read_names_its_stream(value: object) -> None:
    with serve([]) as xero, pytest.raises(InputError, match="of stream journals cannot be read"):
        sync_or_raise(xero, "journals", {"bookmarks": {"journals": {"JournalNumber": value}}})


@pytest.mark.parametrize(
    "value", [[], "text", {"bookmarks": []}, {"bookmarks": "none"}, {"read_with": 1}]
)
def test_what_is_no_state_is_refused(value: Any) -> None:  # noqa: ANN401
    from tap_xero.state import State

    with pytest.raises(InputError, match="not a state"):
        State(value, "state.json", NOON)


def sync_or_raise(xero: DemoXero, stream: str, state: dict[str, Any]) -> None:
    error = sync(xero, [stream], state=state).error
    if error:
        raise error


def test_state_messages_keep_bookmarks_of_streams_that_are_not_selected() -> None:
    with serve(spread(3)) as xero:
        output = read(xero, kept("2026-01-01T00:00:00Z", "payments"))

        assert bookmark(output, "payments") == "2026-01-01T00:00:00Z"


def test_every_state_comes_after_the_records_it_covers() -> None:
    with serve(spread(500, every=30 * SECOND)) as xero:
        output = read(xero, {}, page_size=100)

    written: set[int] = set()
    for message in output.messages:
        if message["type"] == "RECORD":
            written.add(dates.from_rfc3339(message["record"]["UpdatedDateUTC"]))
        elif message["type"] == "STATE" and message["value"]["bookmarks"]:
            covered = message["value"]["bookmarks"]["invoices"]["UpdatedDateUTC"]
            limit = dates.from_rfc3339(covered)
            assert {stamp for stamp in spread(500, every=30 * SECOND) if stamp <= limit} <= written


def test_a_stream_goes_on_where_the_calls_of_the_day_ran_out() -> None:
    with serve(spread(4000)) as xero:
        day_is_over = Fault.status(429, {"X-Rate-Limit-Problem": "day", "Retry-After": "3600"})
        xero.fail(day_is_over, on=30, times=None)
        first = read(xero, {}, page_size=100)
        xero.faults.clear()
        before = len(data_calls(xero))
        second = read(xero, first.state, page_size=100)

        assert isinstance(first.error, DayLimitError)
        assert first.state["currently_syncing"] == "invoices"
        assert set(keys(first, "invoices")) | set(keys(second, "invoices")) == expected(4000)
        assert len(data_calls(xero)) - before <= 14


# Full tables


def test_an_incremental_stream_set_to_full_table_is_read_whole_with_a_version() -> None:
    whole = catalog_of(["invoices"], replication_method="FULL_TABLE")
    with serve(spread(50)) as xero:
        output = sync(xero, catalog=whole, state=kept("2026-06-20T00:00:00Z"))

    versions = {each["version"] for each in output.messages if each["type"] == "RECORD"}
    activated = [each for each in output.messages if each["type"] == "ACTIVATE_VERSION"]
    assert set(keys(output, "invoices")) == expected(50)
    assert versions == {each["version"] for each in activated}
    assert output.types("invoices")[-1] == "ACTIVATE_VERSION"
    assert bookmark(output, "invoices") == "2026-06-20T00:00:00Z"


def test_a_full_table_that_was_not_read_to_its_end_activates_nothing() -> None:
    whole = catalog_of(["invoices", "linked_transactions"], replication_method="FULL_TABLE")
    with serve(spread(500)) as xero:
        xero.fail(Fault.status(404), on=lambda call: call.params.get("page") == "2", times=None)
        xero.fail(Fault.status(404), on=_seeks_on, times=None)
        output = sync(xero, catalog=whole, page_size=100)

    assert output.records("invoices")
    assert "ACTIVATE_VERSION" not in output.types("invoices")
    assert not output.runs[0].complete


def _seeks_on(call: Call) -> bool:
    return call.headers.get("if-modified-since", "") > "2026"


# Journals


def journals(xero: DemoXero, numbers: Sequence[int]) -> None:
    xero.replace(
        "Journals",
        [
            b'{"JournalID":"j%d","JournalNumber":%d,"CreatedDateUTC":"/Date(%d+0000)/"}'
            % (number, number, FIRST + number)
            for number in numbers
        ],
    )


@pytest.mark.parametrize("partial", [True, False])
def test_journals_are_read_by_number_through_gaps_and_part_filled_answers(*, partial: bool) -> None:
    numbers = [3, *range(10, 450, 3), 5000, 5001, *range(90_000, 90_150)]
    with serve([]) as xero:
        xero.behaviour.partial_journals = partial
        journals(xero, numbers)
        first = sync(xero, ["journals"], clock=FakeTime().clock)
        journals(xero, [*numbers, 90_150, 95_000])
        second = sync(xero, ["journals"], state=first.state, clock=FakeTime().clock)

        assert [each["JournalNumber"] for each in first.records("journals")] == numbers
        late = [number for number in numbers if number > 90_149 - 100]
        got = [each["JournalNumber"] for each in second.records("journals")]
        assert got == [*late, 90_150, 95_000]
        assert bookmark(second, "journals") == 95_000


def test_a_journal_that_appears_below_a_number_already_read_is_read_with_the_next_news() -> None:
    read = [number for number in range(1, 51) if number != 40]
    with serve([]) as xero:
        journals(xero, read)
        first = sync(xero, ["journals"], clock=FakeTime().clock)
        journals(xero, range(1, 52))
        second = sync(xero, ["journals"], state=first.state, clock=FakeTime().clock)

    numbers = {each["JournalNumber"] for each in second.records("journals")}
    assert {40, 51} <= numbers
    assert bookmark(second, "journals") == 51


def test_journals_with_nothing_new_cost_one_call() -> None:
    with serve([]) as xero:
        journals(xero, range(1, 20))
        output = sync(xero, ["journals"], state={"bookmarks": {"journals": {"JournalNumber": 19}}})

        assert len(data_calls(xero)) == 1
        assert bookmark(output, "journals") == 19


# What a bookmark was read with


def contacts(xero: DemoXero, **statuses: str) -> None:
    stamps = spread(len(statuses), every=HOUR)
    xero.replace(
        "Contacts",
        [
            {"ContactID": uid, "ContactStatus": status, "UpdatedDateUTC": f"/Date({stamp}+0000)/"}
            for (uid, status), stamp in zip(statuses.items(), stamps, strict=True)
        ],
    )


def contact_ids(output: Output) -> set[str]:
    return {record["ContactID"] for record in output.records("contacts")}


def anew(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        each.message for each in caplog.records if "reading again from the start" in each.message
    ]


def test_archived_contacts_that_are_asked_for_later_come(caplog: pytest.LogCaptureFixture) -> None:
    time = FakeTime()
    with serve([]) as xero:
        contacts(xero, old="ARCHIVED", middle="ARCHIVED", new="ACTIVE")
        without = sync(xero, ["contacts", "invoices"], clock=time.clock)
        streams, state = ["contacts", "invoices"], without.state
        wide = sync(xero, streams, state=state, include_archived_contacts=True, clock=time.clock)
        again = sync(
            xero, streams, state=wide.state, include_archived_contacts=True, clock=time.clock
        )

    assert contact_ids(without) == {"new"}
    assert contact_ids(wide) == {"old", "middle", "new"}
    assert contact_ids(again) == {"new"}  # by `lookback_seconds`
    (warning,) = anew(caplog)
    assert warning.endswith("now wants more: contacts (archived contacts)")


def test_a_contact_that_is_archived_after_it_was_read_comes_once_more() -> None:
    with serve([]) as xero:
        contacts(xero, one="ACTIVE", two="ACTIVE", older="ARCHIVED", three="ACTIVE", old="ARCHIVED")
        first = sync(xero, ["contacts"], clock=FakeTime().clock)
        xero.edit("Contacts", "one", ContactStatus="ARCHIVED")
        second = sync(xero, ["contacts"], state=first.state, clock=FakeTime().clock)
        third = sync(xero, ["contacts"], state=second.state, clock=FakeTime().clock)

    assert contact_ids(first) == {"one", "two", "three"}
    assert {row["ContactID"]: row["ContactStatus"] for row in second.records("contacts")} == {
        "one": "ARCHIVED",
        "three": "ACTIVE",
    }
    assert contact_ids(third) == {"one"}, "that is where the bookmark is now"


def test_invoices_from_the_start_date_on_find_their_contacts_accounts_and_items() -> None:
    streams = ["invoices", "contacts", "accounts", "items", "users"]
    with DemoXero(size=200) as xero:
        output = sync(xero, streams, start_date="2024-01-01", include_archived_contacts=True)
        literal = sync(xero, streams, start_date="2024-01-01", start_date_applies_to_all=True)
        books = {path: len(xero.organisation.rows(path)) for path in ("Contacts", "Accounts")}

    lines = [line for row in output.records("invoices") for line in row["LineItems"]]
    assert lines
    contacts = {row["ContactID"] for row in output.records("contacts")}
    accounts = {row["Code"] for row in output.records("accounts")}
    items = {row["Code"] for row in output.records("items")}
    assert {row["Contact"]["ContactID"] for row in output.records("invoices")} <= contacts
    assert {line["AccountCode"] for line in lines if line.get("AccountCode")} <= accounts
    assert {line["ItemCode"] for line in lines if line.get("ItemCode")} <= items
    assert len(output.records("contacts")) == books["Contacts"]
    assert len(output.records("accounts")) == books["Accounts"]
    assert len(literal.records("accounts")) < books["Accounts"]


def test_master_lists_that_3_0_0_read_from_the_start_date_are_read_whole_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    moment = "2026-01-01T00:00:00.000000Z"
    state = kept(moment, "accounts") | {"read_with": {"accounts": {"start_date": moment}}}
    with DemoXero(size=10) as xero:
        whole = sync(xero, ["accounts"], state=state, start_date="2026-01-01")
        again = sync(xero, ["accounts"], state=whole.state, start_date="2026-01-01")
        everything = len(xero.organisation.rows("Accounts"))

    assert len(whole.records("accounts")) == everything
    assert len(again.records("accounts")) < everything
    (warning,) = anew(caplog)
    assert warning.endswith("accounts (records before start_date)")


def test_contacts_that_were_archived_before_they_were_read_come_when_they_are_asked_for() -> None:
    with serve([]) as xero:
        contacts(xero, one="ACTIVE", old="ARCHIVED", two="ACTIVE")
        first = sync(xero, ["contacts"], clock=FakeTime().clock)
        state = first.state
        second = sync(
            xero, ["contacts"], state=state, include_archived_contacts=True, clock=FakeTime().clock
        )
        third = sync(xero, ["contacts"], state=second.state, clock=FakeTime().clock)
        fourth = sync(
            xero,
            ["contacts"],
            state=third.state,
            include_archived_contacts=True,
            clock=FakeTime().clock,
        )

    assert contact_ids(first) == {"one", "two"}
    assert contact_ids(second) == {"one", "old", "two"}
    assert contact_ids(fourth) == {"two"}, "read once, archived contacts are not read again"


def test_records_before_the_bookmark_come_when_the_start_date_moves_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with serve(spread(10, every=DAY)) as xero:
        late = read(xero, {}, start_date="2026-06-06")
        early = read(xero, late.state, start_date="2026-06-03")
        again = read(xero, early.state, start_date="2026-06-03")

    assert set(keys(late, "invoices")) == {f"row-{number:06d}" for number in range(5, 10)}
    assert set(keys(early, "invoices")) == {f"row-{number:06d}" for number in range(2, 10)}
    assert set(keys(again, "invoices")) == {"row-000009"}
    assert bookmark(early, "invoices") == dates.to_rfc3339(spread(10, every=DAY)[-1])
    (warning,) = anew(caplog)
    assert warning.endswith("now wants more: invoices (an earlier start_date)")


def test_a_later_start_date_and_back_again_reads_nothing_anew() -> None:
    with serve(spread(10, every=DAY)) as xero:
        early = read(xero, {}, start_date="2026-06-03")
        late = read(xero, early.state, start_date="2026-06-20")
        again = read(xero, late.state, start_date="2026-06-03")

    assert set(keys(late, "invoices")) == set(keys(again, "invoices")) == {"row-000009"}


def test_reading_anew_goes_on_where_the_calls_of_the_day_ran_out() -> None:
    with serve(spread(2000)) as xero:
        late = read(xero, {}, start_date="2026-06-02", page_size=100)
        day_is_over = Fault.status(429, {"X-Rate-Limit-Problem": "day", "Retry-After": "3600"})
        xero.fail(day_is_over, on=10, times=None)
        cut = read(xero, late.state, start_date="2026-06-01", page_size=100)
        xero.faults.clear()
        rest = read(xero, cut.state, start_date="2026-06-01", page_size=100)

    assert isinstance(cut.error, DayLimitError)
    assert not set(keys(cut, "invoices")) >= expected(2000)
    assert set(keys(cut, "invoices")) | set(keys(rest, "invoices")) == expected(2000)


def test_closed_months_come_on_a_basis_that_is_asked_for_later() -> None:
    options: dict[str, Any] = {"start_date": "2026-01-01", "report_refresh_months": 1}
    with DemoXero(size=20) as xero:
        clock = FakeTime().clock
        accrual = sync(xero, ["trial_balance"], clock=clock, **options)
        both = options | {"report_basis": "both"}
        second = sync(xero, ["trial_balance"], state=accrual.state, clock=clock, **both)
        third = sync(xero, ["trial_balance"], state=second.state, clock=clock, **both)
        narrow = sync(xero, ["trial_balance"], state=third.state, clock=clock, **options)

    assert months(second, "cash") == months(accrual, "accrual")
    assert {month[:7] for month in months(second, "cash")} >= {"2026-01", "2026-07"}
    assert {month[:7] for month in months(third, "cash")} == {"2026-06", "2026-07"}
    assert {month[:7] for month in months(narrow, "accrual")} == {"2026-06", "2026-07"}


def months(output: Output, basis: str) -> set[str]:
    records = output.records("trial_balance")
    return {each["PeriodEndDate"] for each in records if each["Basis"] == basis}


def organisation(uid: str, stamps: Sequence[int], numbers: Sequence[int]) -> DemoXero:
    xero = serve(stamps)
    xero.behaviour.organisations = (Tenant(uid, "Demo Company (UK)"),)
    journals(xero, numbers)
    return xero


@pytest.mark.parametrize("named", [True, False])
def test_another_organisation_is_read_from_the_start_with_the_state_of_the_one_before(
    caplog: pytest.LogCaptureFixture, *, named: bool
) -> None:
    """Xero resets its demo company every 28 days: new id, and journals begin at 1 again."""
    streams = ["invoices", "journals"]
    options: dict[str, Any] = {"clock": FakeTime().clock} | ({} if named else {"tenant_id": None})
    with organisation("before", spread(30, every=HOUR), range(1, 30)) as xero:
        before = sync(xero, streams, **options)
    with organisation("after", spread(10, every=HOUR), range(1, 10)) as xero:
        after = sync(xero, streams, state=before.state, **options)
        again = sync(xero, streams, state=after.state, **options)

    assert set(keys(after, "invoices")) == expected(10)
    assert len(after.records("journals")) == 9
    assert len(again.records("journals")) == 0
    assert bookmark(after, "journals") == 9
    (warning,) = anew(caplog)
    assert "invoices" in warning
    assert "journals" in warning
    assert warning.endswith("(another organisation)")


def test_a_custom_connection_which_names_no_organisation_goes_on_from_its_bookmarks() -> None:
    with serve(spread(10, every=HOUR)) as xero:
        first = read(xero, {})
        own = {"access_token": None, "refresh_token": None, "tenant_id": None}
        second = read(xero, first.state, **own)

    assert second.error is None
    assert set(keys(second, "invoices")) == {"row-000009"}
    assert second.state == first.state


def test_details_are_read_anew_of_just_the_lists_that_were_read_with_less(
    caplog: pytest.LogCaptureFixture,
) -> None:
    time = FakeTime()
    streams = ["contacts", "invoices", "history"]
    with serve(spread(3)) as xero:
        contacts(xero, old="ARCHIVED", new="ACTIVE")
        first = sync(xero, streams, clock=time.clock)
        time.sleep(3600)
        second = sync(
            xero, streams, state=first.state, clock=time.clock, include_archived_contacts=True
        )

    assert first.state["bookmarks"]["history"].keys() == {"contacts", "invoices"}
    assert {each["DocumentID"] for each in second.records("history")} == {"old", "new"}
    assert second.state["bookmarks"]["history"].keys() == {"contacts", "invoices"}
    (warning,) = anew(caplog)
    assert warning.endswith("contacts, history of contacts (archived contacts)")


def test_a_state_that_does_not_say_what_it_was_read_with_is_trusted_and_says_so_from_then_on() -> (
    None
):
    with serve(spread(3)) as xero:
        output = read(xero, kept("2026-06-20T00:00:00Z"), start_date="2026-01-31")
        early = read(xero, output.state, start_date="2026-01-01")

    assert not output.records("invoices")
    assert output.state["read_with"]["invoices"]["start_date"] == "2026-01-31T00:00:00.000000Z"
    assert set(keys(early, "invoices")) == expected(3)


@pytest.mark.parametrize("entry", [None, 7, "x", {"start_date": 5}, {"tenant_id": None, "more": 1}])
def test_an_odd_note_of_what_was_read_ends_no_run(entry: object) -> None:
    with serve(spread(3)) as xero:
        output = read(xero, kept("2026-06-01T00:01:00Z") | {"read_with": {"invoices": entry}})

    assert output.error is None
    assert "row-000002" in keys(output, "invoices")


def test_what_else_stands_in_a_state_is_left_as_it_is() -> None:
    with serve(spread(3)) as xero:
        state = {"mine": [1], "read_with": {"payments": {"start_date": "2020-01-01"}}}
        output = read(xero, kept("2026-06-01T00:00:00Z") | state)

    assert output.state["mine"] == [1]
    assert output.state["read_with"]["payments"] == {"start_date": "2020-01-01"}


def test_a_check_counts_what_a_sync_will_read_anew(tmp_path: Path) -> None:
    with serve(spread(30, every=DAY)) as xero:
        late = read(xero, {}, start_date="2026-06-20")
        files = {
            "--config": xero.config(start_date="2026-06-01"),
            "--catalog": catalog_of(["invoices"]),
            "--state": late.state,
        }
        arguments = ["--check", "--format", "json"]
        for flag, content in files.items():
            path = tmp_path / f"{flag.strip('-')}.json"
            path.write_text(json.dumps(content))
            arguments += [flag, str(path)]
        checked = tap(*arguments)

    (stream,) = json.loads(checked.stdout)["streams"]
    assert stream["waiting"] == 30


def test_a_signal_ends_a_run_that_waits_for_the_name_of_the_organisation() -> None:
    with serve(spread(3)) as xero:
        xero.fail(Fault.silent(), times=None, kind="connections")
        state = kept("2026-06-01T00:00:00Z")
        begun = monotonic()
        output = read(xero, state, tenant_id=None, stopped=lambda: monotonic() > begun + 0.3)

    assert monotonic() - begun < 5
    assert bookmark(output, "invoices") == "2026-06-01T00:00:00Z"


# Taking over from tap-xero 2.x


def test_a_state_of_2x_with_page_offsets_goes_on_from_its_bookmark() -> None:
    state = {
        "currently_syncing": "invoices",
        "bookmarks": {
            "invoices": {"UpdatedDateUTC": "2026-06-01T00:10:00Z", "offset": {"page": 7}},
            "journals": {"JournalNumber": 12},
            "employees": {"UpdatedDateUTC": "2020-01-01T00:00:00Z"},
        },
    }
    with serve(spread(30)) as xero:
        output = read(xero, state)

        assert asked_since(xero) == "2026-06-01T00:05:00"
        assert data_calls(xero)[0].params["page"] == "1"
        assert set(keys(output, "invoices")) == {f"row-{number:06d}" for number in range(5, 30)}
        assert output.state["bookmarks"]["invoices"] == {
            "UpdatedDateUTC": dates.to_rfc3339(spread(30)[-1])
        }
        assert bookmark(output, "journals") == 12


def test_a_state_that_was_at_a_stream_which_is_gone_works() -> None:
    with serve(spread(3)) as xero:
        output = read(xero, {"currently_syncing": "employees", "bookmarks": {}})

        assert set(keys(output, "invoices")) == expected(3)
        assert output.state["currently_syncing"] is None


def test_the_stream_that_was_being_synced_comes_first() -> None:
    with DemoXero(size=20) as xero:
        streams = ["contacts", "invoices", "payments"]
        state = {"currently_syncing": "payments"}
        sync(xero, streams, state=state, max_concurrency=1)

        assert [call.path for call in data_calls(xero)] == ["Payments", "Contacts", "Invoices"]


def test_journals_of_2x_go_on_by_number() -> None:
    with serve([]) as xero:
        journals(xero, [9, 1010, 1011, 1015])
        state = {"bookmarks": {"journals": {"JournalNumber": 1010}}}
        output = sync(xero, ["journals"], state=state)

        # The last journals up to the bookmark come again, in case one was posted late.
        assert [each["JournalNumber"] for each in output.records("journals")] == [1010, 1011, 1015]


def test_streams_that_are_full_tables_now_are_read_whole_and_named_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    state = {
        "bookmarks": {
            "bank_transfers": {"CreatedDateUTC": "2026-06-01T00:00:00Z"},
            "linked_transactions": {"UpdatedDateUTC": "2026-06-01T00:00:00Z"},
        }
    }
    with DemoXero(size=300) as xero:
        output = sync(xero, ["bank_transfers", "linked_transactions"], state=state)
        everything = {name: len(xero.organisation.rows(path)) for name, path in FULL.items()}

    assert {name: len(output.records(name)) for name in FULL} == everything
    named = [each.message for each in caplog.records if "bank_transfers" in each.message]
    assert len([each for each in named if "linked_transactions" in each]) == 1


FULL = {"bank_transfers": "BankTransfers", "linked_transactions": "LinkedTransactions"}


def test_a_catalog_of_2x_with_employees_is_synced_without_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    entries: list[dict[str, Any]] = [
        {"tap_stream_id": name, "stream": name, "metadata": [selected()], "schema": {}}
        for name in ("employees", "invoices")
    ]
    with serve(spread(3)) as xero:
        output = sync(xero, catalog={"streams": entries})

        assert set(keys(output, "invoices")) == expected(3)
        assert "employees" in caplog.text


def selected() -> dict[str, Any]:
    return {"breadcrumb": [], "metadata": {"selected": True}}


# Reconciliation


def test_fewer_rows_than_xero_counted_is_a_warning_with_both_numbers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def delete(xero: DemoXero, call: Call) -> None:
        if call.number == 2:
            for number in range(400, 420):
                xero.organisation.table("Invoices").drop(f"row-{number:06d}")

    with serve(spread(500)) as xero:
        xero.before_call = delete
        read(xero, {}, page_size=100)

    assert "Xero counted 500 records and sent 480" in caplog.text


def test_edits_and_additions_are_no_reason_to_warn(caplog: pytest.LogCaptureFixture) -> None:
    def change(xero: DemoXero, call: Call) -> None:
        xero.edit("Invoices", "row-000001", Reference="edited")
        xero.insert("Invoices", row("Invoices", f"new-{call.number}", NOON))

    with serve(spread(500)) as xero:
        xero.before_call = change
        read(xero, {}, page_size=100)

    assert "counted" not in caplog.text
