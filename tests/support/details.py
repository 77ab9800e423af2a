"""Runs of the tap for tests of history and attachments, one after the other with one state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_xero.client import Usage
from tap_xero.commands import summary
from tap_xero.demo import Behaviour, DemoXero, Fault
from tap_xero.state import State
from tap_xero.streams.table import DETAILS
from tests.support.fake_clock import START, FakeTime
from tests.support.rows import data_calls, rows, spread
from tests.support.run_tap import Output, sync

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from tap_xero.demo import Call

NAMES = [detail.tap_stream_id for detail in DETAILS]
NOON = int(START.timestamp() * 1000)


class Books:
    """A demo Xero and a tap that runs against it from time to time, with one state."""

    def __init__(self, xero: DemoXero, time: FakeTime, streams: Iterable[str]) -> None:
        self.xero = xero
        self.time = time
        self.streams = list(streams)
        self.state: dict[str, Any] = {}
        self.outputs: list[Output] = []

    def run(self, **options: Any) -> Output:  # noqa: ANN401
        """Run the tap once, an hour after it ran before; keep the last STATE."""
        self.time.sleep(3600)
        output = sync(self.xero, self.streams, state=self.state, clock=self.time.clock, **options)
        self.state = output.state
        self.outputs.append(output)
        return output

    def calls(self) -> list[Call]:
        """Return the calls of the last run, and forget them."""
        made = data_calls(self.xero)[self.seen :]
        self.seen = len(data_calls(self.xero))
        return made

    seen = 0

    def records(self, stream: str) -> list[dict[str, Any]]:
        """Return what all runs wrote of a stream."""
        return [record for output in self.outputs for record in output.records(stream)]

    def documents(self, stream: str) -> set[str]:
        """Return the documents of which some run wrote details."""
        return {record["DocumentID"] for record in self.records(stream)}

    def entries(self) -> set[tuple[str, int]]:
        """Return document and number of each entry of a history that some run wrote."""
        return {(record["DocumentID"], record["Number"]) for record in self.records("history")}

    def entries_of(self, invoices: Iterable[str]) -> set[tuple[str, int]]:
        """Return the same of all entries that Xero has for these invoices."""
        tell = self.xero.organisation.history
        return {
            (uid, number)
            for uid in invoices
            for number, _ in enumerate(tell("Invoices", uid), start=1)
        }


def books(*streams: str, stamps: Iterable[int] = (), attached: bool = True) -> Iterator[Books]:
    time = FakeTime()
    behaviour = Behaviour(pretty=False)
    with DemoXero(size=0, behaviour=behaviour, clock=time.timestamp) as xero:
        given = rows("Invoices", stamps)
        if attached:
            given = [text[:-1] + b',"HasAttachments":true}' for text in given]
        xero.replace("Invoices", given)
        yield Books(xero, time, streams)


def details(calls: Iterable[Call]) -> list[Call]:
    return [call for call in calls if "/History" in call.path or "/Attachments" in call.path]


def attached_rows(path: str, count: int) -> list[bytes]:
    return [each[:-1] + b',"HasAttachments":true}' for each in rows(path, spread(count))]


def miss(tried: Books, documents: Collection[str]) -> None:
    """Let Xero have no details of these, for now."""
    tried.xero.fail(
        Fault.status(404),
        on=lambda call: call.path.split("/")[1:2] in [[d] for d in documents],
        times=None,
    )


def outcome(output: Output, stream: str) -> str:
    figures = summary.summary(output.runs, State({}, "state", 0), Usage(), 0.0)
    return str(figures["streams"][stream]["outcome"])
