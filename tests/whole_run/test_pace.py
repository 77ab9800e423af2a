"""The whole tap against a Xero that counts calls: it meets no limit and wastes no time."""

from __future__ import annotations

import time
from math import ceil

from tap_xero.clock import Clock
from tap_xero.commands import summary
from tap_xero.demo import DemoXero
from tap_xero.errors import DayLimitError
from tap_xero.streams.table import LISTS
from tests.support.fake_clock import FakeTime
from tests.support.run_tap import sync

ALL = [stream.tap_stream_id for stream in LISTS]
DAY = 24 * 3600


def settling(fake: FakeTime, xero: DemoXero) -> Clock:
    """Return a clock whose sleeps let calls in flight come back, lest they seem to take long."""

    def sleep(seconds: float) -> None:
        while any(call.finished is None for call in xero.calls[-20:]):
            time.sleep(0.01)
        time.sleep(0.2)
        fake.sleep(seconds)

    return Clock(fake.clock.monotonic, sleep, fake.now)


def test_a_run_of_300_calls_meets_no_limit_and_hardly_waits_longer_than_it_must() -> None:
    fake = FakeTime()
    with DemoXero(size=560, clock=fake.timestamp) as xero:
        for path in ("Invoices", "Payments"):
            xero.organisation.rows(path)
        xero.behaviour.calls_per_minute = 60
        xero.behaviour.calls_at_once = 5
        clock = settling(fake, xero)
        output = sync(xero, ALL, clock=clock, page_size=6, calls_per_minute=60, max_concurrency=5)
        statuses = [call.status for call in xero.calls if call.kind == "data"]
    assert output.error is None
    assert not summary.failures(output.runs)
    assert len(statuses) >= 300
    assert set(statuses) == {200}
    least = 60 * (ceil(len(statuses) / 60) - 1)
    assert least <= fake.seconds < 1.05 * least


def test_calls_of_different_streams_run_side_by_side() -> None:
    """The last of four begins before the first is over."""
    with DemoXero(size=5) as xero:
        xero.behaviour.latency = 0.2
        names = ["accounts", "currencies", "tax_rates", "users"]
        output = sync(xero, names, max_concurrency=4)
        calls = [call for call in xero.calls if call.kind == "data"]
    assert len(calls) == 4
    assert not summary.failures(output.runs)
    assert max(call.at for call in calls) < min(call.finished or 0 for call in calls)


def test_the_limit_of_the_day_is_gone_on_from_every_day_until_all_is_read() -> None:
    fake = FakeTime()
    names = ["invoices", "accounts", "journals", "currencies"]
    arrived: set[str] = set()
    state, days = None, 0
    with DemoXero(size=100, clock=fake.timestamp) as xero:
        xero.behaviour.calls_per_day = 10
        while days < 10:
            output = sync(xero, names, state=state, clock=fake.clock, page_size=20)
            arrived |= {record["InvoiceID"] for record in output.records("invoices")}
            state, days = output.state, days + 1
            if not output.error:
                break
            assert type(output.error) is DayLimitError
            lifts = f"it lifts at 2026-07-{1 + days:02} 12:00 UTC"
            assert lifts in str(output.error)
            assert [call.status for call in xero.calls][-1] == 429
            fake.sleep(DAY)
        held = {row["InvoiceID"] for row in xero.organisation.rows("Invoices")}
        refused = sum(call.status == 429 for call in xero.calls)
    assert not output.error
    assert arrived == held
    assert 2 <= days < 10
    assert refused < 4 * days
