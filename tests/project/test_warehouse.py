"""From the demo organisation to proven books: the dbt package on DuckDB and PostgreSQL.

What is expected comes from the demo's own books, by other sums than those of the package.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tap_xero.demo import DemoXero
from tap_xero.demo.behaviour import Behaviour
from tap_xero.demo.books.company import ACCOUNTS
from tap_xero.demo.books.unposted import GAINS, OPENING, unposted
from tap_xero.demo.lists import CASH_JOURNALS
from tap_xero.streams.available import available_streams
from tests.support.other_programs import installed
from tests.support.postgres_server import postgres_server
from tests.support.run_tap import flat_catalog_of, tap

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

pytestmark = pytest.mark.targets

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = ROOT / "dbt" / "example"
STREAMS = (EXAMPLE / "streams.txt").read_text().split()
JOURNALS = {"accrual": "Journals", "cash": CASH_JOURNALS}
RETAINED_EARNINGS = "960"
SECONDS = 300
CALLS_PER_MINUTE = 6000
CODE = "coalesce(account_code, account_group)"

Cells = dict[tuple[str, str, str], Decimal]  # by basis, month (`2026-03`) and account code


@dataclass
class Warehouse:
    """A target with its settings, and how to ask what it loaded."""

    folder: Path
    profile: str
    target: list[str]
    query_command: list[str]
    environment: dict[str, str]
    state: dict[str, Any] = field(default_factory=dict)

    def load(self, xero: DemoXero, streams: Sequence[str] = STREAMS) -> Counter[str]:
        """Run `tap-xero | target` with the state of the last run; return the RECORDs by stream."""
        settings = json.loads((EXAMPLE / "config.json").read_text())
        settings |= {"calls_per_minute": CALLS_PER_MINUTE}
        files = {
            "config": settings | xero.config(),
            "catalog": flat_catalog_of(streams),
            "state": self.state,
        }
        for name, content in files.items():
            (self.folder / f"{name}.json").write_text(json.dumps(content))
        options = [part for name in files for part in (f"--{name}", f"{name}.json")]
        read = tap(*options, cwd=self.folder)
        assert read.returncode == 0, read.stderr.decode()[-3000:]
        loaded = self._run(self.target, read.stdout)
        assert loaded.returncode == 0, loaded.stderr.decode()[-3000:]
        self.state = json.loads(loaded.stdout.splitlines()[-1])
        messages = (json.loads(line) for line in read.stdout.splitlines())
        return Counter(each["stream"] for each in messages if each["type"] == "RECORD")

    def build(self, *options: str) -> subprocess.CompletedProcess[bytes]:
        """Run `dbt build`."""
        if not (EXAMPLE / "dbt_packages").exists():
            self.run_dbt("deps")
        return self.run_dbt("build", "--target", self.profile, *options)

    def run_dbt(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """Run a command of dbt."""
        return self._run([str(dbt() / "dbt"), *arguments])

    def query(self, text: str) -> list[list[Any]]:
        """Return the rows that a query finds, each value as text."""
        found = self._run([*self.query_command, text])
        assert found.returncode == 0, found.stderr.decode()
        return [json.loads(line) for line in found.stdout.splitlines()]

    def cells(self, table: str, code: str = "account_code") -> Cells:
        """Return the sums of a table by basis, month and account that are not zero."""
        rows = self.query(
            f"select basis, date_month, {code}, sum(net_amount) from books_xero_books.{table} "  # noqa: S608
            "group by 1, 2, 3 having sum(net_amount) <> 0"
        )
        return {(basis, day[:7], account): Decimal(amount) for basis, day, account, amount in rows}

    def _run(
        self, command: list[str], given: bytes | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        environment = os.environ | self.environment
        return subprocess.run(
            command,
            input=given,
            capture_output=True,
            check=False,
            timeout=SECONDS,
            cwd=self.folder,
            env=environment,
        )


def dbt() -> Path:
    return installed("dbt-1.10", "--requirement", str(EXAMPLE / "requirements-dbt.txt"))


def target_duckdb() -> Path:
    requirements = str(EXAMPLE / "requirements-target-duckdb.txt")
    return installed("target-duckdb-0.8", "--requirement", requirements)


def dbt_environment(folder: Path) -> dict[str, str]:
    return {
        "DBT_PROJECT_DIR": str(EXAMPLE),
        "DBT_PROFILES_DIR": str(EXAMPLE),
        "DBT_TARGET_PATH": str(folder / "target"),
        "DBT_LOG_PATH": str(folder / "logs"),
        "XERO_DUCKDB": str(folder / "warehouse.duckdb"),
    }


@pytest.fixture
def duckdb(tmp_path: Path) -> Warehouse:
    database = str(tmp_path / "warehouse.duckdb")
    settings = {"path": database, "database": "warehouse", "default_target_schema": "xero"}
    (tmp_path / "target.json").write_text(json.dumps(settings))
    program = (
        "import duckdb, json, sys\n"
        "for row in duckdb.connect(sys.argv[1]).execute(sys.argv[2]).fetchall():\n"
        "    print(json.dumps([None if each is None else str(each) for each in row]))"
    )
    return Warehouse(
        tmp_path,
        "duckdb",
        [str(target_duckdb() / "target-duckdb"), "--config", "target.json"],
        [str(dbt() / "python"), "-c", program, database],
        dbt_environment(tmp_path),
    )


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[Warehouse]:
    target = installed("target-postgres-0.8", "meltanolabs-target-postgres==0.8.1")
    with postgres_server() as at:
        settings = at | {"password": "any", "default_target_schema": "xero", "hard_delete": True}
        (tmp_path / "target.json").write_text(json.dumps(settings))
        names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "database": "PGDATABASE"}
        program = (
            "import json, psycopg2, sys\n"
            "connection = psycopg2.connect('')\n"
            "connection.autocommit = True\n"
            "cursor = connection.cursor()\n"
            "cursor.execute(sys.argv[1])\n"
            "for row in cursor.fetchall() if cursor.description else ():\n"
            "    print(json.dumps([None if each is None else str(each) for each in row]))"
        )
        yield Warehouse(
            tmp_path,
            "postgres",
            [str(target / "target-postgres"), "--config", "target.json"],
            [str(dbt() / "python"), "-c", program],
            dbt_environment(tmp_path) | {names[key]: str(at[key]) for key in names},
        )


@pytest.fixture
def xero() -> Iterator[DemoXero]:
    # The headers say how many calls are left, so that nobody waits.
    behaviour = Behaviour(calls_per_minute=CALLS_PER_MINUTE)
    with DemoXero(behaviour=behaviour, converted=True) as demo:
        yield demo


@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
def test_the_books_in_the_warehouse_are_those_of_xero_and_prove_it(
    kind: str, xero: DemoXero, request: pytest.FixtureRequest
) -> None:
    warehouse: Warehouse = request.getfixturevalue(kind)
    began = time.monotonic()
    records = warehouse.load(xero)
    for stream in STREAMS:
        assert warehouse.query(f"select count(*) from xero.{stream}") == [[str(records[stream])]]  # noqa: S608
        assert records[stream], stream
    assert_built(warehouse)
    assert_books_are_those_of(xero, warehouse)

    change(xero)
    warehouse.load(xero)
    assert_built(warehouse)
    assert_books_are_those_of(xero, warehouse)
    assert count(warehouse, "xero.invoice_line_items") > count(
        warehouse, "books_xero_tables.invoice_line_item"
    )

    line, account, month = some_journal_line(warehouse)
    warehouse.query(
        'update xero.journal_lines set "NetAmount" = "NetAmount" + 0.01 '  # noqa: S608
        f"where \"JournalLineID\" = '{line}'"
    )
    failed = warehouse.build("--select", "ledger+")
    assert failed.returncode == 1
    assert f"{month} accrual {account}".encode() in failed.stdout
    assert proof(warehouse, "differs") == [["accrual", month, account]]
    assert time.monotonic() - began < SECONDS


def test_without_journals_the_statements_are_xeros_own_whatever_the_columns_are_called(
    duckdb: Warehouse, xero: DemoXero
) -> None:
    streams = [name for name in STREAMS if not name.startswith("journal")]
    duckdb.load(xero, streams)
    spell_columns_as_the_sdk_does(duckdb, ["accounts", "invoices", "profit_and_loss"])
    failed = duckdb.build()
    assert failed.returncode == 1
    assert b"FAIL 1 tap_xero_not_empty_ledger_" in failed.stdout, failed.stdout.decode()

    assert_built(duckdb, "--vars", "{tap_xero_journals: false}")
    moved = moved_in(xero)
    assert duckdb.cells("report_profit_and_loss", CODE) == profits(moved)
    balances = duckdb.cells("report_balance_sheet", CODE)
    assert balances_of(moved, months_of(balances)) == {
        key: amount for key, amount in balances.items() if is_kept(key[2])
    }


def test_models_that_read_fivetrans_tables_read_those_of_the_package(
    duckdb: Warehouse, tmp_path: Path
) -> None:
    """dbt_xero reads its sources with a macro of fivetran_utils, which the package takes over."""
    project = tmp_path / "project"
    stub = project / "fivetran_utils"
    call = "(connection_dictionary, single_source_name, single_table_name)"
    files = {
        project / "dbt_project.yml": (EXAMPLE / "dbt_project.yml").read_text(),
        project / "packages.yml": f"packages: [{{local: {ROOT / 'dbt'}}}, {{local: {stub}}}]",
        project / "models" / "accounts_of_xero.sql": "{{ fivetran_utils.union_connections"
        "(connection_dictionary='x', single_source_name='xero', single_table_name='account') }}",
        project / "models" / "accounts_of_another.sql": "{{ fivetran_utils.union_connections"
        "(connection_dictionary='x', single_source_name='other', single_table_name='account') }}",
        stub / "dbt_project.yml": "name: fivetran_utils\nversion: 0.4.0\n",
        stub / "macros" / "union_connections.sql": (
            f"{{% macro union_connections{call} %}}"
            "{{ adapter.dispatch('union_connections', 'fivetran_utils')"
            "(connection_dictionary, single_source_name, single_table_name) }}{% endmacro %}"
            "{% macro default__union_connections(a, b, c, d=none) %}select 1{% endmacro %}"
        ),
    }
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    duckdb.environment["DBT_PROJECT_DIR"] = str(project)
    for verb in ("deps", "parse"):
        done = duckdb.run_dbt(verb)
        assert done.returncode == 0, done.stdout.decode()
    nodes = json.loads((tmp_path / "target" / "manifest.json").read_text())["nodes"]
    parents = {
        name: nodes[f"model.xero_books.{name}"]["depends_on"]["nodes"]
        for name in ("accounts_of_xero", "accounts_of_another")
    }
    assert parents == {"accounts_of_xero": ["model.tap_xero.account"], "accounts_of_another": []}


def test_one_command_prints_a_profit_and_loss_that_is_xeros_own(tmp_path: Path) -> None:
    programs = (str(target_duckdb() / "target-duckdb"), str(dbt() / "dbt"))
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "scripts/warehouse_demo.py", *programs, str(tmp_path)],
        capture_output=True,
        check=False,
        timeout=SECONDS,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    assert time.monotonic() - began < SECONDS
    lines = [line.split() for line in done.stdout.decode().splitlines()]
    total = next(line for line in lines if line[:2] == ["Twelve", "months"])
    assert total[-1] == total[-2]
    assert Decimal(total[-1].replace(",", "")) != 0
    assert sum(line[-2:] == ["0", "differ"] for line in lines) == len(JOURNALS)


def assert_built(warehouse: Warehouse, *options: str) -> None:
    built = warehouse.build(*options)
    assert built.returncode == 0, built.stdout.decode()[-3000:]
    assert b"WARN=0 ERROR=0 SKIP=0" in built.stdout


def assert_books_are_those_of(xero: DemoXero, warehouse: Warehouse) -> None:
    """Hold ledger, statements and lines against the demo's books, every cell to the cent."""
    posted = posted_in(xero)
    assert warehouse.cells("ledger") == posted
    moved = moved_in(xero)
    assert warehouse.cells("report_profit_and_loss", CODE) == profits(moved)
    balances = warehouse.cells("report_balance_sheet", CODE)
    assert {key: amount for key, amount in balances.items() if is_kept(key[2])} == balances_of(
        moved, months_of(balances)
    )
    assert warehouse.cells("report_trial_balance", CODE) == {
        key: amount for key, amount in moved.items() if amount
    }
    assert proof(warehouse, "differs") == []
    assert {code for _, _, code in proof(warehouse, "revalued")} == {"499", "610"}
    lines = [line for row in xero.organisation.rows("Invoices") for line in row["LineItems"]]
    assert count(warehouse, "books_xero_tables.invoice_line_item") == len(lines)
    openings = warehouse.query(
        "select basis, code, opening_difference from books_xero_books.books_opening "
        "join books_xero_tables.account on proof_id = account_id where opening_difference <> 0"
    )
    assert {(basis, code): Decimal(amount) for basis, code, amount in openings} == {
        (basis, code): Decimal(amount) for basis in JOURNALS for code, amount in OPENING
    }


