"""Reading ahead: waiting overlaps, and never is there more than a page a thread."""

from __future__ import annotations

import itertools
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

from tap_xero.paging.read_ahead import read_ahead

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PAGES = 5
PATIENCE = 30.0


def never() -> bool:
    return False


def ignore(_: object) -> None:
    """Take no notice of a page."""


def reader(on_read: Callable[[int], None]) -> Callable[[], Iterator[int]]:
    def pages() -> Iterator[int]:
        for number in range(PAGES):
            on_read(number)
            yield number

    return pages


def test_a_thread_reads_at_most_one_page_ahead() -> None:
    read: list[int] = []
    for arrival in read_ahead([reader(read.append)], 1, never):
        taken = PAGES if arrival.page is None else arrival.page + 1
        time.sleep(0.02)
        assert len(read) <= taken + 1
    assert read == [*range(PAGES)]


def test_the_next_page_is_read_while_one_is_written() -> None:
    read = [threading.Event() for _ in range(PAGES)]
    pages = []
    for arrival in read_ahead([reader(lambda number: read[number].set())], 1, never):
        pages.append(arrival.page)
        if arrival.page is not None and arrival.page + 1 < PAGES:
            assert read[arrival.page + 1].wait(PATIENCE)
    assert pages == [*range(PAGES), None]


def test_several_threads_hold_no_more_than_a_page_each() -> None:
    waiting, most = 0, 0
    lock = threading.Lock()

    def on_read(_: int) -> None:
        nonlocal waiting, most
        with lock:
            waiting += 1
            most = max(most, waiting)

    for arrival in read_ahead([reader(on_read)] * 7, 3, never):
        with lock:
            waiting -= arrival.page is not None
    assert waiting == 0
    assert most <= 3 + 1  # and the one that is being written


def test_an_error_arrives_in_its_place_and_the_other_readers_go_on() -> None:
    def fails() -> Iterator[int]:
        yield 0
        raise ValueError("broken")

    arrivals = list(read_ahead([fails, reader(ignore)], 1, never))
    errors = [(each.place, str(each.error)) for each in arrivals if each.error]
    assert errors == [(0, "broken")]
    assert [each.page for each in arrivals if each.place == 1] == [*range(PAGES), None]


def test_once_stopped_nothing_more_is_taken() -> None:
    taken: list[int | None] = []
    for arrival in read_ahead([reader(ignore)], 1, lambda: len(taken) == 2):
        taken.append(arrival.page)  # noqa: PERF401 - `stopped` looks at the list
    assert taken == [0, 1]


def test_threads_end_when_the_caller_does() -> None:
    threads: set[threading.Thread] = set()

    def endless() -> Iterator[int]:
        threads.add(threading.current_thread())
        yield from itertools.count()

    with closing(read_ahead([endless] * 2, 2, never)) as arrivals:
        next(arrivals)
    for thread in threads:
        thread.join(PATIENCE)
    assert threads
    assert not any(thread.is_alive() for thread in threads)
