"""Streams read ahead of the writer: calls overlap with each other and with writing.

Each of a few threads takes the next stream and runs its pager. A thread that has read a page
waits until it is taken, so there is never more than a page a thread and the one that is being
written, and memory stays bounded. The caller's thread, alone, takes and writes.

What is overlapped is waiting: for Xero, and for the target. Computing is not, for one thread at a
time runs Python; two that both want to only get in each other's way.
"""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

T = TypeVar("T")
Taken = TypeVar("Taken")

# How often, in seconds, whoever waits looks whether it should go on waiting.
_GLANCE = 0.25


@dataclass(frozen=True)
class Arrival(Generic[T]):
    """What one stream, by its place in the sequence, has to say: a page, its end, or an error."""

    place: int
    page: T | None = None
    error: Exception | None = None


def read_ahead(
    readers: Sequence[Callable[[], Iterator[T]]],
    threads: int,
    take: Callable[[Arrival[T]], Taken],
    put: Callable[[Taken], None],
    stopped: Callable[[], bool],
) -> None:
    """Run `readers` on so many threads; `take` each arrival here, then `put` what that returns.

    While it is put away, the thread that it came from reads on. Returns when all readers have
    ended or failed, or early once `stopped()` is true. The threads end then, too; they are
    daemons, so a call to Xero that is under way does not hold the process back.
    """
    crew = _Crew(readers)
    for _ in range(min(threads, len(readers))):
        threading.Thread(target=crew.work, daemon=True).start()
    unfinished = len(readers)
    try:
        while unfinished and not stopped():
            try:
                arrival = crew.arrivals.get(timeout=_GLANCE)
            except queue.Empty:
                continue
            unfinished -= arrival.page is None
            taken = take(arrival)
            del arrival  # either may hold megabytes
            crew.taken.release()
            put(taken)
            del taken
    finally:
        crew.left.set()


class _Crew(Generic[T]):
    """What the threads share: the readers nobody has begun, and the way to the caller."""

    def __init__(self, readers: Sequence[Callable[[], Iterator[T]]]) -> None:
        self.arrivals: queue.SimpleQueue[Arrival[T]] = queue.SimpleQueue()
        self.taken = threading.Semaphore(0)
        self.left = threading.Event()
        self._waiting = iter(enumerate(readers))
        self._lock = threading.Lock()

    def work(self) -> None:
        """Read one stream after the other until none is left or nobody listens."""
        while not self.left.is_set():
            with self._lock:
                place, reader = next(self._waiting, (0, None))
            if reader is None:
                return
            self._read(place, reader)

    def _read(self, place: int, reader: Callable[[], Iterator[T]]) -> None:
        try:
            for page in reader():
                self._hand_over(Arrival(place, page))
                del page  # megabytes, while the next ones come
                if self.left.is_set():
                    return
            self._hand_over(Arrival(place))
        except Exception as error:  # noqa: BLE001 - the caller decides what an error means
            self._hand_over(Arrival(place, error=error))

    def _hand_over(self, arrival: Arrival[T]) -> None:
        """Wait until the caller has taken this, or what another thread has, or nobody listens."""
        self.arrivals.put(arrival)
        while not self.left.is_set() and not self.taken.acquire(timeout=_GLANCE):
            continue
