"""Paging by the last stamp: right whatever Xero does, and cheap when nothing happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tap_xero import dates
from tap_xero.demo import Behaviour, DemoXero, Fault
from tap_xero.errors import StreamError
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
from tests.support.run_tap import Output, catalog_of
from tests.support.run_tap import sync as sync_in_real_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tap_xero.demo import Call

TIES = [*spread(1000), *[FIRST + DAY] * 3000, *(FIRST + 2 * DAY + at for at in spread(1000, 1))]


def sync(xero: DemoXero, streams: Iterable[str] = (), **options: Any) -> Output:  # noqa: ANN401
    """Sync without waiting for Xero's limit of calls a minute."""
    return sync_in_real_time(xero, streams, clock=FakeTime().clock, **options)


def serve(stamps: Iterable[int | None], path: str = "Invoices", **behaviour: Any) -> DemoXero:  # noqa: ANN401
    xero = DemoXero(size=0, behaviour=Behaviour(pretty=False, **behaviour))
    xero.replace(path, rows(path, stamps))
    return xero


def on_call(number: int, change: Callable[[DemoXero], object]) -> Callable[[DemoXero, Call], None]:
    """Return a `before_call` that changes something just before one data call."""

    def before(xero: DemoXero, call: Call) -> None:
        if call.number == number:
            change(xero)

    return before


@pytest.mark.parametrize(("count", "most"), [(999, 1), (1000, 2), (10_000, 11), (50_000, 52)])
def test_a_quiet_list_costs_a_call_a_thousand_rows(count: int, most: int) -> None:
    with serve(spread(count, every=SECOND * 10)) as xero:
        output = sync(xero, ["invoices"])

        assert set(keys(output, "invoices")) == expected(count)
        assert len(data_calls(xero)) <= most


def test_a_second_sync_with_nothing_new_is_one_call_a_list() -> None:
    paged = ["invoices", "contacts", "payments", "credit_notes", "bank_transactions", "quotes"]
    whole = ["accounts", "items", "users", "batch_payments"]
    with DemoXero(size=2500) as xero:
        first = sync_in_real_time(xero, [*paged, "manual_journals", *whole])
        before = len(data_calls(xero))
        second = sync_in_real_time(xero, [*paged, "manual_journals", *whole], state=first.state)

        assert first.error is None
        assert second.error is None
        calls = [call.path for call in data_calls(xero)[before:]]
        assert sorted(calls) == sorted(set(calls))
        assert len(calls) == 11


def test_rows_edited_while_pages_are_read_do_not_hide_others() -> None:
    def edit_ten(xero: DemoXero) -> None:
        for number in range(10):
            xero.edit("Invoices", f"row-{number:06d}", Reference="edited")

    with serve(spread(5000)) as xero:
        xero.before_call = on_call(2, edit_ten)
        written = keys(sync(xero, ["invoices"]), "invoices")

        assert set(written) == expected(5000)
        assert written["row-000003"] == 2


