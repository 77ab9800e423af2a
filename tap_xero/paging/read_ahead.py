"""Streams are read ahead of the writer: calls overlap with each other and with writing.

Each of a few threads takes the next stream and runs its pager. A thread that has read a page waits
until the caller takes the page. So there is at most one page for each thread, and the page that is
being written: memory stays bounded. Only the caller's thread writes.

Threads share the waiting, for Xero and for the target. They do not share the computing: one thread
at a time runs Python, and two threads that compute only slow each other down.
"""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

T = TypeVar("T")

# How often, in seconds, a thread that waits looks whether the run has been stopped.
_POLL_SECONDS = 0.25


@dataclass(frozen=True)
class Arrival(Generic[T]):
    """What one reader (by its place in the sequence) yields: a page, its end, or its error."""

    place: int
    page: T | None = None
    error: Exception | None = None


def read_ahead(
    readers: Sequence[Callable[[], Iterator[T]]],
    threads: int,
    stopped: Callable[[], bool],
) -> Generator[Arrival[T], None, None]:
    """Run `readers` on `threads` threads and yield what they read, as it arrives.

    Ends when all readers have ended or failed, or once `stopped()` is true. Use it in `closing`:
    closed, it tells the threads to end. They are daemons, so a call to Xero that is under way does
    not keep the process alive.
    """
    workers = _Workers(readers)
    for _ in range(min(threads, len(readers))):
        threading.Thread(target=workers.work, daemon=True).start()
    unfinished = len(readers)
    try:
        while unfinished and not stopped():
            try:
                arrival = workers.arrivals.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                continue
            unfinished -= arrival.page is None
            workers.taken.release()
            yield arrival
            del arrival  # a page may be megabytes
    finally:
        workers.closed.set()


class _Workers(Generic[T]):
    """What the threads share: the readers that wait for a thread, and the way to the caller."""

    def __init__(self, readers: Sequence[Callable[[], Iterator[T]]]) -> None:
        self.arrivals: queue.SimpleQueue[Arrival[T]] = queue.SimpleQueue()
        self.taken = threading.Semaphore(0)
        self.closed = threading.Event()
        self._waiting = iter(enumerate(readers))
        self._lock = threading.Lock()

    def work(self) -> None:
        """Read one stream after the other until none is left or the caller has gone."""
        while not self.closed.is_set():
            with self._lock:
                place, reader = next(self._waiting, (0, None))
            if reader is None:
                return
            self._read(place, reader)

    def _read(self, place: int, reader: Callable[[], Iterator[T]]) -> None:
        try:
            for page in reader():
                self._deliver(Arrival(place, page))
                del page  # megabytes, while the next page is read
                if self.closed.is_set():
                    return
            self._deliver(Arrival(place))
        except Exception as error:  # noqa: BLE001 - the caller decides what an error means
            self._deliver(Arrival(place, error=error))

    def _deliver(self, arrival: Arrival[T]) -> None:
        """Wait until the caller has taken an arrival, this or another thread's, or has gone."""
        self.arrivals.put(arrival)
        del arrival
        while not self.closed.is_set() and not self.taken.acquire(timeout=_POLL_SECONDS):
            continue
