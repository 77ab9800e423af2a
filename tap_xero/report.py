"""What a person learns of a sync: a log line for a page, a summary at the end, Singer metrics."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from singer import metrics

from tap_xero.errors import StreamError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_xero.client import Usage
    from tap_xero.state import State
    from tap_xero.sync import StreamRun

LOGGER = logging.getLogger(__name__)


def log_page(run: StreamRun) -> None:
    """Log how far a stream is; streams of a single page have their line in the summary."""
    if not run.complete:
        LOGGER.info("%s: %s of %s rows", run.name, f"{run.rows:,}", _expected(run))


def log_summary(runs: Sequence[StreamRun], state: State, usage: Usage, seconds: float) -> None:
    """Log a line for each stream and one for all, and the same as Singer metrics."""
    for run in runs:
        LOGGER.info("%s", _line(run, state))
        _metric(metrics.Metric.record_count, "counter", run.rows, {metrics.Tag.endpoint: run.name})
    rows = sum(run.rows for run in runs)
    LOGGER.info(
        "in all: %s rows of %d streams, %d calls, %s bytes, %.1f s",
        f"{rows:,}",
        len(runs),
        usage.calls,
        f"{usage.size:,}",
        seconds,
    )
    status = "succeeded" if not failures(runs) else "failed"
    tags = {metrics.Tag.job_type: "sync", metrics.Tag.status: status}
    _metric(metrics.Metric.job_duration, "timer", round(seconds, 3), tags)
    LOGGER.info("SUMMARY: %s", json.dumps(summary(runs, state, usage, seconds)))


def summary(
    runs: Sequence[StreamRun], state: State, usage: Usage, seconds: float
) -> dict[str, Any]:
    """Return the run in figures: per stream rows, calls, bytes, seconds, bookmark and outcome."""
    return {
        "streams": {
            run.name: {
                "rows": run.rows,
                "calls": run.xero_list.calls,
                "bytes": run.xero_list.size,
                "seconds": round(_seconds(run), 3),
                "bookmark": _bookmark(run, state),
                "outcome": _outcome(run),
            }
            for run in runs
        },
        "rows": sum(run.rows for run in runs),
        "calls": usage.calls,
        "bytes": usage.size,
        "seconds": round(seconds, 3),
    }


def failures(runs: Sequence[StreamRun]) -> list[StreamRun]:
    """Return the streams that are not complete and should be."""
    return [run for run in runs if not run.complete and not run.forgiven]


def raise_for_failures(runs: Sequence[StreamRun]) -> None:
    """Raise StreamError, with the cause of each, if a selected stream is not complete."""
    failed = failures(runs)
    if failed:
        causes = "; ".join(f"{run.name}: {run.error or 'not reached'}" for run in failed)
        raise StreamError(f"{len(failed)} of {len(runs)} streams are not complete: {causes}")


def _line(run: StreamRun, state: State) -> str:
    bookmark = _bookmark(run, state)
    until = f", up to {bookmark}" if bookmark is not None else ""
    return (
        f"{run.name}: {run.rows:,} rows, {run.xero_list.calls} calls, "
        f"{run.xero_list.size:,} bytes, {_seconds(run):.1f} s{until}: {_outcome(run)}"
    )


def _outcome(run: StreamRun) -> str:
    if run.complete:
        return "complete"
    return f"{'skipped' if run.forgiven else 'not complete'}: {run.error or 'not reached'}"


def _expected(run: StreamRun) -> str:
    return "an unknown number" if run.counted is None else f"{run.counted:,}"


def _seconds(run: StreamRun) -> float:
    return (run.ended - run.began).total_seconds() if run.began and run.ended else 0.0


def _bookmark(run: StreamRun, state: State) -> object:
    key = run.selection.replication_key
    return state.value["bookmarks"].get(run.name, {}).get(key) if key else None


def _metric(name: str, kind: str, value: float, tags: dict[str, str]) -> None:
    metrics.log(LOGGER, metrics.Point(kind, name, value, tags))
