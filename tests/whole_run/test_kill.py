"""Killed at any byte, and started again from the last STATE that is whole: nothing is missing."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from tap_xero.demo import Behaviour, DemoXero
from tests.support.killed_runs import ROOT, KilledError, Pipe, command, killed, up_to_the_last_state
from tests.support.rows import data_calls, expected, keys, rows, spread
from tests.support.run_tap import Output, catalog_of, sync

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROWS = 1500


class Stumbling:
    """Fails at one write as nobody foresaw, and takes everything before and after."""

    def __init__(self, at: int) -> None:
        self.kept = bytearray()
        self._left = at

    def write(self, data: bytes | memoryview, /) -> int:
        """Take all of it, or none."""
        self._left -= 1
        if not self._left:
            raise RuntimeError("a fault in the tap")
        self.kept += data
        return len(data)


@pytest.fixture
def xero() -> Iterator[DemoXero]:
    with DemoXero(size=0, behaviour=Behaviour(pretty=False)) as xero:
        xero.replace("Invoices", rows("Invoices", spread(ROWS)))
        yield xero


@pytest.mark.parametrize("part", range(1, 20, 2))
def test_a_run_cut_at_any_byte_is_taken_up_without_a_gap(xero: DemoXero, part: int) -> None:
    whole = len(sync(xero, ["invoices"], page_size=100).raw)
    cut = Pipe(whole * part // 20 + part)

    with pytest.raises(KilledError):
        sync(xero, ["invoices"], page_size=100, sink=cut)
    first = up_to_the_last_state(bytes(cut.kept))
    second = sync(xero, ["invoices"], page_size=100, state=first.state)

    assert set(keys(first, "invoices")) | set(keys(second, "invoices")) == expected(ROWS)


@pytest.mark.parametrize("at", [2, 9, 15, 16, 17])
def test_an_unforeseen_fault_leaves_no_state_that_covers_what_was_not_written(
    xero: DemoXero, at: int
) -> None:
    sink = Stumbling(at)

    with pytest.raises(RuntimeError, match="a fault in the tap"):
        sync(xero, ["invoices"], page_size=100, sink=sink)
    first = up_to_the_last_state(bytes(sink.kept))
    second = sync(xero, ["invoices"], page_size=100, state=first.state)

    assert len(keys(first, "invoices")) < ROWS
    assert set(keys(first, "invoices")) | set(keys(second, "invoices")) == expected(ROWS)


@pytest.mark.parametrize("after", [100_000, 130_000, 170_001])
def test_a_process_killed_by_sigkill_goes_on_near_where_it_was(
    xero: DemoXero, tmp_path: Path, after: int
) -> None:
    xero.behaviour.latency = 0.01
    settings = xero.config(page_size=50, calls_per_minute=10_000)
    (tmp_path / "config.json").write_text(json.dumps(settings))
    (tmp_path / "catalog.json").write_text(json.dumps(catalog_of(["invoices"])))

    first = up_to_the_last_state(killed(tmp_path, after))
    xero.edit("Invoices", "row-000000", Reference="edited while nobody read")
    before = len(data_calls(xero))
    (tmp_path / "state.json").write_text(json.dumps(first.state))
    second = Output(
        subprocess.run(
            [*command(tmp_path), "--state", str(tmp_path / "state.json")],
            cwd=ROOT,
            check=True,
            capture_output=True,
            timeout=60,
        ).stdout
    )

    assert set(keys(first, "invoices")) | set(keys(second, "invoices")) == expected(ROWS)
    assert "row-000000" in keys(second, "invoices")
    read = len(keys(first, "invoices"))
    assert read > 200
    assert len(data_calls(xero)) - before <= (ROWS - read) // 50 + 5
