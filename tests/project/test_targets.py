"""The demo organisation through real targets: what arrives is what Xero has, to the cent.

Two runs each: a full one; then, with the state that the target gave back, one after an edit, a
new invoice and the deletion of a row that leaves no trace in Xero.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tap_xero.demo import DemoXero
from tap_xero.demo.lists import find_endpoint
from tap_xero.streams.table import LISTS
from tests.support.other_programs import installed
from tests.support.postgres_server import postgres_server
from tests.support.run_tap import catalog_of, tap

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.targets

EVERY_STREAM = [stream.tap_stream_id for stream in LISTS]
CENT = Decimal("0.01")


@dataclass
class Pipeline:
    """`tap-xero | target`, run again and again with the state that the target keeps."""

    xero: DemoXero
    folder: Path
    target: list[str]
    state: dict[str, Any] = field(default_factory=dict)

    def run(self) -> None:
        """Run both, as a shell would."""
        write(self.folder / "config.json", self.xero.config())
        write(self.folder / "catalog.json", catalog_of(EVERY_STREAM))
        write(self.folder / "state.json", self.state)
        names = ("config", "catalog", "state")
        files = [part for name in names for part in (f"--{name}", f"{name}.json")]
        read = tap(*files, cwd=self.folder)
        assert read.returncode == 0, read.stderr.decode()
        loaded = subprocess.run(
            self.target,
            input=read.stdout,
            capture_output=True,
            check=False,
            timeout=300,
            cwd=self.folder,
        )
        assert loaded.returncode == 0, loaded.stderr.decode()[-3000:]
        self.state = json.loads(loaded.stdout.splitlines()[-1])


@dataclass
class Edits:
    """What happened in Xero between two runs."""

    edited: str
    inserted: str
    vanished: str


@pytest.fixture
def xero() -> Iterator[DemoXero]:
    with DemoXero(size=300) as demo:
        yield demo


@pytest.fixture
def postgres() -> Iterator[dict[str, Any]]:
    with postgres_server() as at:
        yield at


def test_postgres_holds_what_xero_has(
    tmp_path: Path, xero: DemoXero, postgres: dict[str, Any]
) -> None:
    command = installed("target-postgres", "meltanolabs-target-postgres") / "target-postgres"
    settings = {"password": "any", "default_target_schema": "xero", "hard_delete": True}
    config = write(tmp_path / "target.json", postgres | settings)
    pipeline = Pipeline(xero, tmp_path, [str(command), "--config", config])

    def query(text: str) -> list[list[str]]:
        address = "postgresql://{user}@{host}:{port}/{database}".format(**postgres)
        command = [shutil.which("psql") or "psql", address, "-AtF", "\t", "-c", text]
        told = subprocess.run(command, capture_output=True, check=True)
        return [line.split("\t") for line in told.stdout.decode().splitlines()]

    def counts() -> dict[str, int]:
        tables = {name: f'SELECT count(*) FROM xero."{name}"' for name in EVERY_STREAM}  # noqa: S608
        return {name: int(query(text)[0][0]) for name, text in tables.items()}

    pipeline.run()
    assert counts() == rows_of(xero)
    total = Decimal(query('SELECT sum("Total") FROM xero.invoices')[0][0])
    assert total == invoice_total(xero)
    types = dict(
        query(
            "SELECT column_name, data_type FROM information_schema.columns "
            "WHERE table_schema = 'xero' AND table_name = 'invoices'"
        )
    )
    for name in ("Date", "DueDate", "UpdatedDateUTC"):
        assert types[name].startswith("timestamp"), name
    assert types["Total"] == "numeric"

    edits = edit(xero)
    pipeline.run()
    assert counts() == rows_of(xero)
    found = query(f'SELECT "Reference" FROM xero.invoices WHERE "InvoiceID" = \'{edits.edited}\'')  # noqa: S608
    assert found == [["changed"]]
    gone = f"SELECT count(*) FROM xero.contact_groups WHERE \"ContactGroupID\" = '{edits.vanished}'"  # noqa: S608
    assert query(gone) == [["0"]]
    total = Decimal(query('SELECT sum("Total") FROM xero.invoices')[0][0])
    assert total == invoice_total(xero)


def test_duckdb_holds_what_xero_has(tmp_path: Path, xero: DemoXero) -> None:
    # DuckDB 2 takes the first row that target-duckdb 0.8 loads for a header.
    folder = installed("target-duckdb", "target-duckdb", "duckdb==1.0.0")
    database = str(tmp_path / "xero.duckdb")
    settings = {
        "path": database,
        "database": "xero",
        "default_target_schema": "main",
        "hard_delete": True,
        # Xero's reminder settings have no key.
        "primary_key_required": False,
    }
    config = write(tmp_path / "target.json", settings)
    pipeline = Pipeline(xero, tmp_path, [str(folder / "target-duckdb"), "-c", config])

    def query(text: str) -> list[list[Any]]:
        program = (
            "import duckdb, json, sys; db = duckdb.connect(sys.argv[1]);"
            "print(json.dumps(db.execute(sys.argv[2]).fetchall(), default=str))"
        )
        command = [str(folder / "python"), "-c", program, database, text]
        told = subprocess.run(command, capture_output=True, check=True)
        rows: list[list[Any]] = json.loads(told.stdout)
        return rows

    def counts() -> dict[str, int]:
        each = " UNION ALL ".join(f"SELECT '{name}', count(*) FROM {name}" for name in EVERY_STREAM)  # noqa: S608
        return dict(query(each))

    pipeline.run()
    assert counts() == rows_of(xero)
    total = query("SELECT sum(CAST(total AS DECIMAL(18, 2))) FROM invoices")[0][0]
    assert Decimal(total) == invoice_total(xero)
    types = {row[0]: row[1] for row in query("DESCRIBE invoices")}
    assert types["date"] == types["updateddateutc"] == "TIMESTAMP"

    edits = edit(xero)
    pipeline.run()
    # Reminder settings have no key, so this target adds them a second time; and it knows no
    # ACTIVATE_VERSION, so what has vanished stays.
    now = rows_of(xero)
    for name, count in counts().items():
        assert count == now[name] + (name in ("contact_groups", "invoice_reminders")), name
    found = query(f"SELECT reference FROM invoices WHERE invoiceid = '{edits.edited}'")  # noqa: S608
    assert found == [["changed"]]


def test_sqlite_holds_what_xero_has(tmp_path: Path, xero: DemoXero) -> None:
    python = shutil.which("python3.9")
    if python is None:
        pytest.skip("target-sqlite 0.2 runs on Python 3.9 and older only")
    command = installed("target-sqlite", "target-sqlite", python=python) / "target-sqlite"
    config = write(tmp_path / "target.json", {"database": "xero"})
    pipeline = Pipeline(xero, tmp_path, [str(command), "-c", config])

    def query(text: str) -> list[Any]:
        with closing(sqlite3.connect(tmp_path / "xero.db")) as database:
            return database.execute(text).fetchall()

    pipeline.run()
    total = query("SELECT total FROM invoices")
    assert sum(Decimal(str(row[0])) for row in total) == invoice_total(xero)
    edits = edit(xero)
    pipeline.run()
    assert query("SELECT count(*) FROM invoices") == [(rows_of(xero)["invoices"],)]
    found = query(f"SELECT reference FROM invoices WHERE invoice_id = '{edits.edited}'")  # noqa: S608
    assert found == [("changed",)]


def test_jsonl_files_hold_every_version(tmp_path: Path, xero: DemoXero) -> None:
    command = installed("target-jsonl", "target-jsonl") / "target-jsonl"
    config = write(tmp_path / "target.json", {"do_timestamp_file": False, "destination_path": "."})
    pipeline = Pipeline(xero, tmp_path, [str(command), "-c", config])

    def rows(name: str) -> list[dict[str, Any]]:
        lines = (tmp_path / f"{name}.jsonl").read_text().splitlines()
        return [json.loads(line, parse_float=Decimal) for line in lines]

    pipeline.run()
    assert {name: len(rows(name)) for name in EVERY_STREAM} == rows_of(xero)
    assert sum(row["Total"] for row in rows("invoices")) == invoice_total(xero)
    edits = edit(xero)
    pipeline.run()
    latest = {row["InvoiceID"]: row for row in rows("invoices")}
    assert len(latest) == rows_of(xero)["invoices"]
    assert latest[edits.edited]["Reference"] == "changed"
    assert sum(row["Total"] for row in latest.values()) == invoice_total(xero)


def test_singer_tools_find_the_output_valid(tmp_path: Path, xero: DemoXero) -> None:
    command = installed("singer-tools", "singer-tools") / "singer-check-tap"
    files = (
        "--config",
        write(tmp_path / "config.json", xero.config()),
        "--catalog",
        write(tmp_path / "catalog.json", catalog_of(EVERY_STREAM)),
    )
    output = tap(*files).stdout
    told = subprocess.run(
        [str(command)], input=output, capture_output=True, check=False, cwd=tmp_path
    )
    assert told.returncode == 0, told.stderr.decode()[-2000:]
    assert b"The output is valid." in told.stdout


def edit(xero: DemoXero) -> Edits:
    """Edit an invoice, add one, and delete a contact group, which Xero then no longer lists."""
    edited = xero.edit("Invoices", _key(xero, "Invoices"), Reference="changed")
    inserted = xero.insert("Invoices")
    vanished = xero.delete("ContactGroups", _key(xero, "ContactGroups"))
    return Edits(edited, inserted, vanished)


def rows_of(xero: DemoXero) -> dict[str, int]:
    """Return how many rows Xero shows in each stream's list."""
    return {
        stream.tap_stream_id: len(_shown(xero, find_endpoint(stream.path).path)) for stream in LISTS
    }


def invoice_total(xero: DemoXero) -> Decimal:
    """Return the sum of the demo's invoices, from its own books."""
    totals = (Decimal(str(row["Total"])) for row in xero.organisation.rows("Invoices"))
    return sum(totals, Decimal(0)).quantize(CENT)


def _shown(xero: DemoXero, path: str) -> list[Any]:
    hidden = {"Contacts": "ARCHIVED"}
    rows = xero.organisation.rows(path)
    return [row for row in rows if row.get("ContactStatus", "") != hidden.get(path, "none")]


def _key(xero: DemoXero, path: str) -> str:
    return next(iter(xero.organisation.table(path).rows))


def write(path: Path, content: object) -> str:
    path.write_text(json.dumps(content))
    return str(path)
