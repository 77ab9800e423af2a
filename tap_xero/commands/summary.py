"""The run in figures: a log line for a page, a summary at the end, Singer metrics."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from singer import metrics

from tap_xero.commands.failures import Failure, reasons
from tap_xero.commands.words import count
from tap_xero.errors import StreamError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tap_xero.client import Usage
    from tap_xero.outcome import Outcome
    from tap_xero.state import State

LOGGER = logging.getLogger(__name__)


def log_page(run: Outcome, rows: int) -> None:
    """Log how far a stream is after a page. The last page has no line: the summary has one."""
    if rows and not run.complete:
        total = run.rows if run.counted is None else run.counted
        so_far = "" if run.counted is None else f"{run.rows:,} of "
        LOGGER.info("%s: %s%s", run.name, so_far, count(total, "row"))


def log_summary(figures: Mapping[str, Any], *, failed: bool) -> None:
    """Log what `summary` returns: a line for each stream, one for all, and Singer metrics.

    If no call went through, there is nothing to say about any stream.
    """
    streams = figures["streams"] if figures["calls"] else {}
    for name, part in streams.items():
        LOGGER.info("%s: %s", name, _line(part))
        rows = metrics.Point("counter", "record_count", part["rows"], {"endpoint": name})
        metrics.log(LOGGER, rows)
    if streams:
        LOGGER.info("in all: %s", _amounts(figures))
    status = metrics.Status.failed if failed else metrics.Status.succeeded
    tags = {"job_type": "sync", "status": status}
    metrics.log(LOGGER, metrics.Point("timer", "job_duration", figures["seconds"], tags))
    shown = {**figures, "streams": streams}
    metrics.log(LOGGER, metrics.Point("summary", "sync_summary", figures["rows"], shown))


def summary(runs: Sequence[Outcome], state: State, usage: Usage, seconds: float) -> dict[str, Any]:
    """Return the run in figures: per stream rows, calls, bytes, seconds, bookmark and outcome."""
    return {
        "streams": {
            run.name: {
                "rows": run.rows,
                "calls": run.calls,
                "bytes": run.size,
                "seconds": round(_seconds(run), 3),
                "bookmark": _bookmark(run, state),
                "outcome": run.in_words,
            }
            for run in runs
        },
        "rows": sum(run.rows for run in runs),
        "calls": usage.calls,
        "bytes": usage.size,
        "seconds": round(seconds, 3),
    }


def failures(runs: Sequence[Outcome]) -> list[Outcome]:
    """Return the failed streams; if no stream is complete, all of them."""
    if not any(run.complete for run in runs):
        return list(runs)
    return [run for run in runs if not run.complete and not run.is_optional]


def raise_for_failures(runs: Sequence[Outcome], get_scopes: str) -> None:
    """Raise StreamError, with the reasons, if a selected stream is not complete.

    `get_scopes` says how to get scopes that are missing.
    """
    failed = [Failure(run.selection.stream, run.error) for run in failures(runs)]
    if failed:
        raise StreamError(
            f"{len(failed)} of {len(runs)} streams are not complete: {reasons(failed, get_scopes)}"
        )


def _line(part: Mapping[str, Any]) -> str:
    until = f", up to {part['bookmark']}" if part["bookmark"] is not None else ""
    return f"{_amounts(part)}{until}: {part['outcome']}"


def _amounts(part: Mapping[str, Any]) -> str:
    return (
        f"{count(part['rows'], 'row')}, {count(part['calls'], 'call')}, "
        f"{count(part['bytes'], 'byte')}, "
        f"{part['seconds']:.1f} s"
    )


def _seconds(run: Outcome) -> float:
    return (run.ended - run.began).total_seconds() if run.began and run.ended else 0.0


def _bookmark(run: Outcome, state: State) -> object:
    key = run.selection.replication_key
    kept = state.value["bookmarks"].get(run.name)
    return kept.get(key) if key and isinstance(kept, dict) else None
