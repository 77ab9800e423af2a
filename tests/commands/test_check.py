"""`--check`: what it says of login and streams, and what it costs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tap_xero import dates
from tap_xero.client import Client
from tap_xero.clock import Clock
from tap_xero.commands import check_report
from tap_xero.commands.check import raise_if_unreadable, run_check
from tap_xero.demo import Behaviour, DemoXero
from tap_xero.errors import DayLimitError, OrganisationError, StreamError
from tap_xero.selection import Selection, default_selection, selection
from tap_xero.state import State
from tap_xero.streams.table import LISTS
from tests.support.run_tap import catalog_of, flat_catalog_of, load, log_lines, sync, tap

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tap_xero.config import Config

pytestmark = pytest.mark.invoices(120)
EVERY_STREAM = [stream.tap_stream_id for stream in LISTS]
EVERY_PATH = [stream.path for stream in LISTS]


def _selected(streams: Iterable[str], settings: Config) -> list[Selection]:
    tables = settings.line_tables
    chosen = (flat_catalog_of if tables else catalog_of)(streams)
    return selection(chosen, "catalog", line_tables=tables)


class Checked:
    """What a check wrote, and the error with which it ended."""

    def __init__(
        self,
        xero: DemoXero,
        streams: Iterable[str],
        *,
        state: dict[str, Any] | None = None,
        as_json: bool = True,
        selected: list[Selection] | None = None,
        **config: Any,  # noqa: ANN401
    ) -> None:
        settings = load(xero, **config)
        clock = Clock()
        bookmarks = State(state or {}, "state", dates.to_ms_of(clock.now()))
        written: list[str] = []
        self.error: StreamError | None = None
        with Client(settings, clock) as client:
            try:
                chosen = _selected(streams, settings) if selected is None else selected
                write = None if as_json else written.append
                found = run_check(client, settings, bookmarks, chosen, write)
                if as_json:
                    written.append(check_report.as_json(*found))
                raise_if_unreadable(found[1], "run tap-xero --authorize")
            except StreamError as error:
                self.error = error
        self.text = "".join(written)

    @property
    def answer(self) -> dict[str, Any]:
        """What was written as JSON."""
        answer: dict[str, Any] = json.loads(self.text)
        return answer

    def stream(self, name: str) -> dict[str, Any]:
        """Return what was found out about one stream."""
        return next(part for part in self.answer["streams"] if part["stream"] == name)


def test_it_names_the_organisation_the_user_and_the_scopes(xero: DemoXero) -> None:
    answer = Checked(xero, ["accounts"]).answer
    assert answer["organisation"]["name"] == "Harbour Street Cycles Limited"
    assert answer["organisation"]["country"] == "NZ"
    assert answer["organisation"]["is_demo"] is False
    assert answer["tenant_id"] == xero.config()["tenant_id"]
    assert answer["user_id"] == "d1164823-0ac1-41ad-987b-b4e30fe0b273"
    assert "accounting.settings.read" in answer["scopes"]


def test_what_waits_is_what_a_sync_then_writes(xero: DemoXero) -> None:
    checked = Checked(xero, EVERY_STREAM)
    output = sync(xero, EVERY_STREAM)
    written = {name: len(output.records(name)) for name in EVERY_STREAM}
    for name in EVERY_STREAM:
        part = checked.stream(name)
        assert part["waiting"] == written[name] or part["at_least"], name
        assert part["waiting"] <= written[name], name
    uncounted = {name for name in EVERY_STREAM if checked.stream(name)["at_least"]}
    assert uncounted == {"journals", "journals_cash", "quotes"}


def test_the_calls_it_foretells_are_about_those_of_the_sync() -> None:
    streams = ["invoices", "accounts", "tax_rates"]
    with DemoXero(size=250) as xero:
        checked = Checked(xero, streams, page_size=100)
        before = _data_calls(xero)
        sync(xero, streams, page_size=100)
        needed, made = checked.answer["calls_needed"], _data_calls(xero) - before
    assert needed <= made <= needed + 2, "and one or two to prove that the list was whole"


@pytest.mark.parametrize(
    "stream",
    [
        "budgets",
        "linked_transactions",
        "trial_balance",
        "tenninetynine",
        "aged_receivables_by_contact",
    ],
)
def test_of_what_takes_many_calls_it_tells_how_many(xero: DemoXero, stream: str) -> None:
    settings: dict[str, Any] = {"start_date": "2026-01-01", "report_basis": "both"}
    needed = Checked(xero, [stream], **settings).stream(stream)["calls"]
    before = _data_calls(xero)
    sync(xero, [stream], **settings)
    assert needed == _data_calls(xero) - before > 0


def test_details_are_told_by_what_a_run_may_spend_on_them(xero: DemoXero) -> None:
    streams = ["accounts", "history", "attachments"]
    checked = Checked(xero, streams, detail_calls_per_run=40)
    assert checked.error is None
    assert checked.stream("history")["readable"] is None
    assert checked.answer["detail_calls"] == 40
    assert checked.answer["calls_needed"] == 1 + 40
    text = Checked(xero, streams, detail_calls_per_run=40, as_json=False).text
    assert "At most 40 of them are for details" in text


def test_line_tables_come_with_their_parent(xero: DemoXero) -> None:
    checked = Checked(xero, ["invoices", "invoice_line_items"], line_tables=True)
    assert [part["stream"] for part in checked.answer["streams"]] == ["invoices"]


def test_it_makes_one_call_a_stream_and_says_how_many(xero: DemoXero) -> None:
    checked = Checked(xero, EVERY_STREAM)
    assert _data_calls(xero) == len(EVERY_STREAM) + 1
    assert checked.answer["calls_of_this_check"] == len(EVERY_STREAM) + 1


def test_a_counted_list_is_asked_for_a_single_record(xero: DemoXero) -> None:
    Checked(xero, ["invoices"])
    assert xero.calls[-1].params["pageSize"] == "1"


def test_after_a_sync_only_what_changed_waits(xero: DemoXero) -> None:
    state = sync(xero, ["invoices", "contacts"]).state
    xero.edit("Invoices", _some_invoice(xero), Reference="changed")
    checked = Checked(xero, ["invoices", "contacts"], state=state)
    assert 1 <= checked.stream("invoices")["waiting"] <= 2
    assert checked.stream("contacts")["waiting"] <= 1


@pytest.mark.parametrize("kind", ["scope401", "role403"])
def test_a_stream_that_may_not_be_read_is_named_and_the_others_go_on(
    xero: DemoXero, kind: str
) -> None:
    xero.behaviour.forbidden = {"Journals": kind}
    checked = Checked(xero, ["journals", "accounts"])
    assert str(checked.error).startswith("1 of 2 streams cannot be read: ")
    assert "journals" in str(checked.error)
    assert not checked.stream("journals")["readable"]
    assert "Journals" in checked.stream("journals")["problem"]
    assert checked.stream("accounts")["readable"]


def test_a_day_that_does_not_suffice_is_announced() -> None:
    with DemoXero(size=120, behaviour=Behaviour(calls_per_day=5)) as xero:
        checked = Checked(xero, ["invoices"], page_size=10)
        text = Checked(xero, ["invoices"], page_size=10, as_json=False).text
    assert checked.answer["calls_left_today"] == 3
    assert checked.answer["calls_needed"] >= 12
    assert checked.answer["suffices"] is False
    assert "not enough" in text


def test_a_day_that_is_used_up_ends_the_check() -> None:
    behaviour = Behaviour(calls_per_day=1)
    with DemoXero(size=5, behaviour=behaviour) as xero, pytest.raises(DayLimitError):
        Checked(xero, ["invoices"])


def test_a_tenant_that_the_login_does_not_reach_ends_the_check(xero: DemoXero) -> None:
    with pytest.raises(OrganisationError, match="Harbour Street Cycles Limited"):
        Checked(xero, ["invoices"], tenant_id="nobody")


def test_without_the_scope_for_its_settings_the_streams_are_still_checked(xero: DemoXero) -> None:
    xero.behaviour.forbidden = {"Organisation": "scope401"}
    checked = Checked(xero, ["invoices"])
    assert checked.answer["organisation"] is None
    assert checked.stream("invoices")["readable"]
    assert "may not read its settings" in Checked(xero, ["invoices"], as_json=False).text


def test_the_text_has_a_line_for_each_stream(xero: DemoXero) -> None:
    text = Checked(xero, ["invoices", "quotes"], as_json=False).text
    lines = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line}
    assert lines["invoices"] == ["120", "1"]
    assert lines["quotes"][0].endswith("+")
    assert "This check made 3 calls." in text
    assert "+ means at least" in text


def test_scopes_are_listed_by_family_in_lines_that_fit_a_terminal(xero: DemoXero) -> None:
    text = Checked(xero, ["accounts"], as_json=False).text
    assert max(map(len, text.splitlines())) <= 80
    assert "accounting.reports (read only): aged" in " ".join(text.split())


def test_a_single_call_is_told_as_one(xero: DemoXero) -> None:
    assert "takes about 1 call," in Checked(xero, ["accounts"], as_json=False).text


def test_the_command_prints_json_and_ends_with_1_when_a_stream_cannot_be_read(
    tmp_path: Path, xero: DemoXero
) -> None:
    config, catalog = tmp_path / "config.json", tmp_path / "catalog.json"
    config.write_text(json.dumps(xero.config()))
    catalog.write_text(json.dumps(catalog_of(["invoices", "journals"])))
    files = ("--config", str(config), "--catalog", str(catalog), "--format", "json")
    good = tap("--check", *files)
    xero.behaviour.forbidden = {"Journals": "scope401"}
    bad = tap("--check", *files)
    assert good.returncode == 0, good.stderr.decode()
    assert good.stderr == b""
    assert {part["stream"] for part in json.loads(good.stdout)["streams"]} == {
        "invoices",
        "journals",
    }
    assert bad.returncode == 1
    assert len(bad.stderr.splitlines()) == 1
    assert log_lines(bad.stderr)[0] == (
        "CRITICAL 1 of 2 streams cannot be read: the login lacks the scope "
        "accounting.journals.read (for journals): run tap-xero --authorize "
        f"--config {config} --catalog {catalog}"
    )
    readable = {part["stream"]: part["readable"] for part in json.loads(bad.stdout)["streams"]}
    assert readable == {"invoices": True, "journals": False}


@pytest.mark.parametrize(
    ("forbidden", "error"),
    [
        ({"Quotes": "scope401"}, None),
        (dict.fromkeys(EVERY_PATH, "scope401"), "cannot be read"),
    ],
    ids=["one", "all"],
)
def test_streams_that_nobody_selected_may_be_missing_but_not_all(
    xero: DemoXero, forbidden: dict[str, str], error: str | None
) -> None:
    xero.behaviour.forbidden = forbidden
    checked = Checked(xero, [], selected=default_selection())
    assert not checked.stream("quotes")["readable"]
    assert (error in str(checked.error)) if error else checked.error is None


def test_a_missing_scope_is_named_with_the_next_step(xero: DemoXero) -> None:
    xero.behaviour.forbidden = {"Quotes": "scope401"}
    problem = Checked(xero, ["quotes"]).stream("quotes")["problem"]
    assert problem.endswith(
        "accounting.invoices.read: run tap-xero --authorize, with the same catalog"
    )
    own = Checked(xero, ["quotes"], scopes="accounting.contacts.read").stream("quotes")["problem"]
    assert "add it to scopes and run tap-xero --authorize" in own


def _data_calls(xero: DemoXero) -> int:
    return sum(call.kind == "data" for call in xero.calls)


def _some_invoice(xero: DemoXero) -> str:
    return next(iter(xero.organisation.table("Invoices").rows))
