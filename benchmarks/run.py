"""Measure the tap against the floor and a tap of the usual make, on one machine in one run.

`python benchmarks/run.py` writes RESULTS.md beside this file; it takes some five minutes.
`--quick` prints the first table only, from few records. Only the ratios mean something elsewhere.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from measure import TAP, Cost, Xero, alternating, run, xero

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

RESULTS = Path(__file__).parent / "RESULTS.md"
MEGABYTE = 1_000_000


def main() -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="3,000 invoices, three rounds")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    if arguments.quick:
        _show(_speed(3_000, 3))
        return 0
    few = min(arguments.rounds, 3)
    report = [_heading()]
    for part in (
        _speed(20_000, arguments.rounds),
        _start_up(arguments.rounds),
        _memory(few),
        _calls(),
        _growth(few),
    ):
        report.append(_show(part))
        RESULTS.write_text("\n\n".join(report) + "\n")
    return 0


def _show(lines: Iterator[str]) -> str:
    kept = []
    for line in lines:
        print(line, flush=True)
        kept.append(line)
    return "\n".join(kept)


def _heading() -> str:
    packages = ("msgspec", "requests", "urllib3", "singer-python", "orjson")
    return (
        "# Results\n\n"
        "Written by `make bench`. CPU is user and system time of the whole process, start to end, "
        "as the kernel counts it; medians of alternating runs, stdout thrown away. The demo Xero "
        "runs in another process of the same machine and pretty-prints as Xero does; its invoices "
        "have the fields of recorded live ones. "
        "Only ratios carry over to other machines.\n\n"
        f"{datetime.now(timezone.utc):%Y-%m-%d}, {_processor()}, {os.cpu_count()} cores, "
        f"{platform.system()}, Python {platform.python_version()}, "
        f"{', '.join(f'{name} {version(name)}' for name in packages)}; "
        f"load average {os.getloadavg()[0]:.1f} at the start."
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = (
        line.partition(": ")[2]
        for line in (info.read_text().splitlines() if info.exists() else [])
        if line.startswith("model name")
    )
    return next(names, platform.processor())


def _speed(size: int, rounds: int) -> Iterator[str]:
    yield f"## A sync of {size:,} invoices, 5 lines each"
    yield ""
    yield "| | CPU | to the floor | wall | peak memory | records per CPU second |"
    yield "|---|---|---|---|---|---|"
    with xero(size) as demo:
        costs = _against_floors(demo, rounds)
        usual = alternating({"a tap of the usual make": lambda: demo.script("usual_tap.py")}, 1)
    yield from _rows(costs | usual, size)
    with xero(size, 5, "--tomorrow") as demo:
        yield from _rows(_against_floors(demo, rounds, ", with a field that no schema knows"), size)
    with xero(size, 5, "--gzip") as demo:
        yield from _rows(_against_floors(demo, rounds, ", answers packed with gzip"), size)
    times = _cpu(*usual.values()) / _cpu(costs["tap-xero"])
    yield ""
    yield "The decode floor is requests and orjson without a tap: each record on a line."
    yield "The pipe floor writes the bytes as they come. The tap of the usual make runs once and"
    yield f"takes {times:.1f} times the CPU of tap-xero. It is no released one but ours, on"
    yield "singer-python's Transformer and write_record as most taps are."


def _against_floors(demo: Xero, rounds: int, what: str = "") -> dict[str, list[Cost]]:
    """Return the costs of the tap, of the decode floor and of the pipe floor, in this order."""
    commands = {
        f"tap-xero{what}": demo.sync,
        f"the decode floor{what}": lambda: demo.script("floor.py", "decode"),
        f"the pipe floor{what}": lambda: demo.script("floor.py", "pipe"),
    }
    return alternating(commands, rounds)


def _rows(costs: Mapping[str, Sequence[Cost]], size: int) -> Iterator[str]:
    """Yield a row for each; the second of `costs` is the decode floor."""
    floor = _cpu(list(costs.values())[1])
    for name, runs in costs.items():
        yield _row(name, runs, floor, size)


def _row(name: str, runs: Sequence[Cost], floor: float, size: int) -> str:
    cpu = _cpu(runs)
    wall = median(cost.wall for cost in runs)
    memory = median(cost.memory for cost in runs)
    return (
        f"| {name} | {cpu:.2f} s | {cpu / floor:.2f} | {wall:.2f} s "
        f"| {memory / MEGABYTE:.0f} MB | {size / cpu:,.0f} |"
    )


def _cpu(runs: Sequence[Cost]) -> float:
    return median(cost.cpu for cost in runs)


def _start_up(rounds: int) -> Iterator[str]:
    yield "## Start-up"
    yield ""
    yield "| | CPU | wall |"
    yield "|---|---|---|"
    costs = alternating(
        {
            "`python -c pass`": lambda: [sys.executable, "-c", "pass"],
            "`--version`": lambda: [*TAP, "--version"],
            "`--discover`": lambda: [*TAP, "--discover"],
        },
        2 * rounds,
    )
    for name, runs in costs.items():
        yield f"| {name} | {_cpu(runs):.3f} s | {median(cost.wall for cost in runs):.3f} s |"


def _memory(rounds: int) -> Iterator[str]:
    yield "## Peak memory"
    yield ""
    yield "| invoices | peak | to the first |"
    yield "|---|---|---|"
    with xero(3_000) as few, xero(100_000) as many:
        costs = alternating({"3,000": few.sync, "100,000": many.sync}, rounds)
    peaks = {size: median(cost.memory for cost in runs) for size, runs in costs.items()}
    for size, peak in peaks.items():
        yield f"| {size} | {peak / MEGABYTE:.0f} MB | {peak / peaks['3,000']:.2f} |"


def _calls() -> Iterator[str]:
    yield "## Calls and bytes"
    yield ""
    yield "| invoices | data calls | bytes on the wire | with gzip |"
    yield "|---|---|---|---|"
    for size in (1_000, 10_000):
        with xero(size) as demo:
            plain = run(demo.sync()).summary
        with xero(size, 5, "--gzip") as demo:
            packed = run(demo.sync()).summary
        yield f"| {size:,} | {plain['calls']} | {plain['bytes']:,} | {packed['bytes']:,} |"


def _growth(rounds: int) -> Iterator[str]:
    yield "## How the cost grows"
    yield ""
    yield "| invoices | lines each | fields selected | CPU | per 1,000 above start-up |"
    yield "|---|---|---|---|---|"
    with xero(1) as demo:
        start = _cpu([run(demo.sync()) for _ in range(rounds)])
    cases = [(5_000, 5), (10_000, 5), (20_000, 5), (40_000, 5), (5_000, 1), (5_000, 20)]
    for size, lines in cases:
        with xero(size, lines) as demo:
            cpu = _cpu([run(demo.sync()) for _ in range(rounds)])
        yield _growth_row(size, lines, "all", cpu, start)
    with xero(20_000) as demo:
        for fields in (2, 15):
            cpu = _cpu([run(demo.sync(fields)) for _ in range(rounds)])
            yield _growth_row(20_000, 5, str(fields), cpu, start)


def _growth_row(size: int, lines: int, fields: str, cpu: float, start: float) -> str:
    each = (cpu - start) / size * 1000
    return f"| {size:,} | {lines} | {fields} | {cpu:.2f} s | {each * 1000:.0f} ms |"


if __name__ == "__main__":
    sys.exit(main())