@pytest.mark.parametrize("inclusive", [True, False])
@pytest.mark.parametrize("precision", ["ms", "second", "minute", "day"])
@pytest.mark.parametrize("truncates_both", [True, False])
def test_every_reading_of_if_modified_since_gives_every_row(
    precision: str,
    *,
    inclusive: bool,
    truncates_both: bool,
) -> None:
    modes: dict[str, Any] = {"ims_inclusive": inclusive, "ims_truncates_both": truncates_both}
    with serve(spread(700, every=DAY // 60), ims_precision=precision, **modes) as xero:
        first = sync(xero, ["invoices"], page_size=100)
        xero.insert("Invoices", row("Invoices", "late", dates.from_rfc3339("2026-06-12T16:00:00Z")))
        second = sync(xero, ["invoices"], page_size=100, state=first.state)

        assert set(keys(first, "invoices")) == expected(700)
        assert "late" in keys(second, "invoices")


@pytest.mark.parametrize("pagination", ["right", "missing"])
def test_a_page_of_rows_without_a_stamp_hides_nothing_behind_it(pagination: str) -> None:
    stamps = [*[None] * 25, *spread(700, every=DAY // 60)]
    day: dict[str, Any] = {"ims_precision": "day", "ims_truncates_both": True}
    with serve(stamps, pagination=pagination, ims_inclusive=False, **day) as xero:
        first = sync(xero, ["invoices"], page_size=20)
        last = dates.from_rfc3339(bookmark(first, "invoices"))
        xero.edit("Invoices", "row-000724", Reference="edited")
        xero.insert("Invoices", row("Invoices", "late", last + SECOND))
        second = sync(xero, ["invoices"], page_size=20, state=first.state)

        assert set(keys(first, "invoices")) == expected(725)
        assert "late" in keys(second, "invoices")


def test_thousands_of_rows_with_one_stamp_are_read_once_each() -> None:
    with serve(TIES) as xero:
        output = sync(xero, ["invoices"])

        assert keys(output, "invoices") == dict.fromkeys(expected(5000), 1)
        assert len(data_calls(xero)) <= 8


def test_an_edit_inside_a_tie_hides_none_of_it() -> None:
    def edit(xero: DemoXero) -> None:
        for number in range(1000, 1040):
            xero.edit("Invoices", f"row-{number:06d}", Reference="edited")

    for number in range(2, 8):
        with serve(TIES) as xero:
            xero.before_call = on_call(number, edit)
            assert set(keys(sync(xero, ["invoices"]), "invoices")) == expected(5000)


def test_ties_in_another_order_each_time_are_read_whole() -> None:
    with serve([FIRST] * 60, list_order="shuffled_ties", honours_order=False) as xero:
        output = sync(xero, ["invoices"], page_size=10)

        assert set(keys(output, "invoices")) == expected(60)


@pytest.mark.parametrize("order", ["id", "desc", "insertion"])
def test_a_list_that_is_not_sorted_is_read_whole(order: str) -> None:
    stamps = [FIRST + (number * 7919 % 500) * 60 * SECOND for number in range(500)]
    with serve(stamps, list_order=order, honours_order=False) as xero:
        output = sync(xero, ["invoices"], page_size=100)

        assert set(keys(output, "invoices")) == expected(500)
        assert bookmark(output, "invoices") == dates.to_rfc3339(max(stamps))


def test_rows_out_of_place_behind_a_sorted_page_are_found() -> None:
    stamps = [*spread(1500), *spread(50), *(FIRST + DAY * 9 + at for at in spread(1000))]
    with serve(stamps, list_order="insertion", honours_order=False) as xero:
        output = sync(xero, ["invoices"])

        assert set(keys(output, "invoices")) == expected(2550)


@pytest.mark.parametrize("pagination", ["missing", "too_small", "too_big", "garbage"])
def test_wrong_pagination_loses_nothing(pagination: str) -> None:
    with serve(spread(450), pagination=pagination) as xero:
        output = sync(xero, ["invoices"], page_size=100)

        assert set(keys(output, "invoices")) == expected(450)


@pytest.mark.parametrize("cap", [7, 100, 500])
def test_smaller_pages_than_asked_for_lose_nothing(cap: int) -> None:
    with serve(spread(520), page_size_cap=cap) as xero:
        assert set(keys(sync(xero, ["invoices"]), "invoices")) == expected(520)


def test_quotes_come_whole_where_page_size_is_ignored() -> None:
    with serve(spread(350), "Quotes", ignores_page_size=True) as xero:
        output = sync(xero, ["quotes"])

        assert set(keys(output, "quotes")) == expected(350)
        assert len(data_calls(xero)) <= 10


def test_a_few_quotes_cost_two_calls() -> None:
    with serve(spread(50), "Quotes") as xero:
        assert set(keys(sync(xero, ["quotes"]), "quotes")) == expected(50)
        assert len(data_calls(xero)) == 2


def test_manual_journals_that_all_come_on_every_page_end() -> None:
    everything = {"everything_on_every_page": frozenset({"ManualJournals"})}
    for count in (3, 1001, 2500):
        with serve(spread(count), "ManualJournals", **everything) as xero:
            output = sync(xero, ["manual_journals"])

            assert set(keys(output, "manual_journals")) == expected(count)
            assert len(data_calls(xero)) <= 2


def test_a_list_that_never_gets_past_its_first_page_is_an_error() -> None:
    with serve(spread(100), "Quotes", everything_on_every_page=frozenset({"Quotes"})) as xero:
        run = sync(xero, ["quotes"]).runs[0]

        assert isinstance(run.error, StreamError)
        assert "Quotes: Xero sends page 1 as 2 too" in str(run.error)
        assert len(data_calls(xero)) == 5


def test_a_page_that_comes_twice_hides_no_other() -> None:
    for number in range(2, 7):
        with serve(spread(5000), repeats_page=frozenset({number})) as xero:
            assert set(keys(sync(xero, ["invoices"]), "invoices")) == expected(5000)


def test_rows_without_a_stamp_are_written_and_do_not_stop_the_others() -> None:
    stamps = [None, *spread(40), None, *(FIRST + DAY + at for at in spread(40))]
    with serve(stamps) as xero:
        first = sync(xero, ["invoices"], page_size=10)
        second = sync(xero, ["invoices"], page_size=10, state=first.state)

        assert set(keys(first, "invoices")) == expected(82)
        assert {"row-000000", "row-000041"} <= set(keys(second, "invoices"))


def test_304_means_nothing_new() -> None:
    with serve(spread(10), answers_304=True) as xero:
        state = {"bookmarks": {"invoices": {"UpdatedDateUTC": "2026-06-20T00:00:00Z"}}}
        output = sync(xero, ["invoices"], state=state)

        assert output.runs[0].complete
        assert not output.records("invoices")
        assert bookmark(output, "invoices") == "2026-06-20T00:00:00Z"


def test_a_row_deleted_between_two_pages_hides_no_other() -> None:
    def delete(xero: DemoXero) -> None:
        xero.organisation.table("Invoices").drop("row-000500")

    modes: list[dict[str, Any]] = [{}, {"list_order": "id", "honours_order": False}]
    for mode in modes:
        with serve(spread(2500), **mode) as xero:
            xero.before_call = on_call(2, delete)
            assert set(keys(sync(xero, ["invoices"]), "invoices")) == expected(2500)


def test_a_sync_ends_even_when_edits_never_stop() -> None:
    def edit(xero: DemoXero, call: Call) -> None:
        for number in range(100):
            xero.edit("Invoices", f"row-{(call.number * 100 + number) % 500:06d}", Reference="x")

    with serve(spread(500)) as xero:
        xero.before_call = edit
        output = sync(xero, ["invoices"], page_size=100)

        assert output.runs[0].complete
        assert set(keys(output, "invoices")) == expected(500)
        assert len(data_calls(xero)) < 100


def test_pages_that_are_too_slow_are_asked_for_in_halves_without_losing_any() -> None:
    with serve(spread(3000)) as xero:
        xero.fail(Fault.status(504), on=3, times=2)
        output = sync(xero, ["invoices"])

        assert set(keys(output, "invoices")) == expected(3000)
        # Before it halves a page, the tap makes one small call to see that Xero answers at all.
        calls = [call for call in data_calls(xero) if not call.path.endswith("Organisation")]
        assert {call.params["pageSize"] for call in calls} == {"1000", "500"}


def test_a_full_table_that_ends_with_edits_going_on_is_complete() -> None:
    def edit(xero: DemoXero, call: Call) -> None:
        for number in range(10):
            xero.edit("Invoices", f"row-{(call.number * 10 + number) % 50:06d}", Reference="x")

    with serve(spread(50)) as xero:
        xero.before_call = edit
        whole = catalog_of(["invoices"], replication_method="FULL_TABLE")
        output = sync(xero, catalog=whole, page_size=10)

        assert set(keys(output, "invoices")) == expected(50)
        assert output.types("invoices")[-1] == "ACTIVATE_VERSION"


# What happens while Xero answers


def serve_at(time: FakeTime, late: int = 0, **behaviour: Any) -> DemoXero:  # noqa: ANN401
    """Serve by the tap's own clock; the header Date is `late` seconds after the rows' moment."""
    life: dict[str, Any] = {"pretty": False, "expires_in": 10**9}
    return DemoXero(
        size=0,
        behaviour=Behaviour(**life, **behaviour),
        clock=lambda: time.now().timestamp() + late,
    )


def read_often(xero: DemoXero, stream: str, time: FakeTime, **options: Any) -> set[str]:  # noqa: ANN401
    """Sync three times, an hour apart; return the keys that came."""
    state: dict[str, Any] = {}
    came: set[str] = set()
    for _ in range(3):
        output = sync_in_real_time(xero, [stream], state=state, clock=time.clock, **options)
        assert output.runs[0].complete
        came |= set(keys(output, stream))
        state = output.state
        time.seconds += 3600
    return came


def now_ms(time: FakeTime) -> int:
    return int(time.now().timestamp() * 1000)


def test_an_edit_between_the_look_up_of_an_answer_and_its_date_hides_no_row() -> None:
    time = FakeTime()

    def edit(xero: DemoXero, call: Call) -> None:
        if call.number > 1:
            time.seconds += 5
        if call.number == 2:
            edited = row("ManualJournals", "row-000000", now_ms(time) - 3 * SECOND)
            xero.insert("ManualJournals", edited)

    with serve_at(time, late=5) as xero:
        imported = [FIRST + number // 20 * 60 * SECOND for number in range(1500)]
        xero.replace("ManualJournals", rows("ManualJournals", imported))
        xero.before_call = edit
        assert read_often(xero, "manual_journals", time) == expected(1500)


@pytest.mark.parametrize("stream", ["invoices", "quotes", "accounts"])
@pytest.mark.parametrize("precision", ["ms", "second", "minute", "day"])
def test_what_was_modified_on_the_start_date_comes_however_xero_reads_the_header(
    stream: str, precision: str
) -> None:
    time, path = FakeTime(), stream.capitalize()
    behaviour: dict[str, Any] = {"ims_inclusive": False, "ims_precision": precision}
    begin = FIRST + 4 * DAY
    stamps = [begin - 1, *(begin + late for late in (0, 400, 30 * SECOND, DAY - 1, 3 * DAY))]
    with serve_at(time, ims_truncates_both=precision != "ms", **behaviour) as xero:
        xero.replace(path, rows(path, stamps))
        output = sync(xero, [stream], start_date="2026-06-05", start_date_applies_to_all=True)
        key = output.runs[0].selection.stream.key_properties[0]
        came = {record[key] for record in output.records(stream)}
    assert came == expected(6) - {"row-000000"}


@pytest.mark.parametrize(
    ("path", "stream"), [("Invoices", "invoices"), ("ManualJournals", "manual_journals")]
)
@pytest.mark.parametrize(("page", "edits"), [(100, 1), (1000, 3)])
def test_edits_do_not_hide_that_a_list_is_sorted_on_its_first_page_only(
    path: str, stream: str, page: int, edits: int
) -> None:
    time, count = FakeTime(), page + edits
    stamps = spread(count)
    stamps[page - 1] = FIRST + 20 * DAY

    def edit(xero: DemoXero, call: Call) -> None:
        if call.number == 2:
            time.seconds += 2
            for number in range(edits):
                xero.edit(path, f"row-{number:06d}", Narration="edited")

    with serve_at(time, list_order="insertion", honours_order=False) as xero:
        xero.replace(path, rows(path, stamps))
        xero.before_call = edit
        assert read_often(xero, stream, time, page_size=page) == expected(count)


@pytest.mark.parametrize("number", range(8, 16))
def test_a_full_table_that_grows_out_of_its_last_pages_is_not_complete_without_them(
    number: int,
) -> None:
    time = FakeTime()
    stamps = [*spread(1000), *[FIRST + 29 * DAY] * 350]

    def recode(xero: DemoXero, call: Call) -> None:
        if call.number == number:
            time.seconds += 2
            for at in (*range(550), *range(1110, 1160)):
                xero.insert("Invoices", row("Invoices", f"row-{at:06d}", now_ms(time)))

    with serve_at(time) as xero:
        xero.replace("Invoices", rows("Invoices", stamps))
        xero.before_call = recode
        catalog = catalog_of(["invoices"], replication_method="FULL_TABLE")
        output = sync_in_real_time(xero, catalog=catalog, clock=time.clock, page_size=100)
    assert output.types("invoices")[-1] == "ACTIVATE_VERSION"
    assert set(keys(output, "invoices")) == expected(1350)


@pytest.mark.parametrize("number", range(2, 7))
def test_pages_that_change_their_size_on_the_way_hide_no_row(number: int) -> None:
    time = FakeTime()

    def shrink(xero: DemoXero, call: Call) -> None:
        xero.behaviour.page_size_cap = 50 if call.number >= number else None

    with serve_at(time) as xero:
        later = [FIRST + day * DAY for day in range(1, 20)]
        xero.replace("Invoices", rows("Invoices", [*[FIRST] * 550, *later]))
        xero.before_call = shrink
        assert read_often(xero, "invoices", time, page_size=100) == expected(569)
