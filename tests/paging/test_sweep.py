"""Reading whole pages: lists that Xero neither sorts nor counts, read while they change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tap_xero import dates
from tap_xero.demo import Behaviour, DemoXero, Fault
from tests.support.fake_clock import FakeTime
from tests.support.rows import DAY, bookmark, data_calls, expected, keys, row, rows, spread
from tests.support.run_tap import Output, sync

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tap_xero.demo import Call

HOUR = DAY // 24


def serve(stamps: Iterable[int | None], path: str = "Quotes", **behaviour: Any) -> DemoXero:  # noqa: ANN401
    xero = DemoXero(size=0, behaviour=Behaviour(pretty=False, **behaviour))
    xero.replace(path, rows(path, stamps))
    return xero


def read(xero: DemoXero, stream: str = "quotes", state: Mapping[str, Any] | None = None) -> Output:
    return sync(xero, [stream], state=state, clock=FakeTime().clock, page_size=100)


@pytest.mark.parametrize("number", range(2, 8))
def test_quotes_deleted_while_they_are_read_hide_no_others(number: int) -> None:
    def delete(xero: DemoXero, call: Call) -> None:
        if call.number == number:
            for gone in (5, 50, 95):
                xero.organisation.table("Quotes").drop(f"row-{gone:06d}")

    with serve(spread(500)) as xero:
        xero.before_call = delete
        written = set(keys(read(xero), "quotes"))

        assert expected(500) - written <= {"row-000005", "row-000050", "row-000095"}


def test_two_equal_passes_are_enough_for_a_quiet_list_without_counts() -> None:
    with serve(spread(350)) as xero:
        assert set(keys(read(xero), "quotes")) == expected(350)
        assert [call.params["page"] for call in data_calls(xero)] == list("1234554321")


def test_one_pass_and_a_look_at_what_is_new_are_enough_where_xero_counts() -> None:
    stamps = spread(500)[::-1]
    with serve(stamps, "Invoices", list_order="insertion", honours_order=False) as xero:
        assert set(keys(read(xero, "invoices"), "invoices")) == expected(500)
        assert len(data_calls(xero)) == 7


def test_an_edit_that_takes_the_place_of_a_hidden_row_does_not_settle_the_count() -> None:
    def edit(xero: DemoXero, call: Call) -> None:
        if call.number == 4:
            xero.edit("ManualJournals", "row-000002", Narration="edited")

    with serve(spread(45), "ManualJournals", page_size_cap=10) as xero:
        xero.before_call = edit
        output = sync(xero, ["manual_journals"], clock=FakeTime().clock)

        assert set(keys(output, "manual_journals")) == expected(45)


def test_a_list_that_grows_faster_than_it_is_read_ends_as_incomplete() -> None:
    def grow(xero: DemoXero, call: Call) -> None:
        for number in range(120):
            xero.insert(
                "Quotes", row("Quotes", f"{call.number}-{number}", int(xero.clock() * 1000))
            )

    with serve(spread(10)) as xero:
        xero.before_call = grow
        run = read(xero).runs[0]

        assert "changed faster than it could be read: run again" in str(run.error)
        assert not run.complete


def test_no_edit_is_lost_where_our_clock_is_ahead_and_xero_tells_no_time() -> None:
    """A row that comes and goes keeps an edited row off both pages, in both passes."""
    noon_before = dates.to_ms_of(FakeTime().now()) - DAY

    def change(xero: DemoXero, call: Call) -> None:
        quotes = xero.organisation.table("Quotes")
        if call.number == 2:
            xero.organisation.put("Quotes", row("Quotes", "row-000100", noon_before))
            xero.organisation.put("Quotes", row("Quotes", "row-000140", noon_before + HOUR))
            quotes.drop("row-000005")
        elif call.number == 6:
            xero.organisation.put("Quotes", row("Quotes", "row-000005", spread(6)[5]))
            xero.organisation.put("Quotes", row("Quotes", "row-000101", noon_before + 2 * HOUR))

    behaviour: dict[str, Any] = {"list_order": "id", "honours_order": False, "tells_time": False}
    with serve(spread(150), **behaviour) as xero:
        xero.before_call = change
        outputs = [read(xero)]
        for _ in range(2):
            outputs.append(read(xero, state=outputs[-1].state))

    written = {
        (each["QuoteID"], each["UpdatedDateUTC"])
        for output in outputs
        for each in output.records("quotes")
    }
    assert outputs[0].runs[0].complete
    assert ("row-000100", dates.to_rfc3339(noon_before)) in written
    assert ("row-000101", dates.to_rfc3339(noon_before + 2 * HOUR)) in written
    assert bookmark(outputs[-1], "quotes") == dates.to_rfc3339(noon_before + 2 * HOUR)


def test_slow_pages_of_a_sweep_are_asked_for_in_halves() -> None:
    with serve(spread(350)) as xero:
        xero.fail(Fault.status(504), on=3, times=2)

        assert set(keys(read(xero), "quotes")) == expected(350)
        # Before it halves a page, the tap makes one small call to see that Xero answers at all.
        calls = [call for call in data_calls(xero) if not call.path.endswith("Organisation")]
        assert {call.params["pageSize"] for call in calls} == {"100", "50"}
