"""Xero never sees more calls than allowed, and hardly a moment of the allowance is wasted."""

from __future__ import annotations

import heapq
import threading
import time
from itertools import count, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_xero.clock import Clock
from tap_xero.transport.pacing import Pacer
from tests.support.fake_clock import FakeTime

MINUTE = 60.0


class Simulation:
    """Calls with given delays, in one thread: answers come in whenever time passes.

    Each call takes `there` seconds to reach the server, which notes `arrivals`, and `back`
    seconds for the answer. `others` are moments of other programs' calls, in order.
    """

    def __init__(self, per_minute: int, at_once: int, others: tuple[float, ...] = ()) -> None:
        self.now = 0.0
        self.at_once = at_once
        self.others = others
        self.arrivals: list[float] = []
        self.most_in_flight = 0
        self._answers: list[tuple[float, int, float, int]] = []
        self._numbers = count()
        self._limit = per_minute
        self.pacer = Pacer(per_minute, at_once, Clock(lambda: self.now, self.sleep))

    def sleep(self, seconds: float) -> None:
        """Let time pass, with the answers that come in it."""
        until = self.now + seconds
        while self._answers and self._answers[0][0] <= until:
            self._answer()
        self.now = until

    def call(self, there: float, back: float) -> None:
        """Send a call as soon as it may be sent."""
        while len(self._answers) >= self.at_once:
            self._answer()
        entered = self.pacer.__enter__()
        arrival = self.now + there
        self.arrivals.append(arrival)
        heapq.heappush(self._answers, (arrival + back, next(self._numbers), arrival, entered))
        self.most_in_flight = max(self.most_in_flight, len(self._answers))

    def finish(self) -> float:
        """Wait for all answers; return when the last came."""
        while self._answers:
            self._answer()
        return self.now

    def _answer(self) -> None:
        moment, _, arrival, entered = heapq.heappop(self._answers)
        self.now = max(self.now, moment)
        self.pacer.__exit__()
        self.pacer.learn({"X-MinLimit-Remaining": str(self._remaining(arrival))}, entered)

    def _remaining(self, at: float) -> int:
        """Say what Xero would have said when the call arrived, with a rolling minute."""
        seen = (*self.arrivals, *self.others)
        return max(0, self._limit - sum(at - MINUTE < moment <= at for moment in seen))


def most_in_a_minute(moments: list[float]) -> int:
    moments = sorted(moments)
    return max(
        sum(start <= moment < start + MINUTE for moment in moments[index:])
        for index, start in enumerate(moments)
    )


SPANS = st.floats(0, 90) | st.floats(0, 1)


@settings(max_examples=60, deadline=None)
@given(
    per_minute=st.integers(1, 20),
    at_once=st.integers(1, 5),
    delays=st.lists(st.tuples(SPANS, SPANS), min_size=1, max_size=120),
)
def test_no_minute_as_xero_sees_it_has_more_calls_than_allowed_whatever_the_delays(
    per_minute: int, at_once: int, delays: list[tuple[float, float]]
) -> None:
    run = Simulation(per_minute, min(at_once, per_minute))
    for there, back in delays:
        run.call(there, back)
    run.finish()
    assert most_in_a_minute(run.arrivals) <= per_minute
    assert run.most_in_flight <= at_once


@pytest.mark.parametrize("seconds", [0.05, 0.5, 3.0])
def test_300_calls_take_hardly_longer_than_the_limits_demand(seconds: float) -> None:
    run = Simulation(60, 4)
    for _ in range(300):
        run.call(seconds / 2, seconds / 2)
    least = max(4 * MINUTE + seconds * 60 / 4, 300 * seconds / 4)
    assert run.finish() <= least * 1.05
    assert most_in_a_minute(run.arrivals) <= 60


def test_the_first_minutes_worth_goes_out_without_waiting() -> None:
    run = Simulation(60, 5)
    for _ in range(60):
        run.call(0.1, 0.1)
    assert run.finish() < 3


def test_calls_of_other_programs_take_places_of_ours() -> None:
    others = tuple(5 + number / 100 for number in range(30))
    run = Simulation(60, 1, others)
    for _ in range(90):
        run.call(0.1, 0.1)
    run.finish()
    seen = [*run.arrivals, *others]
    for moment in run.arrivals:
        before = sum(moment - MINUTE < each <= moment for each in seen)
        assert before <= 61, "one may be on its way when the others come"


