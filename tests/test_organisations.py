"""Many organisations in one run: each one's rows under its own id, and no failure of another's."""

from __future__ import annotations

import io
import json
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tap_xero.client import Client
from tap_xero.clock import Clock
from tap_xero.demo import Behaviour, DemoXero, Fault, Tenant, many_tenants
from tap_xero.demo.identity import granted
from tap_xero.discover import catalog
from tap_xero.errors import DayLimitError, TapError, UnreachableError
from tap_xero.organisations import Organisations, OrganisationSync, in_order
from tap_xero.output.writer import Writer
from tap_xero.selection import selection
from tap_xero.tenant_states import split
from tests.support.fake_clock import impatient_clock
from tests.support.run_tap import Output, load, sync, tap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from tap_xero.config import Config

STREAMS = ("accounts", "contacts", "currencies", "invoices", "tax_rates", "syncs")


def tenant(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


@dataclass
class Firm:
    """Several organisations, each with a demo Xero of its own."""

    servers: dict[str, DemoXero]
    ended: list[OrganisationSync] = field(default_factory=list)

    def connect(self, config: Config) -> Client:
        """Return a client that reads the organisation of `config`."""
        xero = self.servers[config.tenant_id or ""]
        token = xero.identity.new_access_token(xero.behaviour, granted(xero.behaviour))
        tenant_id = xero.config()["tenant_id"]
        own = replace(config, access_token=token, tenant_id=tenant_id, api_url=xero.url)
        return Client(own, impatient_clock())

    def run(
        self,
        tenant_ids: Sequence[str] | None = None,
        *,
        streams: Sequence[str] = STREAMS,
        state: Mapping[str, Any] | None = None,
        at_once: int = 3,
        stopped: Callable[[], bool] = lambda: False,
        **config: Any,  # noqa: ANN401
    ) -> Output:
        """Read these organisations, or all, into one output."""
        tenant_ids = list(tenant_ids or self.servers)
        chosen = catalog(with_tenant=True, select=streams)
        self.ended.clear()
        kept = io.BytesIO()
        run = Organisations(
            self.connect,
            load(next(iter(self.servers.values())), **config),
            selection(chosen, "catalog", with_tenant=True),
            Writer(kept),
            Clock(),
            stopped,
            self.ended.append,
        )
        error: TapError | None = None
        try:
            run.run(tenant_ids, split(state or {}, tenant_ids), at_once)
        except TapError as raised:
            error = raised
        return Output(kept.getvalue(), error=error)


@contextmanager
def firm(count: int) -> Iterator[Firm]:
    """Serve so many organisations with different books."""
    with ExitStack() as stack:
        servers = {}
        for number in range(count):
            xero = DemoXero(size=10 + number, seed=number)
            servers[tenant(number)] = stack.enter_context(xero)
        yield Firm(servers)


def rows_of(output: Output, stream: str) -> Counter[tuple[str, str]]:
    key = {"accounts": "AccountID", "contacts": "ContactID", "invoices": "InvoiceID"}
    key |= {"currencies": "Code", "tax_rates": "TaxType", "syncs": "Stream"}
    return Counter((row["TenantID"], row[key[stream]]) for row in output.records(stream))


def test_each_organisation_has_all_its_rows_under_its_own_id() -> None:
    with firm(4) as books:
        output = books.run()
        assert output.error is None
        for tenant_id, xero in books.servers.items():
            alone = sync(xero, [name for name in STREAMS if name != "syncs"])
            for stream in ("accounts", "contacts", "currencies", "invoices", "tax_rates"):
                got = [row for row in output.records(stream) if row["TenantID"] == tenant_id]
                want = [{"TenantID": tenant_id, **row} for row in alone.records(stream)]
                assert sorted(map(repr, got)) == sorted(map(repr, want))


def test_no_message_of_the_run_deletes_rows_of_another_organisation() -> None:
    with firm(2) as books:
        output = books.run()
    assert not [item for item in output.messages if item["type"] == "ACTIVATE_VERSION"]
    assert not [item for item in output.messages if "version" in item]


def test_each_stream_has_one_schema_before_every_record() -> None:
    with firm(3) as books:
        output = books.run()
    types = [item["type"] for item in output.messages]
    announced = [item for item in output.messages if item["type"] == "SCHEMA"]
    assert sorted(item["stream"] for item in announced) == sorted(STREAMS)
    assert types.index("RECORD") > len(announced) - 1
    assert "SCHEMA" not in types[types.index("RECORD") :]
    for item in announced:
        assert item["key_properties"][0] == "TenantID"
        assert item["schema"]["properties"]["TenantID"] == {"type": ["string"]}


def test_a_second_run_reads_nothing_anew_and_a_single_one_goes_on_from_its_part() -> None:
    with firm(3) as books:
        first = books.run()
        second = books.run(state=first.state, lookback_seconds=0)
        assert sum(rows_of(first, "invoices").values()) > 30
        assert sum(rows_of(second, "invoices").values()) <= 3 * 3
        one, xero = next(iter(books.servers.items()))
        alone = sync(xero, ["invoices"], state=split(first.state, [one])[one], lookback_seconds=0)
        assert len(alone.records("invoices")) <= 3


def test_a_state_never_covers_more_than_the_records_before_it() -> None:
    with firm(4) as books:
        whole = books.run(at_once=4)
        lines = whole.raw.splitlines(keepends=True)
        states = [at for at, line in enumerate(lines) if line.startswith(b'{"type":"STATE"')]
        for at in (states[0], states[len(states) // 2], states[-2]):
            before = Output(b"".join(lines[: at + 1]))
            after = books.run(state=before.state)
            for stream in ("accounts", "contacts", "invoices"):
                assert {*rows_of(before, stream), *rows_of(after, stream)} == {
                    *rows_of(whole, stream)
                }


def test_states_take_no_more_bytes_than_records_do() -> None:
    with firm(6) as books:
        output = books.run(at_once=2)
    lines = output.raw.splitlines()
    states = [len(line) for line in lines if line.startswith(b'{"type":"STATE"')]
    records = sum(len(line) for line in lines if line.startswith(b'{"type":"RECORD"'))
    assert sum(states) <= 2 * records
    assert output.messages[-1]["type"] == "STATE"


DAY = Fault.status(429, {"X-Rate-Limit-Problem": "day", "Retry-After": "3600"})
ALWAYS = 10_000


def test_organisations_that_fail_are_named_and_the_others_are_complete() -> None:
    with firm(5) as books:
        servers = list(books.servers.values())
        servers[1].fail(DAY, times=ALWAYS)
        servers[2].fail(Fault.status(500), times=ALWAYS)
        output = books.run(at_once=1)
        ended = {each.tenant_id: each for each in books.ended}
    assert output.error is None
    assert [ended[tenant(number)].is_complete for number in range(5)] == [
        True, False, False, True, True,
    ]  # fmt: skip
    limited = ended[tenant(1)]
    assert isinstance(limited.error, DayLimitError)
    assert {row["TenantID"] for row in output.records("invoices")} == {
        tenant(number) for number in (0, 3, 4)
    }
    assert set(output.state["completed"]) == {tenant(0), tenant(3), tenant(4)}


def test_the_oldest_comes_first_and_new_organisations_come_last() -> None:
    def state(completed: str) -> dict[str, Any]:
        return {"bookmarks": {"invoices": {}}, "completed": completed}

    states = {"b": state("2026-02-01"), "c": state("2026-01-01"), "d": {"bookmarks": {"x": 1}}}
    assert in_order(["a", "b", "c", "d", "a"], states) == ["d", "c", "b", "a"]


def test_parts_of_organisations_that_are_not_in_the_run_are_kept() -> None:
    with firm(2) as books:
        first = books.run()
        second = books.run([tenant(0)], state=first.state)
    for stream in ("accounts", "invoices"):
        kept = second.state["bookmarks"][stream]
        assert kept[tenant(1)] == first.state["bookmarks"][stream][tenant(1)]
    assert set(second.state["completed"]) == {tenant(0), tenant(1)}


def test_the_stream_syncs_says_how_each_stream_of_each_organisation_ended() -> None:
    with firm(2) as books:
        output = books.run()
    rows = output.records("syncs")
    assert rows_of(output, "syncs") == Counter(
        (tenant(number), stream) for number in (0, 1) for stream in STREAMS if stream != "syncs"
    )
    assert {row["Outcome"] for row in rows} == {"complete"}
    assert all(row["StartedAt"] <= row["CompletedAt"] for row in rows)
    counted = Counter(row["TenantID"] for row in output.records("invoices"))
    assert {row["TenantID"]: row["Rows"] for row in rows if row["Stream"] == "invoices"} == counted


def test_the_run_ends_if_xero_cannot_be_reached_at_all() -> None:
    with firm(2) as books:
        for xero in books.servers.values():
            xero.fail(Fault.status(500), times=ALWAYS)
        output = books.run(at_once=1)
    assert isinstance(output.error, UnreachableError)


# As a command


def config_file(path: Path, xero: DemoXero, **keys: Any) -> Path:  # noqa: ANN401
    token = xero.identity.new_access_token(xero.behaviour, granted(xero.behaviour))
    login = xero.config(access_token=token, tenant_id=None, refresh_token=None)
    path.write_text(json.dumps({**login, "calls_per_minute": 6000, **keys}))
    return path


def catalog_file(path: Path) -> Path:
    path.write_text(json.dumps(catalog(with_tenant=True, select=STREAMS)))
    return path


def metrics_of(log: str, metric: str) -> list[dict[str, Any]]:
    lines = (line.partition("METRIC: ")[2] for line in log.splitlines())
    points = [json.loads(line) for line in lines if line]
    return [point["tags"] for point in points if point["metric"] == metric]


def test_the_command_names_what_is_not_complete_and_reads_the_rest(tmp_path: Path) -> None:
    tenants = list(many_tenants(4))
    tenants[1] = tenants[1]._replace(calls_per_day=2)
    practice = Tenant(tenant(9), "Practice", "PRACTICE")
    behaviour = Behaviour(organisations=(*tenants, practice))
    unknown = tenant(77)
    ids = [each.tenant_id for each in tenants]
    with DemoXero(size=2, behaviour=behaviour) as xero:
        config = config_file(tmp_path / "config.json", xero, tenant_ids=[*ids, ids[0], unknown])
        chosen = catalog_file(tmp_path / "catalog.json")
        run = tap("--config", str(config), "--catalog", str(chosen), "--metrics")
    log = run.stderr.decode()
    (critical,) = [line for line in log.splitlines() if "CRITICAL" in line]
    output = Output(run.stdout)

    assert run.returncode == 1
    assert "2 of 5 organisations are not complete" in critical
    assert f"{unknown}: the login does not reach it" in critical
    assert "Client 2 Ltd" in critical
    assert set(output.state["completed"]) == {ids[0], ids[2], ids[3]}
    summaries = {tags["tenant_id"]: tags for tags in metrics_of(log, "sync_summary")[:-1]}
    assert summaries[ids[1]]["lifts_at"]
    assert summaries[ids[0]]["outcome"] == "complete"
    rows = Counter(row["TenantID"] for row in output.records("invoices"))
    assert [rows[each] for each in (ids[0], ids[2], ids[3])] == [2, 2, 2]


def test_all_reads_every_organisation_but_no_practice(tmp_path: Path) -> None:
    tenants = many_tenants(3)
    practice = Tenant(tenant(9), "Practice", "PRACTICE")
    with DemoXero(size=2, behaviour=Behaviour(organisations=(*tenants, practice))) as xero:
        config = config_file(tmp_path / "config.json", xero, tenant_ids="all")
        chosen = catalog_file(tmp_path / "catalog.json")
        run = tap("--config", str(config), "--catalog", str(chosen))
        used = [xero.allowance(each) for each in tenants]
    assert run.returncode == 0, run.stderr.decode()[-2000:]
    assert set(Output(run.stdout).state["completed"]) == {each.tenant_id for each in tenants}
    assert all(each.refused == 0 and each.most_at_once <= 5 for each in used)


def test_all_is_an_error_where_the_login_reaches_nothing(tmp_path: Path) -> None:
    with DemoXero(size=2, behaviour=Behaviour(organisations=())) as xero:
        token = xero.identity.new_access_token(xero.behaviour, granted(xero.behaviour))
        path = tmp_path / "config.json"
        keys = {"access_token": token, "api_url": xero.url, "start_date": "2024-01-01"}
        path.write_text(json.dumps({**keys, "tenant_ids": "all"}))
        run = tap("--config", str(path))
    assert run.returncode == 1
    assert run.stdout == b""
    assert b"the login reaches no organisation" in run.stderr


def test_a_single_run_goes_on_from_its_part_of_a_state_of_many(tmp_path: Path) -> None:
    tenants = many_tenants(2)
    with DemoXero(size=2, behaviour=Behaviour(organisations=tenants)) as xero:
        config = config_file(tmp_path / "config.json", xero, tenant_ids="all")
        chosen = catalog_file(tmp_path / "catalog.json")
        many = Output(tap("--config", str(config), "--catalog", str(chosen)).stdout)
        state = tmp_path / "state.json"
        state.write_text(json.dumps(many.state))
        one = tenants[1].tenant_id
        config = config_file(tmp_path / "config.json", xero, tenant_id=one)
        chosen.write_text(json.dumps(catalog(select=["invoices"])))
        single = tap("--config", str(config), "--catalog", str(chosen), "--state", str(state))
    assert single.returncode == 0, single.stderr.decode()[-2000:]
    bookmark = many.state["bookmarks"]["invoices"][one]
    assert Output(single.stdout).state["bookmarks"]["invoices"] == bookmark
