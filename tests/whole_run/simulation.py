"""Books that change while they are read, by a tap that is killed: in the end nothing is missing.

A simulated run takes a seed and plays this: a demo Xero with random books behaves in one of the
ways that Xero might; at every call it edits, adds, deletes and archives; the real tap syncs over
HTTP and is killed at any byte of its output, or Xero's calls of the day run out. Of a killed
run the target has only what stands before the STATE that it kept, and the tap starts again from
there. Then the books rest, one more sync completes, and the target must hold the last version of
every record. A seed plays alike each time, also where three streams are read at once.

    python -m tests.whole_run.simulation 10000          so many seeds, on all processors
    python -m tests.whole_run.simulation --seed 17      one seed again, telling each call
    python -m tests.whole_run.simulation 50 --planted   with plain page numbers, not seek: it loses
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from functools import cache, partial
from random import Random
from typing import TYPE_CHECKING, Any

from tap_xero import dates
from tap_xero.client import Client
from tap_xero.clock import Clock
from tap_xero.demo import Behaviour, DemoXero, Fault
from tap_xero.demo.identity import granted
from tap_xero.demo.lists import find_endpoint
from tap_xero.errors import StreamError, TapError
from tap_xero.output.writer import Writer
from tap_xero.paging.pages import Page, newest
from tap_xero.selection import Selection, selection
from tap_xero.state import State
from tap_xero.streams.stream import pager_of
from tap_xero.sync import Sync
from tests.support.fake_clock import FakeTime
from tests.support.run_tap import catalog_of, load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tap_xero.config import Config
    from tap_xero.demo import Call
    from tap_xero.paging.endpoint import Endpoint
    from tap_xero.paging.pages import Pager, Start
    from tap_xero.streams.stream import Stream

DAY = 86_400_000
# More calls than any run needs.
CALLS_OF_A_RUN = 4000
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
START_DATE = datetime(2020, 1, 1, tzinfo=timezone.utc)
# Each stream that is simulated, with the field by which the versions of a record are told apart.
STREAMS = {
    "invoices": "Reference",
    "contacts": "Name",
    "manual_journals": "Narration",
    "quotes": "Title",
    "accounts": "Name",
    "journals": "Reference",
    "linked_transactions": "SourceTransactionID",
}
# A list grows no further by edits: with the smallest pages, more rows take too many calls.
MOST_ROWS = 200
# What is drawn more often than the rest.
MOSTLY = ("invoices", "invoices", "invoices", "contacts", "contacts", "manual_journals")


class KilledError(BaseException):
    """The process is gone; nothing in it may catch this."""


@dataclass
class Outcome:
    """What came of one seed: which records the target lacks, and how much was going on."""

    seed: int
    missing: list[str]
    counts: Counter[str]


def simulate(seed: int, tamper: Callable[[Stream], Stream] = lambda stream: stream) -> Outcome:
    """Play one seed, with the streams as `tamper` leaves them."""
    return play(Simulation(seed, tamper))


def play(simulation: Simulation) -> Outcome:
    """Sync while the books change, then once more when they rest, and look what is missing."""
    with simulation.xero:
        for _ in range(simulation.dice.choice((1, 2, 3, 4))):
            simulation.sync(restless=True)
            if simulation.endless:
                return simulation.outcome(["never ends"])
        simulation.books.rest()
        # A run may fail because a page came twice; it says so, and the next one completes.
        if not (simulation.sync() or simulation.sync()):
            return simulation.incomplete()
    return simulation.outcome(simulation.missing())


# The books


@dataclass
class Books:
    """The lists of a demo Xero, and the time by which they change."""

    dice: Random
    names: Sequence[str]
    now: int = 1_780_000_000_000
    edits_a_call: float = 0.0
    versions: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    xero: DemoXero = field(init=False)

    def open(self) -> None:
        """Make the Xero, and its lists."""
        behaviour = random_behaviour(self.dice, self.names)
        self.xero = DemoXero(size=0, behaviour=behaviour, clock=lambda: (self.now + 0.5) / 1000)
        self.xero.before_call = self.before_call
        for name in self.names:
            self._fill(name)

    def rest(self) -> None:
        """Stop changing."""
        self.edits_a_call = 0
        self.pass_time(dice=(1, 1000, 120_000))
        with self.xero.lock:
            self.xero.behaviour.repeats_page = frozenset()
            self.xero.faults.clear()

    def pass_time(self, dice: Sequence[int] = (0, 0, 0, 1, 1, 30, 1000, 61_000)) -> None:
        """Let some milliseconds pass, or none."""
        self.now += self.dice.choice(dice)

    def before_call(self, _xero: DemoXero, _call: Call) -> None:
        """Change something, perhaps."""
        self.counts["calls"] += 1
        if self.dice.random() < self.edits_a_call:
            for _ in range(self.dice.choice((1, 1, 2, 5))):
                self._change(self.dice.choice(self.names))
            self.pass_time()

    def _fill(self, name: str) -> None:
        dice = self.dice
        self.xero.replace(find(name), [])
        fixed_pages = name in ("journals", "linked_transactions", "quotes")
        count = dice.choice((0, 1, 5, 30, 120, 330) if fixed_pages else (0, 1, 5, 30, 60, 120))
        spread = dice.choice((10, 1000, 60_000, 5 * DAY, 5 * DAY, 300 * DAY))
        ties = [self.now - dice.randrange(spread) for _ in range(2)]
        tied = dice.choice((0, 0, 0.3, 0.8))
        unstamped = dice.choice((0, 0, 0, 0, 0.02, 0.1))
        for _ in range(count):
            stamp: int | None = self.now - dice.randrange(spread)
            if dice.random() < tied:
                stamp = dice.choice(ties)
            if dice.random() < unstamped:
                stamp = None
            self._put(name, self._new_key(name), stamp)

    def _change(self, name: str) -> None:
        rows = self.xero.organisation.table(find(name)).rows
        choice = self.dice.random()
        self.counts["edits"] += 1
        if name == "journals" or (choice < 0.2 and len(rows) < MOST_ROWS) or not rows:
            self._put(name, self._new_key(name), self.now)
        elif choice < 0.75:
            self._put(name, self.dice.choice(list(rows)), self.now)
        elif choice < 0.9:
            self.xero.organisation.table(find(name)).drop(self.dice.choice(list(rows)))
        elif choice < 0.98 or name != "invoices":
            self._put(name, self.dice.choice(list(rows)), self.now, archived=True)
        else:
            for key in self.dice.sample(list(rows), len(rows) // 2):
                self._put(name, key, self.now)
        self.pass_time()

    def _new_key(self, name: str) -> str:
        if name == "journals":
            rows = self.xero.organisation.table(find(name)).rows
            last = next(reversed(rows.values())).serial if rows else 0
            return str(last + self.dice.choice((1, 1, 1, 2, 30)))
        return f"{self.dice.getrandbits(32):08x}"

    def _put(self, name: str, key: str, stamp: int | None, *, archived: bool = False) -> None:
        endpoint = find_endpoint(find(name))
        self.versions += 1
        row: dict[str, Any] = {endpoint.key: key, STREAMS[name]: f"version {self.versions}"}
        if stamp is not None:
            row[endpoint.stamp] = f"/Date({stamp}+0000)/"
        if name == "journals":
            row["JournalNumber"] = int(key)
        if archived and endpoint.archived_by:
            row[endpoint.archived_by] = "ARCHIVED"
        self.xero.organisation.put(find(name), row)

    def current(self, name: str, since: int = 0) -> dict[str, str]:
        """Return the version of each record that Xero shows, by its key, from `since` (ms) on."""
        rows = self.xero.organisation.table(find(name)).rows
        seen = (row for row in rows.values() if not row.hidden)
        shown = (row.read() for row in seen if row.stamp >= since or not row.stamp)
        key = find_endpoint(find(name)).key
        return {row[key]: row[STREAMS[name]] for row in shown}


def random_behaviour(dice: Random, names: Sequence[str]) -> Behaviour:
    """Draw one of the ways in which Xero might behave."""

    def seldom(chance: float) -> bool:
        return dice.random() < chance

    # Where Xero says nothing of its pages, their size is what was asked for or 100.
    pagination = dice.choice(("right",) * 6 + ("missing", "too_small", "too_big", "garbage"))
    silent = pagination != "right" or "quotes" in names
    return Behaviour(
        ims_inclusive=seldom(0.5),
        ims_precision=dice.choice(("ms", "second", "second", "minute", "day")),
        ims_truncates_both=seldom(0.3),
        ims_ignored=seldom(0.05),
        answers_304=seldom(0.3),
        list_order=dice.choice(
            ("documented", "documented", "id", "insertion", "desc", "shuffled_ties")
        ),
        honours_order=seldom(0.75),
        page_size_cap=dice.choice((None, None, None, 100) if silent else (None, 100, 2, 7)),
        ignores_page_size=seldom(0.1),
        pagination=pagination,
        everything_on_every_page=frozenset(map(find, names)) if seldom(0.06) else frozenset(),
        repeats_page=frozenset(dice.sample(range(2, 60), 2)) if seldom(0.06) else frozenset(),
        partial_journals=seldom(0.5),
        pretty=False,
        expires_in=10**9,
    )


def find(name: str) -> str:
    """Return the path of a stream's list."""
    return _selection(name, full_table=False).stream.path


