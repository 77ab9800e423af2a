"""Run a command and say what it cost; serve the demo Xero from a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from tap_xero.discover import catalog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

ROOT = Path(__file__).parent.parent
PYTHON = sys.executable
TAP = [PYTHON, "-m", "tap_xero"]


@dataclass(frozen=True)
class Cost:
    """What one process took: CPU is user and system together, memory the peak in bytes."""

    cpu: float
    wall: float
    memory: int
    log: str

    @property
    def summary(self) -> dict[str, Any]:
        """What the tap itself says of its run."""
        found = re.search(r'METRIC: (\{.*"sync_summary".*\})', self.log)
        said: dict[str, Any] = json.loads(found[1])["tags"] if found else {}
        return said


def run(command: Sequence[str]) -> Cost:
    """Run a command with its stdout thrown away. Raises RuntimeError when it fails."""
    with tempfile.TemporaryFile() as log:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=log, cwd=ROOT, env=_environment()
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        log.seek(0)
        text = log.read().decode()
    if process.returncode:
        raise RuntimeError(f"{command} failed:\n{text}")
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * 1024, text)


def alternating(
    commands: Mapping[str, Callable[[], Sequence[str]]], rounds: int
) -> dict[str, list[Cost]]:
    """Run each command in turn, for so many rounds, so that all meet the machine in one mood."""
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            costs[name].append(run(command()))
    return costs


class Xero:
    """The demo Xero in a process of its own, and the files that a tap needs to read it."""

    def __init__(self, settings: Mapping[str, Any], folder: Path) -> None:
        self._settings = dict(settings)
        self._folder = folder

    def config(self) -> str:
        """Write a config with a new access token and return its path."""
        token = requests.post(
            f"{self._settings['identity_url']}/connect/token",
            auth=(self._settings["client_id"], self._settings["client_secret"]),
            data={
                "grant_type": "refresh_token",
                "refresh_token": self._settings["refresh_token"],
            },
            timeout=30,
        ).json()
        self._settings["refresh_token"] = token["refresh_token"]
        config = {**self._settings, "access_token": token["access_token"]}
        del config["refresh_token"]
        return self._write("config.json", {**config, "calls_per_minute": 10_000})

    def sync(self, fields: int | None = None) -> list[str]:
        """Return the command that syncs the invoices, with their first `fields` fields only."""
        chosen = self._write("catalog.json", _invoices(fields))
        return [*TAP, "--config", self.config(), "--catalog", chosen]

    def script(self, name: str, *arguments: str) -> list[str]:
        """Return the command that runs one of the scripts beside this file."""
        return [PYTHON, str(ROOT / "benchmarks" / name), *arguments, self.config()]

    def _write(self, name: str, value: object) -> str:
        path = self._folder / name
        path.write_text(json.dumps(value))
        return str(path)


@contextlib.contextmanager
def xero(size: int, lines: int = 5, *options: str) -> Iterator[Xero]:
    """Serve `size` invoices with so many lines each, in the shape of live ones.

    The invoices are rendered ahead of time; `options` are those of live_xero.py.
    """
    script = str(ROOT / "benchmarks" / "live_xero.py")
    command = [PYTHON, script, "--size", str(size), "--lines", str(lines), *options]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, env=_environment()
        ) as process,
    ):
        greeting = process.stdout.readline() if process.stdout else b"{}"
        settings = json.loads(greeting)["config"]
        try:
            yield Xero(settings, Path(folder))
        finally:
            process.terminate()


def _invoices(fields: int | None) -> dict[str, Any]:
    streams = catalog()["streams"]
    for entry in streams:
        names = list(entry["schema"]["properties"])[:fields]
        for item in entry["metadata"]:
            path = item["breadcrumb"]
            selected = path[-1] in names if path else entry["tap_stream_id"] == "invoices"
            item["metadata"]["selected"] = selected
    return {"streams": streams}


def _environment() -> dict[str, str]:
    # An installed tap has its bytecode beside it; here the first run writes it, if it may.
    settings = {**os.environ, "PYTHONPATH": str(ROOT)}
    settings.pop("PYTHONDONTWRITEBYTECODE", None)
    return settings
