"""A long sync with a fault in every twentieth call, to see that nothing is lost and nothing grows.

`python -m tests.whole_run.soak 200000` syncs about so many records of all streams from a demo in
another process, so that memory and open files are the tap's alone. Waits are not waited.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tap_xero import dates
from tap_xero.client import Client
from tap_xero.commands import summary
from tap_xero.config import load_config
from tap_xero.demo import DemoXero, Fault
from tap_xero.demo.lists import CASH_JOURNALS
from tap_xero.output.writer import Writer
from tap_xero.selection import selection
from tap_xero.state import State
from tap_xero.streams.table import LISTS
from tap_xero.sync import Sync
from tests.support import fault_table
from tests.support.fake_clock import START, FakeTime
from tests.support.run_tap import catalog_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

    from tap_xero.demo.calls import Call

# The rows of the demo's organisation behind each stream.
PATHS = {
    stream.tap_stream_id: CASH_JOURNALS if stream.params.get("paymentsOnly") else stream.path
    for stream in LISTS
}
KEYS = {stream.tap_stream_id: stream.key_properties for stream in LISTS}
# Of all streams, for each invoice of the demo.
RECORDS_PER_INVOICE = 5.1
EVERY = 20
# What a silent call costs, in seconds; the demo needs some time itself.
SHORT = 1.0
MEBIBYTE = 2**20


@dataclass
class Figures:
    """What came of it; `memory` (bytes) and `files` are as they were at each write."""

    records: int
    missing: int
    repeated: int
    calls: int
    struck: Counter[str]
    seconds: float
    failures: list[str]
    memory: list[int] = field(repr=False)
    files: list[int] = field(repr=False)

    @property
    def growth(self) -> int:
        """Bytes by which memory grew after the first tenth of the run."""
        return max(self.memory) - max(self.memory[: len(self.memory) // 10 + 1])

    @property
    def files_opened(self) -> int:
        """Open files at most; four calls at once have four sockets, each with a duplicate."""
        return max(self.files) - self.files[0]

    def __str__(self) -> str:
        return (
            f"{self.records:,} records in {self.calls:,} calls, {self.seconds:.0f} s\n"
            f"faults: {self.struck.total():,} of {len(self.struck)} kinds\n"
            f"missing: {self.missing}, repeated: {self.repeated}, "
            f"failed: {self.failures or 'none'}\n"
            f"memory: {self.memory[0] / MEBIBYTE:.0f} MiB at first, "
            f"{max(self.memory) / MEBIBYTE:.0f} MiB at most, "
            f"{self.growth / MEBIBYTE:.1f} MiB more than in the first tenth\n"
            f"open files: {self.files[0]} at first, {self.files_opened} more at most, "
            f"{self.files[-1]} at the end"
        )


def soak(records: int, every: int = EVERY, page_size: int = 100) -> Figures:
    """Sync about `records` records, with a fault in one of `every` calls."""
    with tempfile.TemporaryDirectory() as folder, _demo(records, every) as (config, pipe):
        started = time.monotonic()
        output = Path(folder, "output")
        with output.open("wb", buffering=0) as file:
            gauge = Gauge(file)
            gauge.measure()
            tap, calls = _sync(
                Path(folder, "config.json"), config | {"page_size": page_size}, gauge
            )
        gauge.measure()
        seconds = time.monotonic() - started
        pipe.send("what was there, and what was done to it?")
        held, struck = pipe.recv()
        arrived = _arrived(output)
        return Figures(
            records=arrived.total(),
            missing=len(set(held) - set(arrived)),
            repeated=(arrived - held).total(),
            calls=calls,
            struck=struck,
            seconds=seconds,
            failures=[f"{run.name}: {run.error}" for run in summary.failures(tap.outcomes)],
            memory=gauge.memory,
            files=gauge.files,
        )


class Gauge:
    """A sink that looks at this process at each write."""

    def __init__(self, file: Any) -> None:  # noqa: ANN401
        self._file = file
        self.memory: list[int] = []
        self.files: list[int] = []

    def write(self, data: bytes | memoryview, /) -> int | None:
        """Write to the file."""
        self.measure()
        return int(self._file.write(data))

    def measure(self) -> None:
        """Note memory and open files."""
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        self.memory.append(pages * os.sysconf("SC_PAGE_SIZE"))
        self.files.append(len(os.listdir("/proc/self/fd")))  # noqa: PTH208 - the fastest way


def _sync(path: Path, settings: dict[str, Any], gauge: Gauge) -> tuple[Sync, int]:
    path.write_text(json.dumps(settings))
    clock = FakeTime().clock
    config = load_config([str(path)], {}, clock.now())
    state = State({}, "state", dates.to_ms_of(clock.now()))
    with Client(config, clock) as client:
        tap = Sync(client, config, state, Writer(gauge), clock.now)
        tap.run(selection(catalog_of(PATHS), "catalog"))
        return tap, client.usage.calls


def _arrived(output: Path) -> Counter[tuple[str, ...]]:
    """Return the keys of all records, behind the name of their stream."""
    arrived: Counter[tuple[str, ...]] = Counter()
    with output.open("rb") as lines:
        for line in lines:
            if line.startswith(b'{"type":"RECORD"'):
                message = msgspec.json.decode(line)
                arrived[_key(message["stream"], message["record"])] += 1
    return arrived


def _key(name: str, row: dict[str, Any]) -> tuple[str, ...]:
    return (name, *(str(row[key]) for key in KEYS[name]))


@contextmanager
def _demo(records: int, every: int) -> Iterator[tuple[dict[str, Any], Connection]]:
    """Serve a demo from another process: yield a config, and a pipe that tells what it held."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, records, every), daemon=True)
    process.start()
    try:
        yield ours.recv(), ours
    finally:
        ours.close()
        process.join(10)