# The tap and the target


class Simulation:
    """One Xero, one tap that is run again and again, and the target behind it."""

    def __init__(self, seed: int, tamper: Callable[[Stream], Stream]) -> None:
        self.seed = seed
        dice = Random(seed)
        several = dice.random() < 0.15
        names = dice.sample(list(STREAMS), 3) if several else [dice.choice(MOSTLY)]
        if not several and dice.random() < 0.4:
            names = [dice.choice(list(STREAMS))]
        self.dice = dice
        self.endless = False
        self._errors: list[StreamError | None] = []
        self.books = Books(dice, names)
        self.books.open()
        self.books.edits_a_call = dice.choice((0, 0.1, 0.5, 1))
        self.xero = self.books.xero
        self.counts = self.books.counts
        self.state: dict[str, Any] = {}
        self.target: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in names}
        self._skew = timedelta(milliseconds=dice.choice((0, 0, 0, -400, 400, -DAY, DAY)))
        self._selections = [
            self._selection(name, tamper, full_table=dice.random() < 0.05) for name in names
        ]
        # So that a list has a dozen pages at the most: thousands of calls prove no more.
        self._largest = max(len(self.books.current(name)) for name in names)
        self._config = self._settings(dice, max_concurrency=len(names))
        self._turns = Turns(len(names), dice)
        self._draw_what_is_off()

    def _draw_what_is_off(self) -> None:
        """Let the stream start amid the rows, and Xero's header Date be off the rows' stamps."""
        books, dice = self.books, self.dice
        if dice.random() < 0.3:
            start = books.now - dice.choice((0, 1000, 60_000, DAY, 3 * DAY, 100 * DAY))
            self._config = replace(self._config, start_date=EPOCH + timedelta(milliseconds=start))
        if dice.random() < 0.3 and self._config.lookback_seconds >= 5:
            off = dice.choice((-4000, -1000, 1000, 4000))
            self.xero.clock = lambda: (books.now + off + 0.5) / 1000

    def sync(self, *, restless: bool = False) -> bool:
        """Run the tap once; say whether it completed."""
        sink = Sink(self._draw_kill() if restless else None)
        self.counts["runs"] += 1
        self._guard_against_endless_runs()
        if restless:
            self._draw_fault()
        complete = self._run(sink)
        self.counts["killed"] += sink.killed
        self.xero.faults.clear()
        self.books.pass_time()
        self._load(sink)
        return complete

    def outcome(self, missing: list[str]) -> Outcome:
        """Return what came of the seed."""
        return Outcome(self.seed, missing, self.counts)

    def incomplete(self) -> Outcome:
        """Return what it means that no run completes any more.

        Everything on every page cannot be told from one full page again and again where it is
        just a page's worth; the tap then says so at every run. It does so, too, where a full
        table has no row and Xero counts some.
        """
        behaviour, errors = self.xero.behaviour, str(self._errors)
        repeats = bool(behaviour.everything_on_every_page) and "as 2 too" in errors
        overcounts = behaviour.pagination == "too_big" and "and sent none" in errors
        refused = repeats or overcounts
        self.counts["refused"] += refused
        return self.outcome([] if refused else ["never completes"])

    def missing(self) -> list[str]:
        """Return what the target does not hold in its last version."""
        return [
            f"{name} {key}: {version}, the target has {self.target[name].get(key)}"
            for name, selection in zip(self.books.names, self._selections, strict=True)
            for key, version in self.books.current(name, self._since(selection)).items()
            if self.target[name].get(key, {}).get(STREAMS[name]) != version
        ]

    def _since(self, selection: Selection) -> int:
        """Return the stamp (ms) from which the records of a stream are wanted."""
        by_stamp = selection.replication_key == "UpdatedDateUTC"
        return dates.to_ms_of(self._config.start_date) if by_stamp else 0

    def _draw_kill(self) -> int | None:
        return self.dice.randrange(1, 30_000) if self.dice.random() < 0.4 else None

    def _draw_fault(self) -> None:
        """Let the calls of the day run out, or a large page be slow."""
        choice, on = self.dice.random(), self.dice.randrange(1, 30)
        if choice < 0.1:
            headers = {"X-Rate-Limit-Problem": "day", "Retry-After": "600"}
            self.xero.fail(Fault.status(429, headers), on=on, times=None)
        elif choice < 0.2:
            self.xero.fail(Fault.status(504), on=on, times=2)

    def _guard_against_endless_runs(self) -> None:
        limit = self.counts["calls"] + CALLS_OF_A_RUN

        def is_beyond(_: Call) -> bool:
            self.endless |= self.counts["calls"] > limit
            return self.endless

        self.xero.fail(Fault.status(429, {"X-Rate-Limit-Problem": "day"}), on=is_beyond, times=None)

    def _run(self, sink: Sink) -> bool:
        fake = FakeTime()
        clock = Clock(fake.clock.monotonic, fake.clock.sleep, self._now)
        state = State(self.state, "state", dates.to_ms_of(self._now()))
        self._turns = Turns(len(self._selections), self.dice)
        sink.on_kill = self._turns.end
        with Client(self._config, clock) as client:
            tap = Sync(
                client, self._config, state, Writer(sink), clock.now, on_page=self._turns.written
            )
            try:
                tap.run(self._selections)
            except (KilledError, TapError):
                return False
            finally:
                self._turns.end()
        self._errors = [run.error for run in tap.outcomes]
        return all(run.complete and not run.error for run in tap.outcomes)

    def _now(self) -> datetime:
        return EPOCH + timedelta(milliseconds=self.books.now) + self._skew

    def _load(self, sink: Sink) -> None:
        """Hand the target what it keeps of a run: if that was killed, up to some STATE."""
        messages = [json.loads(line) for line in bytes(sink.kept).splitlines(keepends=True)[:-1]]
        if not sink.killed:
            messages = [json.loads(line) for line in bytes(sink.kept).splitlines()]
        states = [at for at, message in enumerate(messages) if message["type"] == "STATE"]
        if sink.killed and states:
            kept = self.dice.choice(states) if self.dice.random() < 0.3 else states[-1]
            messages = messages[: kept + 1]
        elif sink.killed:
            messages = []
        for message in messages:
            self._take(message)

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "STATE":
            self.state = message["value"]
        elif message["type"] == "RECORD":
            key = find_endpoint(find(message["stream"])).key
            record = {**message["record"], "version": message.get("version")}
            self.target[message["stream"]][record[key]] = record
        elif message["type"] == "ACTIVATE_VERSION":
            table = self.target[message["stream"]]
            for key in [key for key in table if table[key]["version"] != message["version"]]:
                del table[key]

    def _selection(
        self, name: str, tamper: Callable[[Stream], Stream], *, full_table: bool
    ) -> Selection:
        chosen = _selection(name, full_table=full_table and name != "journals")
        stream = tamper(chosen.stream)
        pager = _pager(stream)
        in_turn = lambda *read: self._turns.pages(pager.pages, name, *read)  # noqa: E731
        return replace(chosen, stream=_read_by(stream, in_turn))

    def _settings(self, dice: Random, max_concurrency: int) -> Config:
        token = self.xero.identity.new_access_token(
            self.xero.behaviour, granted(self.xero.behaviour)
        )
        return replace(
            _config(),
            api_url=self.xero.url,
            identity_url=self.xero.url,
            access_token=token,
            start_date=START_DATE,
            page_size=max(dice.choice((2, 3, 5, 10, 20, 100, 150)), self._largest // 12),
            lookback_seconds=dice.choice((0, 5, 5, 5, 3600)),
            max_concurrency=max_concurrency,
        )


class Sink:
    """A target's end of the pipe, that is gone after so many bytes."""

    def __init__(self, until: int | None) -> None:
        self.kept = bytearray()
        self.killed = False
        self.on_kill: Callable[[], None] = lambda: None
        self._until = until

    def write(self, data: bytes | memoryview, /) -> int:
        """Keep `data`, or as much of it as comes before the kill."""
        if self._until is not None:
            data = data[: self._until - len(self.kept)]
        self.kept += data
        if len(self.kept) == self._until:
            self.killed = True
            self.on_kill()
            raise KilledError
        return len(data)


class Turns:
    """Lets one pager go on at a time, once what is read is written, so that seeds play alike.

    Which of them is drawn by `dice`, as soon as all `awaited` pagers have begun.
    """

    def __init__(self, awaited: int, dice: Random) -> None:
        self._awaited = awaited
        self._dice = dice
        self._begun: list[str] = []
        self._turn: str | None = None
        self._over = False
        self._changed = threading.Condition()

    def pages(
        self,
        pages: Callable[[Endpoint, Start], Iterator[Page]],
        name: str,
        endpoint: Endpoint,
        start: Start,
    ) -> Iterator[Page]:
        """Run the pager of the stream `name`, a page at a time."""
        with self._changed:
            self._begun.append(name)
            self._awaited -= 1
            if not self._awaited:
                self._draw()
        try:
            if self._may_go_on(name):
                for page in pages(endpoint, start):
                    yield page
                    if not self._may_go_on(name):
                        return
        finally:
            with self._changed:
                self._begun.remove(name)
                self._draw()

    def written(self, *_: object) -> None:
        """Let a pager go on."""
        with self._changed:
            self._draw()

    def end(self) -> None:
        """Let all pagers end."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def _draw(self) -> None:
        self._turn = self._dice.choice(sorted(self._begun)) if self._begun else None
        self._changed.notify_all()

    def _may_go_on(self, name: str) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._over or self._turn == name, timeout=60)
            may, self._turn = self._turn == name and not self._over, None
            return may


@cache
def _selection(name: str, *, full_table: bool) -> Selection:
    """Return a stream with only the fields that matter here: compiling them all takes longer."""
    method = {"replication_method": "FULL_TABLE"} if full_table else {}
    chosen = selection(catalog_of([name], **method), "catalog")[0]
    names = {*chosen.stream.key_properties, chosen.stream.replication_key, STREAMS[name]}
    return replace(chosen, selected_fields=frozenset(filter(None, names)))


@cache
def _config() -> Config:
    with DemoXero(size=0) as xero:
        return load(xero, refresh_token=None, access_token="given")


def _read_by(stream: Stream, pages: Callable[[Endpoint, Start], Iterator[Page]]) -> Stream:
    return replace(stream, pager=replace(_pager(stream), pages=pages))


def _pager(stream: Stream) -> Pager:
    return pager_of(stream, _config(), Clock().now())


# The fault that must be found


def page_numbers_alone(stream: Stream) -> Stream:
    """Plant what most connectors do: page after page by number, the bookmark at the last stamp."""
    return _read_by(stream, _naive) if stream.replication_key == "UpdatedDateUTC" else stream


def _naive(endpoint: Endpoint, start: Start) -> Iterator[Page]:
    for number in range(1, 100):
        params = endpoint.page_params(number, start.page_size)
        source = endpoint.ask(start.since, **params)
        yield Page(list(source.rows), source, newest(source), last=not source.rows)
        if not source.rows:
            return


# The command


def main() -> int:
    """Play many seeds, or one; exit 1 when something is missing."""
    parser = argparse.ArgumentParser(prog="python -m tests.whole_run.simulation")
    parser.add_argument("runs", type=int, nargs="?", default=300)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="play this seed alone and tell each call")
    parser.add_argument("--planted", action="store_true", help="with plain page numbers")
    arguments = parser.parse_args()
    tamper = page_numbers_alone if arguments.planted else _as_it_is
    if arguments.seed is not None:
        return _tell(arguments.seed, tamper)
    logging.disable()
    began, counts, failed = time.monotonic(), Counter[str](), 0
    seeds = range(arguments.first, arguments.first + arguments.runs)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for outcome in pool.map(partial(simulate, tamper=tamper), seeds, chunksize=20):
            counts += outcome.counts
            failed += bool(outcome.missing)
            if outcome.missing:
                first = outcome.missing[0]
                print(f"seed {outcome.seed}: {len(outcome.missing)} missing, first {first}")
            if outcome.seed % 1000 == 999:
                print(f"{outcome.seed + 1 - arguments.first} runs", flush=True)
    print(
        f"{len(seeds)} simulated runs, {failed} with records missing; {counts['runs']} syncs, "
        f"{counts['killed']} of them killed, {counts['refused']} refused, {counts['calls']} calls, "
        f"{counts['edits']} edits, {time.monotonic() - began:.0f} s"
    )
    return 1 if failed else 0


def _as_it_is(stream: Stream) -> Stream:
    return stream


def _tell(seed: int, tamper: Callable[[Stream], Stream]) -> int:
    logging.disable(logging.INFO)
    simulation = Simulation(seed, tamper)
    outcome = play(simulation)
    print(simulation.xero.behaviour)
    for call in simulation.xero.calls:
        print(call.number, call.path, call.headers.get("if-modified-since"), call.params)
    print(*outcome.missing or ["nothing is missing"], sep="\n")
    return 1 if outcome.missing else 0


if __name__ == "__main__":
    sys.exit(main())
