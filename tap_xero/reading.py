"""Streams read ahead of the writer: calls overlap with each other and with writing.

Each of a few threads takes the next stream and runs its pager; its pages go through one queue
with room for a single page, so a thread that is ahead of the writer waits with one page in hand
and memory stays bounded by the number of threads. The caller, alone, iterates and writes.
"""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tap_xero.pagers import Page

# How often the caller gets to look at its stop sign while nothing arrives, in seconds.
_GLANCE = 0.25


@dataclass(frozen=True)
class Arrival:
    """What one stream, by its place in the sequence, has to say: a page, its end, or an error."""

    place: int
    page: Page | None = None
    error: Exception | None = None


def read_ahead(
    readers: Sequence[Callable[[], Iterator[Page]]],
    threads: int,
    stopped: Callable[[], bool],
) -> Iterator[Arrival]:
    """Run `readers` on so many threads and yield what arrives, until all have ended or failed.

    Ends early once `stopped()` is true. The threads are daemons: whoever stops iterating may
    leave, and a call to Xero under way does not hold the process back.
    """
    waiting = iter(enumerate(readers))
    lock = threading.Lock()
    arrivals: queue.Queue[Arrival] = queue.Queue(maxsize=1)
    left = threading.Event()

    def work() -> None:
        while not left.is_set():
            with lock:
                place, reader = next(waiting, (None, None))
            if place is None or reader is None:
                return
            try:
                for page in reader():
                    arrivals.put(Arrival(place, page))
                    if left.is_set():
                        return
                arrivals.put(Arrival(place))
            except Exception as error:  # noqa: BLE001 - the caller decides what an error means
                arrivals.put(Arrival(place, error=error))

    for _ in range(min(threads, len(readers))):
        threading.Thread(target=work, daemon=True).start()
    unfinished = len(readers)
    try:
        while unfinished and not stopped():
            try:
                arrival = arrivals.get(timeout=_GLANCE)
            except queue.Empty:
                continue
            unfinished -= arrival.page is None
            yield arrival
    finally:
        left.set()
        _drain(arrivals)


def _drain(arrivals: queue.Queue[Arrival]) -> None:
    """Let a thread that waits to hand over its page go on and see that nobody wants it."""
    while True:
        try:
            arrivals.get_nowait()
        except queue.Empty:
            return