def _serve(pipe: Connection, records: int, every: int) -> None:
    began = time.monotonic()
    size = round(records / RECORDS_PER_INVOICE)
    with DemoXero(size, clock=lambda: START.timestamp() + time.monotonic() - began) as xero:
        held = Counter(
            _key(name, row) for name, path in PATHS.items() for row in xero.organisation.rows(path)
        )
        script = Script(xero, every)
        settings = {"calls_per_minute": 10_000, "include_archived_contacts": True}
        pipe.send(xero.config(**settings, request_timeout=SHORT))
        pipe.recv()
        pipe.send((held, script.struck))


class Script:
    """Spoils one of `every` calls, with each fault that passes in turn."""

    def __init__(self, xero: DemoXero, every: int) -> None:
        self.struck: Counter[str] = Counter()
        self._random = random.Random(1)
        self._plan(xero, "data", _named(*fault_table.PASSING, fault_table.EXPIRED), every)
        self._plan(xero, "token", _named(fault_table.OF_TOKENS[0]), 3)

    def _plan(self, xero: DemoXero, kind: str, named: dict[str, Fault], every: int) -> None:
        chosen: dict[int, str] = {}
        waiting: list[str] = []

        def strikes(name: str, call: Call) -> bool:
            if call.number not in chosen:
                chosen.clear()
                chosen[call.number] = ""
                if self._random.randrange(every) == 0:
                    waiting.extend([] if waiting else self._random.sample([*named], len(named)))
                    chosen[call.number] = waiting.pop()
                    self.struck[chosen[call.number]] += 1
            return chosen[call.number] == name

        for name, fault in named.items():
            xero.fail(fault, on=partial(strikes, name), times=None, kind=kind)


def _named(*rows: fault_table.Row) -> dict[str, Fault]:
    return {f"{row.name}: {name}": fault for row in rows for name, fault in row.faults.items()}


def main(records: int) -> int:
    """Print the figures; 0 if nothing is missing and nothing grew."""
    logging.getLogger().setLevel(logging.ERROR)
    figures = soak(records)
    print(figures)
    is_whole = not (figures.missing or figures.repeated or figures.failures)
    is_bounded = figures.growth < 40 * MEBIBYTE and figures.files_opened <= 10
    return 0 if is_whole and is_bounded else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
