"""Reading ahead: waiting overlaps, and never is there more than a page a thread."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tap_xero.paging.read_ahead import Arrival, read_ahead

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PAGES = 5
PATIENCE = 30.0


def never() -> bool:
    return False


def ignore(_: object) -> None:
    """Put nothing away."""


def reader(on_read: Callable[[int], None]) -> Callable[[], Iterator[int]]:
    def pages() -> Iterator[int]:
        for number in range(PAGES):
            on_read(number)
            yield number

    return pages


def test_a_thread_reads_no_further_until_its_page_is_taken() -> None:
    read: list[int] = []

    def take(arrival: Arrival[int]) -> int | None:
        assert read == list(range(PAGES if arrival.page is None else arrival.page + 1))
        return arrival.page

    taken: list[int | None] = []
    read_ahead([reader(read.append)], 1, take, taken.append, never)
    assert taken == [*range(PAGES), None]


def test_the_next_page_is_read_while_one_is_put_away() -> None:
    read = [threading.Event() for _ in range(PAGES)]

    def put(page: int | None) -> None:
        if page is not None and page + 1 < PAGES:
            assert read[page + 1].wait(PATIENCE)

    read_ahead([reader(lambda number: read[number].set())], 1, lambda each: each.page, put, never)
    assert all(event.is_set() for event in read)


def test_several_threads_hold_no_more_than_a_page_each() -> None:
    waiting, most = 0, 0
    lock = threading.Lock()

    def on_read(_: int) -> None:
        nonlocal waiting, most
        with lock:
            waiting += 1
            most = max(most, waiting)

    def take(arrival: Arrival[int]) -> None:
        nonlocal waiting
        with lock:
            waiting -= arrival.page is not None

    read_ahead([reader(on_read)] * 7, 3, take, ignore, never)
    assert waiting == 0
    assert most <= 3


def test_an_error_arrives_in_its_place_and_the_other_readers_go_on() -> None:
    def fails() -> Iterator[int]:
        yield 0
        raise ValueError("broken")

    arrivals: list[Arrival[int]] = []
    read_ahead([fails, reader(ignore)], 1, arrivals.append, ignore, never)
    errors = [(each.place, str(each.error)) for each in arrivals if each.error]
    assert errors == [(0, "broken")]
    assert [each.page for each in arrivals if each.place == 1] == [*range(PAGES), None]


def test_once_stopped_nothing_more_is_taken() -> None:
    taken: list[int | None] = []

    read_ahead([reader(ignore)], 1, lambda each: each.page, taken.append, lambda: len(taken) == 2)
    assert taken == [0, 1]
