"""The real tap, over real HTTP, through every fault of `tests.support.fault_table`.

After a fault that passes, records and bookmarks are those of a run without it. After one that
does not, one line says what is wrong, everything else is complete, and the next run, from the
last STATE, brings what is missing.
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tap_xero.clock import Clock
from tap_xero.commands import summary
from tap_xero.demo import DemoXero, Fault
from tap_xero.errors import (
    AuthorizeError,
    DayLimitError,
    OrganisationError,
    SkipStreamError,
    StreamError,
    TapError,
    UnreachableError,
)
from tests.support import fault_table
from tests.support.fake_clock import FakeTime
from tests.support.run_tap import Output, catalog_of, sync

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tap_xero.demo.calls import Call

# One of each kind: pages of modified rows, one answer, journals, a whole table in one answer and
# in pages.
STREAMS = {
    "invoices": "Invoices",
    "accounts": "Accounts",
    "journals": "Journals",
    "currencies": "Currencies",
    "linked_transactions": "LinkedTransactions",
}
# In which calls a stream can be hit.
PLACES = [(name, n) for name in STREAMS for n in (1, 2, 3) if n == 1 or name[:4] not in "accocurr"]
# Seconds for a whole answer where some never come; the demo may need more under load.
SHORT = 0.6
RECORD = re.compile(rb'{"type":"RECORD","stream":"(\w+)"')
# What is not the same from run to run.
OF_THE_RUN = re.compile(rb',"(?:time_extracted|version)":(?:"[^"]*"|\d+)')


@dataclass
class Stage:
    """A demo with a few pages of each stream, and what a run without faults brings."""

    xero: DemoXero
    time: FakeTime
    token_file: Path
    contents: dict[str, Counter[bytes]] = field(init=False)
    state: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        rows = self.xero.organisation.rows("LinkedTransactions")
        self.xero.replace("LinkedTransactions", [numbered(rows[0], n) for n in range(230)])
        whole = self.sync()
        self.contents, self.state = contents(whole), last_state(whole)
        for name, path in STREAMS.items():
            assert len(self.contents[name]) == len(self.xero.organisation.rows(path))

    def sync(self, state: dict[str, Any] | None = None, **config: Any) -> Output:  # noqa: ANN401
        """Run the tap for these streams; its token may be renewed."""
        settings: dict[str, Any] = {
            "page_size": 15,
            "request_timeout": 30,
            "refresh_token": self.xero.identity.refresh_token,
            "token_file": str(self.token_file),
        } | config
        return sync(self.xero, catalog=catalog(), state=state, clock=self.time.clock, **settings)


@functools.cache
def catalog() -> dict[str, Any]:
    return catalog_of(STREAMS)


def numbered(row: dict[str, Any], number: int) -> dict[str, Any]:
    """Return a linked transaction of its own."""
    return row | {"LinkedTransactionID": f"00000000-0000-4000-8000-{number:012}"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    time = FakeTime()
    with DemoXero(size=60, clock=lambda: time.now().timestamp()) as xero:
        yield Stage(xero, time, tmp_path_factory.mktemp("tokens") / "token.json")


@pytest.fixture
def stage(shared: Stage) -> Iterator[Stage]:
    yield shared
    shared.xero.faults.clear()


def nth_call(number: int, path: str | None = None) -> Callable[[Call], bool]:
    """Pick the n-th call of each path, or of one."""
    seen: Counter[str] = Counter()

    def picks(call: Call) -> bool:
        seen[call.path] += 1
        return seen[call.path] == number and path in (None, call.path)

    return picks


def lines(caplog: pytest.LogCaptureFixture, level: int = logging.WARNING) -> list[str]:
    """Return what was logged from a level up; each is one line."""
    messages = [record.getMessage() for record in caplog.records if record.levelno >= level]
    assert not any("\n" in message for message in messages)
    return messages


def contents(output: Output) -> dict[str, Counter[bytes]]:
    """Return the RECORD lines of each stream, in no order and without what differs by run."""
    found: dict[str, Counter[bytes]] = {name: Counter() for name in STREAMS}
    for line in output.raw.splitlines():
        stream = RECORD.match(line)
        if stream:
            found[stream[1].decode()][OF_THE_RUN.sub(b"", line)] += 1
    return found


def last_state(output: Output) -> dict[str, Any]:
    message = json.loads(output.raw.splitlines()[-1])
    assert message["type"] == "STATE"
    return dict(message["value"])


def assert_whole(output: Output, stage: Stage) -> None:
    assert output.error is None
    assert not summary.failures(output.runs)
    arrived = contents(output)
    for name in STREAMS:
        assert arrived[name] == stage.contents[name], name
    assert last_state(output) == stage.state


def assert_completed_by_the_next_run(output: Output, stage: Stage) -> None:
    """Between them the two runs bring every record, and the bookmarks get where they belong."""
    stage.xero.faults.clear()
    rest = stage.sync(state=last_state(output))
    assert rest.error is None
    first, second = contents(output), contents(rest)
    for name in STREAMS:
        assert {*first[name], *second[name]} == {*stage.contents[name]}, name
    assert last_state(rest) == stage.state


def each_fault(*rows: fault_table.Row) -> pytest.MarkDecorator:
    """Parametrize a test with every fault of these rows."""
    return pytest.mark.parametrize(
        ("row", "fault"),
        [
            pytest.param(row, fault, id=f"{row.name.split(',')[0]}: {name}")
            for row in rows
            for name, fault in row.faults.items()
        ],
    )


def each_fault_everywhere(*rows: fault_table.Row) -> pytest.MarkDecorator:
    """Parametrize with each row in every place, and its further faults in one."""
    return pytest.mark.parametrize(
        ("row", "fault", "place"),
        [
            pytest.param(row, fault, place, id=f"{row.name}: {name}, {place[0]} {place[1]}")
            for row in rows
            for nth, (name, fault) in enumerate(row.faults.items())
            for place in (PLACES if nth == 0 else PLACES[1:2])
        ],
    )


# Faults that pass


@pytest.mark.parametrize("number", [1, 2, 3])
@each_fault(*fault_table.PASSING)
def test_a_fault_that_passes_in_any_call_costs_no_record_and_is_told_in_a_line(
    stage: Stage,
    row: fault_table.Row,
    fault: Fault,
    number: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage.xero.fail(fault, on=nth_call(number), times=None)
    output = stage.sync(request_timeout=SHORT if row.is_slow else 30)
    assert_whole(output, stage)
    told = lines(caplog)
    hit = 5 if number == 1 else 3
    assert len(told) == hit or (row.is_slow and len(told) > hit)
    assert all(re.search(row.says, line) for line in told)


@pytest.mark.parametrize("number", [1, 2, 3])
@each_fault(fault_table.EXPIRED)
def test_an_access_token_that_is_refused_in_any_call_costs_one_renewal(
    stage: Stage, row: fault_table.Row, fault: Fault, number: int, caplog: pytest.LogCaptureFixture
) -> None:
    renewals = tokens(stage)
    stage.xero.fail(fault, on=number)
    assert_whole(stage.sync(), stage)
    assert tokens(stage) == renewals + 1
    assert not lines(caplog)
    assert row.outcome is fault_table.Outcome.SURVIVED


def tokens(stage: Stage) -> int:
    """Return how many tokens were asked for so far."""
    return sum(call.kind == "token" for call in stage.xero.calls)


def test_all_access_tokens_ending_at_once_cost_one_renewal(stage: Stage) -> None:
    renewals = tokens(stage)
    stage.xero.fail(fault_table.EXPIRED.faults["expired"], on=nth_call(1), times=4)
    assert_whole(stage.sync(), stage)
    assert tokens(stage) <= renewals + 2


def test_a_refused_connection_costs_no_record(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    (row,) = (row for row in fault_table.OTHERS if row.name == "connection refused")
    with contextlib.ExitStack() as away:

        def sleep(seconds: float) -> None:
            stage.time.sleep(seconds)
            away.close()

        away.enter_context(stage.xero.refusing())
        clock = Clock(stage.time.clock.monotonic, sleep, stage.time.now)
        output = sync(stage.xero, catalog=catalog(), clock=clock, page_size=15)
    assert_whole(output, stage)
    told = lines(caplog)
    assert 1 <= len(told) <= 4
    assert all(re.search(row.says, line) for line in told)


@pytest.mark.parametrize("fault", [Fault.status(504), Fault.silent()], ids=["504", "silent"])
def test_pages_that_are_too_slow_are_asked_for_in_half_from_the_last_stamp_on(
    fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    """Xero manages 60 records in time, and no more, from the third call on."""
    (row,) = (row for row in fault_table.OTHERS if row.name.startswith("504 or"))
    caplog.set_level(logging.INFO)
    time = FakeTime()
    with DemoXero(size=600, clock=lambda: time.now().timestamp()) as xero:

        def is_too_much(call: Call) -> bool:
            return call.number > 2 and int(call.params.get("pageSize", 0)) > 60

        xero.fail(fault, on=is_too_much, times=None)
        output = sync(
            xero, ["invoices"], clock=time.clock, page_size=200, request_timeout=2 * SHORT
        )
        held = [row["InvoiceID"] for row in xero.organisation.rows("Invoices")]
        calls = [call for call in xero.calls if call.kind == "data"]
    assert output.error is None
    assert sorted(record["InvoiceID"] for record in output.records("invoices")) == sorted(held)
    assert [line for line in caplog.messages if re.search(row.says, line)] == [
        f"Invoices: asking for pages of {size} rows" for size in (100, 50)
    ]
    beginnings = [call for call in calls if "if-modified-since" not in call.headers]
    assert len(beginnings) <= 2, "nothing is read from the start again"


def test_text_that_is_not_utf_8_costs_a_character_and_no_record(stage: Stage) -> None:
    stage.xero.fail(Fault.bad_utf8(), on=nth_call(1, "Accounts"))
    output = stage.sync()
    assert not summary.failures(output.runs)
    arrived = contents(output)["accounts"]
    assert arrived.total() == stage.contents["accounts"].total()
    (changed,) = arrived - stage.contents["accounts"]
    assert "\ufffd" in json.loads(changed)["record"]["AccountID"]


# Faults of one stream


@each_fault_everywhere(*fault_table.OF_A_STREAM)
def test_a_fault_of_one_stream_ends_it_with_a_reason_and_the_others_complete(
    stage: Stage,
    row: fault_table.Row,
    fault: Fault,
    place: tuple[str, int],
    caplog: pytest.LogCaptureFixture,
) -> None:
    name, number = place
    renewals = tokens(stage)
    stage.xero.fail(fault, on=nth_call(number, STREAMS[name]))
    output = stage.sync()
    assert output.error is None
    (run,) = summary.failures(output.runs)
    assert run.name == name
    skipped = row.outcome is fault_table.Outcome.SKIPPED
    assert isinstance(run.error, StreamError)
    assert isinstance(run.error, SkipStreamError) is skipped
    (told,) = lines(caplog)
    assert re.search(f"^{name}: {STREAMS[name]}: .*{row.says}", told)
    reason = f"(?:{name}: |the login lacks the scope \\S+ \\(for {name}\\))"
    with pytest.raises(StreamError, match=f"1 of 5 streams are not complete: {reason}"):
        summary.raise_for_failures(output.runs, "run tap-xero --authorize")
    assert tokens(stage) == renewals, "no token is spent on it"
    arrived = contents(output)
    for other in set(STREAMS) - {name}:
        assert arrived[other] == stage.contents[other]
    assert_completed_by_the_next_run(output, stage)


@each_fault(*fault_table.PASSING)
def test_a_fault_that_stays_with_one_stream_ends_that_stream_only(
    stage: Stage, row: fault_table.Row, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    (stays,) = (other for other in fault_table.OTHERS if other.name.endswith("of one stream"))
    seen: Counter[str] = Counter()

    def is_behind_the_first(call: Call) -> bool:
        seen[call.path] += 1
        return call.path == "Journals" and seen[call.path] > 1

    stage.xero.fail(fault, on=is_behind_the_first, times=None)
    output = stage.sync(request_timeout=SHORT if row.is_slow else 30)
    assert output.error is None
    (run,) = summary.failures(output.runs)
    assert run.name == "journals"
    assert type(run.error) is StreamError
    assert re.search(stays.says, str(run.error))
    *retries, last = lines(caplog)
    assert all(re.search(row.says, line) for line in retries)
    assert re.search(stays.says, last)
    assert_completed_by_the_next_run(output, stage)


# Faults of the run


@each_fault_everywhere(*fault_table.OF_THE_RUN)
def test_the_limit_of_the_day_ends_the_run_at_once_and_the_next_goes_on_from_there(
    stage: Stage, row: fault_table.Row, fault: Fault, place: tuple[str, int]
) -> None:
    name, number = place
    naps = len(stage.time.naps)
    stage.xero.fail(fault, on=nth_call(number, STREAMS[name]))
    output = stage.sync()
    assert type(output.error) is DayLimitError
    assert re.search(row.says, str(output.error))
    assert len(stage.time.naps) == naps, "nobody waits for tomorrow"
    assert_completed_by_the_next_run(output, stage)


@each_fault(*fault_table.PASSING)
def test_when_xero_stays_away_the_run_ends_with_its_state_and_a_reason(
    stage: Stage, row: fault_table.Row, fault: Fault
) -> None:
    (stays,) = (other for other in fault_table.OTHERS if other.name.endswith("of all streams"))
    began = stage.time.seconds
    seen: Counter[None] = Counter()

    def is_late(_: Call) -> bool:
        seen[None] += 1
        return seen[None] > 4

    stage.xero.fail(fault, on=is_late, times=None)
    output = stage.sync(request_timeout=SHORT if row.is_slow else 30)
    assert type(output.error) is UnreachableError
    assert re.search(stays.says, str(output.error))
    assert stage.time.seconds - began < 4 * 15 * 125, "four streams wait side by side"
    assert_completed_by_the_next_run(output, stage)


def ending_of(name: str) -> str:
    """Return the pattern of a row of `fault_table.OTHERS`."""
    (row,) = (row for row in fault_table.OTHERS if row.name.startswith(name))
    assert row.outcome is fault_table.Outcome.RUN_ENDS
    return row.says


def test_a_token_that_is_refused_although_new_ends_the_run(stage: Stage) -> None:
    stage.xero.fail(fault_table.EXPIRED.faults["expired"], on=lambda _: True, times=None)
    output = stage.sync()
    assert type(output.error) is AuthorizeError
    assert re.search(ending_of("401 for a new token"), str(output.error))
    assert_completed_by_the_next_run(output, stage)


def test_an_organisation_that_is_not_reached_ends_the_run(stage: Stage) -> None:
    output = stage.sync(tenant_id="of-last-month")
    assert type(output.error) is OrganisationError
    assert re.search(
        ending_of("403 for an organisation that the login does not"), str(output.error)
    )
    assert_completed_by_the_next_run(output, stage)


# Faults of tokens


@each_fault(*fault_table.OF_TOKENS)
def test_faults_of_tokens_are_survived_or_explained(
    stage: Stage, row: fault_table.Row, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    before = stage.xero.identity.refresh_token
    stage.xero.fail(fault, kind="token", times=2)
    output = stage.sync(access_token=None)
    if row.outcome is fault_table.Outcome.SURVIVED:
        assert_whole(output, stage)
        told = lines(caplog)
        assert len(told) == 2
        assert all(re.search(row.says, line) for line in told)
        assert stage.xero.identity.refresh_token in stage.token_file.read_text()
    else:
        assert type(output.error) is AuthorizeError
        assert isinstance(output.error, TapError)
        assert re.search(row.says, str(output.error))
        assert before in stage.token_file.read_text()
        assert output.raw == b"", "a login that fails writes nothing"


# The documents


def test_every_outcome_is_tried() -> None:
    assert {row.outcome for row in fault_table.ROWS} == set(fault_table.Outcome)


def test_the_documents_hold_the_table_that_is_tested() -> None:
    for path, text in fault_table.documents().items():
        assert path.read_text() == text, "run `python -m tests.support.fault_table`"
