"""What a run says of itself: a line a page, Singer's metrics, a summary."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import singer

from tap_xero import __version__
from tap_xero.client import Usage
from tap_xero.commands.summary import summary
from tap_xero.demo import DemoXero
from tap_xero.state import State
from tests.support.run_tap import catalog_of, log_lines, sync, tap

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parent.parent.parent
METRIC = "INFO METRIC: "


class Report:
    """The stderr of a run without a terminal."""

    def __init__(self, folder: Path, xero: DemoXero, streams: Iterable[str], **config: Any) -> None:  # noqa: ANN401
        (folder / "config.json").write_text(json.dumps(xero.config(**config)))
        (folder / "catalog.json").write_text(json.dumps(catalog_of(streams)))
        self.run = tap("--config", "config.json", "--catalog", "catalog.json", cwd=folder)
        self.lines = log_lines(self.run.stderr)

    def metrics(self, name: str) -> list[dict[str, Any]]:
        """Return the metrics called `name`, as programs read them."""
        texts = (line.removeprefix(METRIC) for line in self.lines if line.startswith(METRIC))
        return [metric for metric in map(json.loads, texts) if metric["metric"] == name]

    @property
    def summary(self) -> dict[str, Any]:
        """The figures of the run."""
        (metric,) = self.metrics("sync_summary")
        figures: dict[str, Any] = metric["tags"]
        return figures


def test_a_page_is_one_line_at_most(tmp_path: Path) -> None:
    with DemoXero(size=250) as xero:
        report = Report(tmp_path, xero, ["invoices"], page_size=100)
    pages = [line for line in report.lines if line.startswith("INFO invoices: ")][:-1]
    assert pages == ["INFO invoices: 100 of 250 rows", "INFO invoices: 199 of 250 rows"]


def test_a_page_without_rows_has_no_line(tmp_path: Path, xero: DemoXero) -> None:
    lines = Report(tmp_path, xero, ["quotes", "linked_transactions"]).lines
    assert len(lines) == len({*lines})


def test_every_call_is_a_metric_with_its_status(tmp_path: Path, xero: DemoXero) -> None:
    xero.behaviour.forbidden = {"Journals": "scope401"}
    report = Report(tmp_path, xero, ["currencies", "journals"])
    calls = report.metrics("http_request_duration")
    statuses = {
        metric["tags"]["endpoint"]: (metric["tags"]["http_status_code"], metric["tags"]["status"])
        for metric in calls
    }
    assert statuses == {"Currencies": (200, "succeeded"), "Journals": (401, "failed")}
    assert all(metric["type"] == "timer" and metric["value"] > 0 for metric in calls)


def test_each_stream_counts_its_records(tmp_path: Path, xero: DemoXero) -> None:
    report = Report(tmp_path, xero, ["invoices", "currencies"])
    counts = {
        metric["tags"]["endpoint"]: metric["value"] for metric in report.metrics("record_count")
    }
    assert counts == {"invoices": 30, "currencies": 3}


@pytest.mark.parametrize(("refused", "status"), [({}, "succeeded"), ({"Items": "x"}, "failed")])
def test_the_job_says_whether_it_succeeded(
    tmp_path: Path, xero: DemoXero, refused: dict[str, str], status: str
) -> None:
    xero.behaviour.forbidden = dict.fromkeys(refused, "role403")
    (job,) = Report(tmp_path, xero, ["items"]).metrics("job_duration")
    assert job["tags"] == {"job_type": "sync", "status": status}


def test_the_summary_has_rows_calls_bytes_seconds_and_bookmark(
    tmp_path: Path, xero: DemoXero
) -> None:
    report = Report(tmp_path, xero, ["invoices", "currencies"])
    summary = report.summary
    invoices, currencies = summary["streams"]["invoices"], summary["streams"]["currencies"]
    data = [call for call in xero.calls if call.kind == "data"]
    assert (invoices["rows"], currencies["rows"], summary["rows"]) == (30, 3, 33)
    assert summary["calls"] == len(data) == invoices["calls"] + currencies["calls"]
    assert summary["bytes"] == sum(call.bytes for call in data)
    assert summary["bytes"] == invoices["bytes"] + currencies["bytes"]
    assert 0 < invoices["seconds"] <= summary["seconds"]
    state = json.loads(report.run.stdout.splitlines()[-1])["value"]
    assert invoices["bookmark"] == state["bookmarks"]["invoices"]["UpdatedDateUTC"]
    assert currencies["bookmark"] is None
    assert invoices["outcome"] == currencies["outcome"] == "complete"


@pytest.mark.parametrize("kept", [None, "2020-01-01T00:00:00Z", "", []])
def test_an_odd_bookmark_in_the_state_does_not_end_a_run_that_is_complete(
    xero: DemoXero, kept: object
) -> None:
    xero.replace("Invoices", [])
    output = sync(xero, ["invoices"], state={"bookmarks": {"invoices": kept}})
    assert output.error is None
    figures = summary(output.runs, State({"bookmarks": {"invoices": kept}}, "", 0), Usage(), 0.0)
    assert figures["streams"]["invoices"]["bookmark"] is None


def test_the_summary_is_there_for_people_too(tmp_path: Path, xero: DemoXero) -> None:
    report = Report(tmp_path, xero, ["currencies"])
    plain = [line for line in report.lines if not line.startswith(METRIC)]
    assert plain[0] == (
        f"INFO tap-xero {__version__} starts: organisation {xero.config()['tenant_id']}, 1 stream, "
        "config config.json, catalog catalog.json"
    )
    assert plain[1].startswith("INFO currencies: 3 rows, 1 call, ")
    assert plain[1].endswith(": complete")
    assert plain[2].startswith("INFO in all: 3 rows, 1 call, ")


def test_each_line_says_when_but_a_metric_is_as_singer_reads_it(
    tmp_path: Path, xero: DemoXero
) -> None:
    report = Report(tmp_path, xero, ["currencies"])
    for line in report.run.stderr.decode().splitlines():
        if singer.metrics.parse(line) is None:
            assert re.match(r"INFO \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \w", line), line
    assert report.metrics("job_duration")


def test_metrics_can_be_left_out(tmp_path: Path, xero: DemoXero) -> None:
    (tmp_path / "config.json").write_text(json.dumps(xero.config()))
    run = tap("--config", "config.json", "--no-metrics", cwd=tmp_path)
    assert run.returncode == 0
    assert b"METRIC" not in run.stderr
    assert b"in all" in run.stderr


def test_a_login_that_fails_leaves_its_error_alone(tmp_path: Path, xero: DemoXero) -> None:
    report = Report(tmp_path, xero, ["currencies", "invoices"], client_secret="wrong")
    plain = [line for line in report.lines if not line.startswith(METRIC)]
    assert [line.split()[0] for line in plain] == ["INFO", "CRITICAL"]
    assert not report.metrics("record_count")
    assert report.metrics("job_duration")[0]["tags"]["status"] == "failed"


def test_missing_scopes_are_named_once_with_the_command_that_gets_them(
    tmp_path: Path, xero: DemoXero
) -> None:
    xero.behaviour.forbidden = {"Journals": "scope401", "Items": "scope401"}
    report = Report(tmp_path, xero, ["currencies", "items", "journals"])
    assert report.lines[-1] == (
        "CRITICAL 2 of 3 streams are not complete: the login lacks the scopes "
        "accounting.journals.read accounting.settings.read (for journals, items): "
        "run tap-xero --authorize --config config.json --catalog catalog.json"
    )


def test_what_was_skipped_and_why_is_in_the_summary(tmp_path: Path, xero: DemoXero) -> None:
    xero.behaviour.forbidden = {"Journals": "scope401"}
    report = Report(tmp_path, xero, ["currencies", "journals"])
    outcome = report.summary["streams"]["journals"]["outcome"]
    assert outcome.startswith("not complete: Journals: ")
    assert "scope" in outcome


def test_a_run_that_ends_early_still_sums_up(tmp_path: Path, xero: DemoXero) -> None:
    report = Report(tmp_path, xero, ["currencies"], tenant_id="nobody")
    assert report.run.returncode == 1
    assert report.summary["streams"]["currencies"]["outcome"] == "not complete: not reached"
    assert report.lines[-1].startswith("CRITICAL")
    assert report.metrics("job_duration")[0]["tags"]["status"] == "failed"


def test_without_a_terminal_nothing_for_the_screen_is_loaded(
    tmp_path: Path, xero: DemoXero
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(xero.config()))
    program = (
        "import sys; from tap_xero.cli import main\n"
        "assert main(['--config', 'config.json']) == 0; assert 'rich' not in sys.modules"
    )
    command = [sys.executable, "-c", program]
    environment = {"PYTHONPATH": str(ROOT)}
    run = subprocess.run(command, capture_output=True, check=False, cwd=tmp_path, env=environment)
    assert run.returncode == 0, run.stderr.decode()[-2000:]
