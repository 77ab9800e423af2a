"""Runs the real tap against the demo Xero over HTTP, in this process or as a command."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tap_xero import dates
from tap_xero.client import Client
from tap_xero.clock import Clock
from tap_xero.config import load_config
from tap_xero.demo.identity import granted
from tap_xero.discover import catalog
from tap_xero.errors import TapError
from tap_xero.output.writer import Sink, Writer
from tap_xero.selection import selection
from tap_xero.state import State
from tap_xero.sync import Sync

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tap_xero.config import Config
    from tap_xero.demo import DemoXero
    from tap_xero.outcome import Outcome


@contextmanager
def log_left_as_it_is() -> Iterator[None]:
    """Undo what a command that runs in this process does to logging."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


def log_lines(log: bytes | str) -> list[str]:
    """Return the lines of a log without the time that stands behind the level."""
    text = log if isinstance(log, str) else log.decode()
    return re.sub(r"(?m)^([A-Z]+) \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", r"\1 ", text).splitlines()


@dataclass
class Output:
    """What a run wrote: its messages, in order, with numbers as Decimal."""

    raw: bytes
    runs: list[Outcome] = field(default_factory=list)
    error: TapError | None = None

    @cached_property
    def messages(self) -> list[dict[str, Any]]:
        """Return every whole line as a message."""
        whole = self.raw[: self.raw.rfind(b"\n") + 1]
        return [json.loads(line, parse_float=Decimal) for line in whole.splitlines()]

    def records(self, stream: str) -> list[dict[str, Any]]:
        """Return the records of one stream."""
        return [
            message["record"]
            for message in self.messages
            if message["type"] == "RECORD" and message["stream"] == stream
        ]

    @property
    def state(self) -> dict[str, Any]:
        """Return the value of the last STATE."""
        states = [message["value"] for message in self.messages if message["type"] == "STATE"]
        return states[-1] if states else {}

    def types(self, stream: str) -> list[str]:
        """Return the kinds of one stream's messages, in order."""
        return [message["type"] for message in self.messages if message.get("stream") == stream]


def catalog_of(streams: Iterable[str], **metadata: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return the discovered catalog with just these streams selected, and `metadata` on each."""
    return _selecting(catalog(), streams, metadata)


def flat_catalog_of(streams: Iterable[str]) -> dict[str, Any]:
    """Return the same as it is discovered with line tables."""
    return _selecting(catalog(line_tables=True), streams, {})


def _selecting(
    catalog: dict[str, Any], streams: Iterable[str], metadata: Mapping[str, Any]
) -> dict[str, Any]:
    wanted = set(streams)
    for entry in catalog["streams"]:
        top = next(item for item in entry["metadata"] if not item["breadcrumb"])
        top["metadata"] |= {"selected": entry["tap_stream_id"] in wanted}
        top["metadata"] |= {name.replace("_", "-"): value for name, value in metadata.items()}
    return catalog


def load(xero: DemoXero, **config: Any) -> Config:  # noqa: ANN401
    """Return a config for the demo, read from a file as the tap reads it."""
    settings = {"calls_per_minute": 10_000} | xero.config(**config)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "config.json")
        path.write_text(json.dumps(settings))
        return load_config([str(path)], {}, Clock().now())


def sync(  # noqa: PLR0913
    xero: DemoXero,
    streams: Iterable[str] = (),
    *,
    state: Mapping[str, Any] | None = None,
    catalog: Mapping[str, Any] | None = None,
    clock: Clock | None = None,
    sink: Sink | None = None,
    stopped: Callable[[], bool] = lambda: False,
    **config: Any,  # noqa: ANN401
) -> Output:
    """Sync `streams` (or what `catalog` selects) in this process; a TapError ends in the output.

    The access token is given, so that no token file is needed.
    """
    clock = clock or Clock()
    token = xero.identity.new_access_token(xero.behaviour, granted(xero.behaviour))
    given = {"access_token": token, "refresh_token": None} | config
    settings = load(xero, **given)
    kept = io.BytesIO()
    tables = settings.line_tables
    chosen = catalog or (flat_catalog_of if tables else catalog_of)(streams)
    selections = selection(chosen, "catalog", line_tables=tables)
    bookmarks = State(dict(state or {}), "state", dates.to_ms_of(clock.now()))
    with Client(settings, clock) as client:
        tap = Sync(client, settings, bookmarks, Writer(sink or kept), clock.now, stopped)
        try:
            tap.run(selections)
        except TapError as error:
            return Output(kept.getvalue(), tap.outcomes, error)
    return Output(kept.getvalue(), tap.outcomes)


def tap(*arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:  # noqa: ANN401
    """Run `tap-xero` with these arguments as a command of its own."""
    command = [sys.executable, "-m", "tap_xero", *arguments]
    root = Path(__file__).parent.parent.parent
    environment = os.environ | {"PYTHONPATH": str(root)} | options.pop("env", {})
    return subprocess.run(
        command, capture_output=True, check=False, timeout=120, env=environment, **options
    )
