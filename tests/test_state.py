"""Bookmarks cover what is written and nothing else; states of tap-xero 2.x are taken over."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest

from tap_xero import dates
from tap_xero.demo import Behaviour, DemoXero, Fault
from tap_xero.errors import DayLimitError, InputError
from tests.books import FIRST, SECOND, bookmark, data_calls, expected, keys, row, rows, spread
from tests.clocks import FakeTime
from tests.harness import catalog_of, sync

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_xero.demo import Call

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
        xero.clock = lambda: time.now().timestamp()
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

        assert asked_since(xero) == "2026-06-05T12:00:00"
        assert set(keys(output, "invoices")) == {f"row-{number:06d}" for number in range(5, 10)}


@pytest.mark.parametrize("value", ["yesterday", "2026-02-30", 17, ["2026-01-01"], "12:00"])
def test_a_bookmark_that_cannot_be_read_names_its_stream(value: object) -> None:
    with serve([]) as xero, pytest.raises(InputError, match="stream invoices cannot be read"):
        sync_or_raise(xero, "invoices", {"bookmarks": {"invoices": {"UpdatedDateUTC": value}}})


@pytest.mark.parametrize("value", ["many", [1], {"a": 1}])
def test_a_journal_number_that_cannot_be_read_names_its_stream(value: object) -> None:
    with serve([]) as xero, pytest.raises(InputError, match="of stream journals cannot be read"):
        sync_or_raise(xero, "journals", {"bookmarks": {"journals": {"JournalNumber": value}}})


@pytest.mark.parametrize("value", [[], "text", {"bookmarks": []}, {"bookmarks": "none"}])
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
        assert [each["JournalNumber"] for each in second.records("journals")] == [90_150, 95_000]
        assert bookmark(second, "journals") == 95_000


def test_journals_with_nothing_new_cost_one_call() -> None:
    with serve([]) as xero:
        journals(xero, range(1, 20))
        output = sync(xero, ["journals"], state={"bookmarks": {"journals": {"JournalNumber": 19}}})

        assert len(data_calls(xero)) == 1
        assert bookmark(output, "journals") == 19


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

        assert asked_since(xero) == "2026-06-01T00:09:55"
        assert data_calls(xero)[0].params["page"] == "1"
        assert set(keys(output, "invoices")) == {f"row-{number:06d}" for number in range(10, 30)}
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
        journals(xero, [10, 11, 15])
        state = {"bookmarks": {"journals": {"JournalNumber": 10}}}
        output = sync(xero, ["journals"], state=state)

        assert [each["JournalNumber"] for each in output.records("journals")] == [11, 15]


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
        xero.behaviour.before_call = delete
        read(xero, {}, page_size=100)

    assert "Xero counted 500 records and sent 480" in caplog.text


def test_edits_and_additions_are_no_reason_to_warn(caplog: pytest.LogCaptureFixture) -> None:
    def change(xero: DemoXero, call: Call) -> None:
        xero.edit("Invoices", "row-000001", Reference="edited")
        xero.insert("Invoices", row("Invoices", f"new-{call.number}", NOON))

    with serve(spread(500)) as xero:
        xero.behaviour.before_call = change
        read(xero, {}, page_size=100)

    assert "counted" not in caplog.text