def posted_in(xero: DemoXero) -> Cells:
    """Return what the demo's journals moved."""
    return {
        (basis, month, account): amount
        for basis, name in JOURNALS.items()
        for (account, month), amount in xero.organisation.account_totals(name).items()
        if amount
    }


def moved_in(xero: DemoXero) -> Cells:
    """Return what the demo's reports say was moved."""
    moved: Cells = defaultdict(Decimal, posted_in(xero))
    for basis in JOURNALS:
        for day, account, amount in unposted(xero.organisation.company, cash=basis == "cash"):
            moved[basis, day[:7], account] += amount
    return moved


def months_of(cells: Cells) -> list[str]:
    return sorted({month for _, month, _ in cells})


def profits(moved: Cells) -> Cells:
    """Return what each account earned, or cost, in a month."""
    kinds = {"REVENUE", "EXPENSE"}
    return {
        key: -amount
        for key, amount in moved.items()
        if amount and (key[2] == GAINS.code or ACCOUNTS[key[2]].account_class in kinds)
    }


def is_kept(account: str | None) -> bool:
    """Say whether an account of the balance sheet has a balance of its own."""
    kinds = {"ASSET", "LIABILITY", "EQUITY"}
    return account in ACCOUNTS.keys() - {RETAINED_EARNINGS} and (
        ACCOUNTS[account].account_class in kinds
    )


