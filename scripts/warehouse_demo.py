"""`make warehouse-demo`: the demo organisation to DuckDB, and from there to a profit and loss."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

EXAMPLE = Path(__file__).parent.parent / "dbt" / "example"

# What is printed: twelve months of the accrual basis, from the report model.
STATEMENT = """
import os, duckdb
books = duckdb.connect(os.environ["XERO_DUCKDB"], read_only=True)
months = books.execute('''
    select strftime(date_month, '%b %Y'),
        sum(case when account_class = 'REVENUE' then net_amount else 0 end),
        sum(case when account_type = 'DIRECTCOSTS' then -net_amount else 0 end),
        sum(case when account_class <> 'REVENUE' and account_type is distinct from 'DIRECTCOSTS'
            then -net_amount else 0 end),
        sum(net_amount), any_value(net_profit)
    from books_xero_books.report_profit_and_loss
    join books_xero_books.report_profit_and_loss_totals using (basis, date_month)
    where basis = 'accrual' group by date_month order by date_month desc limit 12
''').fetchall()[::-1]
titles = ("Month", "Income", "Cost of sales", "Expenses", "Net profit", "Xero's own")
print("".join(f"{title:>15}" for title in titles))
for name, *amounts in months:
    print(f"{name:>15}" + "".join(f"{amount:15,.2f}" for amount in amounts))
sums = [sum(month[at] for month in months) for at in range(1, 6)]
print(f"{'Twelve months':>15}" + "".join(f"{amount:15,.2f}" for amount in sums))
for basis, cells, differing in books.execute('''
    select basis, count(*), count(*) filter (where status = 'differs')
    from books_xero_books.books_proof group by basis order by basis
''').fetchall():
    print(f"{basis}: {cells} amounts held against Xero's reports, {differing} differ")
"""


def main(target: str, dbt: str, folder: str) -> int:
    """Load with `target`, build with `dbt`, print; each of the four steps logs into `folder`."""
    output = Path(folder).resolve()
    output.mkdir(exist_ok=True)
    for old in output.glob("warehouse.duckdb*"):
        old.unlink()
    began = time.monotonic()
    for step in (discover, load, build, show):
        step_began = time.monotonic()
        if failed := step(output, Path(target).absolute(), Path(dbt).absolute()):
            print(f"{step.__name__} failed, see {folder}/{failed}")
            return 1
        print(f"{step.__name__}: {time.monotonic() - step_began:.0f} s", file=sys.stderr)
    print(f"from Xero to the books in {time.monotonic() - began:.0f} s: {folder}/warehouse.duckdb")
    return 0


def discover(output: Path, _target: Path, _dbt: Path) -> str | None:
    """Write a catalog in which the streams of the books are selected."""
    streams = ",".join((EXAMPLE / "streams.txt").read_text().split())
    catalog = _run(output, "discover.log", [*_tap(), "--discover", "--select", streams])
    if catalog is None:
        return "discover.log"
    (output / "catalog.json").write_bytes(catalog)
    return None


def load(output: Path, target: Path, _dbt: Path) -> str | None:
    """Pipe the tap into the target."""
    settings = {
        "path": str(output / "warehouse.duckdb"),
        "database": "warehouse",
        "default_target_schema": "xero",
    }
    (output / "target.json").write_text(json.dumps(settings))
    command = [*_tap(), "--catalog", str(output / "catalog.json")]
    with (output / "tap.log").open("wb") as log:
        tap = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
    loading = [str(target), "--config", str(output / "target.json")]
    loaded = _run(output, "target.log", loading, stdin=tap.stdout)
    if tap.wait():
        return "tap.log"
    return "target.log" if loaded is None else None


def build(output: Path, _target: Path, dbt: Path) -> str | None:
    """Build the views, the statements and the proof, and run every test."""
    for verb in ("deps", "build"):
        if _run(output, f"{verb}.log", [str(dbt), verb]) is None:
            return "logs/dbt.log"
    return None


def show(output: Path, _target: Path, dbt: Path) -> str | None:
    """Print the profit and loss of the last twelve months."""
    command = [str(dbt.parent / "python"), "-c", STATEMENT]
    statement = _run(output, "show.log", command)
    if statement is None:
        return "show.log"
    print(statement.decode(), end="")
    return None


def _tap() -> list[str]:
    return [sys.executable, "-m", "tap_xero", "--demo", "--config", str(EXAMPLE / "config.json")]


def _run(
    output: Path, log: str, command: list[str], stdin: IO[bytes] | None = None
) -> bytes | None:
    """Return what a command writes to stdout, None if it fails; its stderr goes to the log."""
    environment = os.environ | {
        "XERO_DUCKDB": str(output / "warehouse.duckdb"),
        "DBT_PROJECT_DIR": str(EXAMPLE),
        "DBT_PROFILES_DIR": str(EXAMPLE),
        "DBT_TARGET_PATH": str(output / "target"),
        "DBT_LOG_PATH": str(output / "logs"),
    }
    done = subprocess.run(
        command,
        stdin=stdin,
        capture_output=True,
        check=False,
        env=environment,
    )
    (output / log).write_bytes(done.stderr)
    return done.stdout if done.returncode == 0 else None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