def test_when_nothing_is_left_we_wait_a_minute() -> None:
    time_ = FakeTime()
    pacer = Pacer(60, 4, time_.clock)
    with pacer as entered:
        pass
    pacer.learn({"X-MinLimit-Remaining": "0", "X-DayLimit-Remaining": "17"}, entered)
    assert pacer.minute_remaining == 0
    assert pacer.day_remaining == 17
    with pacer:
        assert time_.seconds == pytest.approx(60, abs=0.1)
    assert pacer.minute_remaining == 59


@pytest.mark.parametrize("text", ["", "-1", "many", "1e9", "9" * 5000, "٣", " "])
def test_odd_headers_are_left_out(text: str) -> None:
    pacer = Pacer(60, 4, FakeTime().clock)
    with pacer as entered:
        pass
    pacer.learn({"X-MinLimit-Remaining": text, "X-DayLimit-Remaining": text}, entered)
    pacer.learn({}, entered)
    assert pacer.day_remaining is None
    assert pacer.minute_remaining == 59


def test_an_answer_that_took_long_is_not_read_as_calls_of_others() -> None:
    """Xero said that nothing was left when the call came in; since then our places are free."""
    time_ = FakeTime()
    pacer = Pacer(3, 3, time_.clock)
    for _ in range(2):
        with pacer:
            pass
    with pacer as entered:
        time_.sleep(61)
    pacer.learn({"X-MinLimit-Remaining": "0"}, entered)
    assert pacer.minute_remaining == 2


def test_more_left_than_we_think_changes_nothing() -> None:
    pacer = Pacer(30, 4, FakeTime().clock)
    with pacer as entered:
        pass
    pacer.learn({"X-MinLimit-Remaining": "59"}, entered)
    assert pacer.minute_remaining == 29


def test_a_pause_holds_everybody_back() -> None:
    time_ = FakeTime()
    pacer = Pacer(60, 4, time_.clock)
    pacer.pause(20)
    pacer.pause(5)
    with pacer:
        assert time_.seconds == pytest.approx(20)


def test_a_call_that_fails_gives_its_place_back() -> None:
    pacer = Pacer(60, 1, FakeTime().clock)
    for _ in range(3):
        with pytest.raises(RuntimeError), pacer:
            raise RuntimeError
    assert pacer.minute_remaining == 57


def test_an_interrupted_wait_gives_its_place_back() -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    seconds = [0.0]
    pacer = Pacer(1, 1, Clock(lambda: seconds[0], interrupt))
    with pacer:
        pass
    with pytest.raises(KeyboardInterrupt), pacer:
        pass
    seconds[0] = 100.0
    with pacer:
        pass


def test_no_more_than_allowed_are_in_flight_in_threads() -> None:
    pacer = Pacer(1000, 3, Clock())
    flying, most, lock = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal flying, most
        for _ in range(10):
            with pacer:
                with lock:
                    flying += 1
                    most = max(most, flying)
                time.sleep(0.002)
                with lock:
                    flying -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert flying == 0
    assert 1 < most <= 3


def test_callers_are_served_in_the_order_in_which_they_came() -> None:
    pacer = Pacer(1000, 1, Clock())
    served: list[int] = []

    def work(number: int) -> None:
        with pacer:
            served.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    with pacer:
        for waiting, thread in enumerate(threads, start=1):
            thread.start()
            while len(pacer._line) < waiting:
                time.sleep(0.001)
    for thread in threads:
        thread.join(20)
    assert served == [*range(6)]


def test_threads_in_real_time_keep_to_the_minute() -> None:
    """With a clock on which a second lasts a millisecond."""
    clock = Clock(lambda: time.monotonic() * 1000, lambda seconds: time.sleep(seconds / 1000))
    pacer = Pacer(10, 4, clock)
    arrivals: list[float] = []

    def work() -> None:
        for _ in range(10):
            with pacer:
                arrivals.append(clock.monotonic())

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(arrivals) == 60
    assert most_in_a_minute(arrivals) <= 10
    assert all(later >= earlier for earlier, later in pairwise(sorted(arrivals)))