def balances_of(moved: Cells, months: Iterable[str]) -> Cells:
    """Return the balance of each account at the end of each month."""
    balances: Cells = defaultdict(Decimal)
    for month in months:
        for (basis, day, account), amount in moved.items():
            if day <= month and is_kept(account):
                balances[basis, month, account] += amount
    return {key: amount for key, amount in balances.items() if amount}


def change(xero: DemoXero) -> None:
    """Remove a line of an invoice, edit another invoice, add a third, archive a contact."""
    shortened = next(
        row
        for row in xero.organisation.rows("Invoices")
        if len(row["LineItems"]) > 1 and row["Status"] == "PAID"
    )
    xero.edit("Invoices", shortened["InvoiceID"], LineItems=shortened["LineItems"][:-1])
    edited = next(iter(xero.organisation.table("Invoices").rows))
    xero.edit("Invoices", edited, Reference="changed")
    xero.insert("Invoices")
    contact = next(
        row["ContactID"]
        for row in xero.organisation.rows("Contacts")
        if row["ContactStatus"] == "ACTIVE"
    )
    xero.archive("Contacts", contact)


def spell_columns_as_the_sdk_does(warehouse: Warehouse, tables: Iterable[str]) -> None:
    """Rename the columns, for instance `invoiceid` to `invoice_i_d`."""
    schemas = {each.stream.tap_stream_id: each for each in available_streams(line_tables=True)}
    for table in tables:
        for name in schemas[table].load_schema()["properties"]:
            spelled = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
            if spelled != name.lower():
                warehouse.query(f'alter table xero.{table} rename column "{name}" to "{spelled}"')


def some_journal_line(warehouse: Warehouse) -> tuple[str, str, str]:
    """Return id, account code and month of a line."""
    row = warehouse.query(
        "select journal_line_id, account_code, date_month from books_xero_books.ledger "
        "where basis = 'accrual' and account_code = '200' order by journal_number limit 1"
    )[0]
    return row[0], row[1], row[2]


def proof(warehouse: Warehouse, status: str) -> list[list[str]]:
    return warehouse.query(
        "select basis, date_month, account_code from books_xero_books.books_proof "  # noqa: S608
        f"where status = '{status}'"
    )


def count(warehouse: Warehouse, table: str) -> int:
    return int(warehouse.query(f"select count(*) from {table}")[0][0])  # noqa: S608
