"""A sync on a terminal, for the person in front of it: live progress, then a table.

Used when stderr is a terminal and stdout is not; otherwise `summary` writes plain log lines. Only
the streams under way are shown, so the display fits any terminal. Log lines go above it.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from rich.console import RenderableType

    from tap_xero.client import Client
    from tap_xero.outcome import Outcome

_REFRESHES = 4  # a second


def is_wanted(environ: Mapping[str, str]) -> bool:
    """Whether a person watches the run on a terminal and has not set up logging."""
    if environ.get("LOGGING_CONF_FILE") or environ.get("TERM", "dumb") in ("", "dumb"):
        return False
    return os.isatty(2) and not os.isatty(1)


@contextmanager
def live(runs: Sequence[Outcome], client: Client, now: Callable[[], datetime]) -> Iterator[None]:
    """Show how far `runs` are, for the length of a `with` block; `runs` may still fill up."""
    from rich.console import Console
    from rich.live import Live

    display = Live(
        get_renderable=lambda: _display(runs, client, now()),
        console=Console(stderr=True),
        refresh_per_second=_REFRESHES,
        redirect_stdout=False,
        transient=True,
    )
    with display, _log_above():
        display.console.show_cursor()  # a second Ctrl-C or a timer may end us without a clean-up
        yield


def show_summary(figures: Mapping[str, Any]) -> None:
    """Print what `summary.summary` returns as a table; nothing if no call went through.

    The table says which streams are not complete; the log and the last line say why.
    """
    from rich.console import Console
    from rich.table import Table

    streams = figures["streams"]
    if not figures["calls"]:
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("stream")
    for title in ("rows", "calls", "bytes", "seconds"):
        table.add_column(title, justify="right")
    table.add_column("up to")
    for name, part in streams.items():
        table.add_row(name, *_figures(part), _up_to(part))
    complete = sum(part["outcome"] == "complete" for part in streams.values())
    table.add_section()
    table.add_row("in all", *_figures(figures), f"{complete} of {len(streams)} complete")
    Console(stderr=True, highlight=False).print(table)


def _up_to(part: Mapping[str, Any]) -> str:
    if part["outcome"] == "complete":
        return str(part["bookmark"] or "")[:19]
    return f"[red]{part['outcome'].partition(':')[0]}[/red]"


def _figures(part: Mapping[str, Any]) -> tuple[str, str, str, str]:
    return f"{part['rows']:,}", f"{part['calls']:,}", f"{part['bytes']:,}", f"{part['seconds']:.1f}"


def _display(runs: Sequence[Outcome], client: Client, now: datetime) -> RenderableType:
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    for run in runs:
        if run.began and not (run.complete or run.error):
            bar = ProgressBar(total=run.counted, completed=run.rows, width=16)
            table.add_row(run.name, bar, *_progress(run, (now - run.began).total_seconds()))
    return Group(table, _totals(runs, client))


def _progress(run: Outcome, seconds: float) -> tuple[str, str, str]:
    """Return rows of rows waiting, rows a second and time left, in words."""
    speed = run.rows / seconds if seconds > 0 else 0.0
    if run.counted is None:
        return f"{run.rows:,} rows", f"{speed:,.0f} rows/s", ""
    rows = f"{run.rows:,} of {run.counted:,} rows"
    if not run.rows:
        return rows, "", ""
    left = max(run.counted - run.rows, 0) / speed if speed else 0.0
    return rows, f"{speed:,.0f} rows/s", f"{left // 60:.0f}:{left % 60:02.0f} left"


def _totals(runs: Sequence[Outcome], client: Client) -> str:
    done = sum(run.complete for run in runs)
    rows = sum(run.rows for run in runs)
    pacer = client.pacer
    today = pacer.day_remaining
    return (
        f"{done} of {len(runs)} streams, {rows:,} rows, {client.usage.calls:,} calls; left: "
        f"{pacer.minute_remaining:,} calls this minute, "
        f"{'?' if today is None else f'{today:,}'} today"
    )


@contextmanager
def _log_above() -> Iterator[None]:
    """Let log lines go through the display, which has put itself in the place of stderr."""
    handlers = [
        handler
        for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.__stderr__
    ]
    for handler in handlers:
        handler.setStream(sys.stderr)
    try:
        yield
    finally:
        for handler in handlers:
            handler.setStream(sys.__stderr__)
