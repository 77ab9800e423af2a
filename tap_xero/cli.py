"""The command line: arguments, wiring, exit codes.

Exit codes: 0 every selected stream is complete; 1 something failed, with one CRITICAL line that
names it; 130 or 143 when interrupted. Imports stand in the functions that need them, so that
`--version` and `--discover` do not load what only a sync uses.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from tap_xero import __version__
from tap_xero.errors import InputError, TapError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_xero.config import Config
    from tap_xero.discover import Selection
    from tap_xero.interrupts import StopSign

LOGGER = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tap with these arguments (the process's own if None) and return its exit code."""
    arguments = _parser().parse_args(argv)
    _set_up_logging(debug=arguments.debug)
    try:
        return _command(arguments)
    except KeyboardInterrupt:
        return 130
    except TapError as error:
        LOGGER.critical("%s", error, exc_info=arguments.debug)
    except Exception as error:  # noqa: BLE001 - the last resort: one line, no traceback
        LOGGER.critical(
            "a fault in the tap itself (%s: %s): please report it, with the output of --debug",
            type(error).__name__,
            error,
            exc_info=arguments.debug,
        )
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tap-xero",
        description="Singer tap for the Xero Accounting API. Without another command it syncs: "
        "Singer messages to stdout, its log to stderr.",
    )
    add = parser.add_argument
    add("-c", "--config", action="append", default=[], metavar="FILE", help="config file; ENV for "
        "TAP_XERO_… variables; of several the later wins")  # fmt: skip
    add("--catalog", metavar="FILE", help="what to sync; without it, the default streams")
    add("-p", "--properties", metavar="FILE", help="the same, by its older name")
    add("-s", "--state", metavar="FILE", help="state of the last run")
    commands = parser.add_mutually_exclusive_group()
    add = commands.add_argument
    add("-d", "--discover", action="store_true", help="print the catalog; no call to Xero")
    add("--about", action="store_true", help="print settings and streams")
    add("--version", action="version", version=f"tap-xero {__version__}")
    add = parser.add_argument
    add("--demo", action="store_true", help="use a demo Xero inside this process; no account")
    add("--format", choices=["text", "json"], default="text", help="of --about")
    add("--debug", action="store_true", help="log every call, and tracebacks")
    return parser


def _set_up_logging(*, debug: bool) -> None:
    from singer import get_logger

    get_logger()  # reads LOGGING_CONF_FILE, or logs to stderr
    if debug:
        logging.getLogger().setLevel(logging.DEBUG)


def _command(arguments: argparse.Namespace) -> int:
    if arguments.about:
        from tap_xero import about

        return _print(about.as_json() if arguments.format == "json" else about.as_text())
    if arguments.discover:
        import json

        from tap_xero.discover import catalog

        return _print(json.dumps(catalog(), indent=2) + "\n")
    if arguments.demo:
        return _sync_demo(arguments)
    return _sync(arguments, arguments.config)


def _print(text: str) -> int:
    from tap_xero.writer import Writer, stdout

    Writer(stdout()).lines(text.encode())
    return 0


def _sync_demo(arguments: argparse.Namespace) -> int:
    import json

    from tap_xero.demo import DemoXero

    with DemoXero() as xero, tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "config.json")
        config.write_text(json.dumps(xero.config(calls_per_minute=6000)))
        return _sync(arguments, [str(config), *arguments.config])


def _sync(arguments: argparse.Namespace, config_files: Sequence[str]) -> int:
    from tap_xero.config import load_config
    from tap_xero.interrupts import StopSign

    if not config_files:
        raise InputError("no config: give one with --config FILE, or try --demo")
    config = load_config(config_files, os.environ, datetime.now(timezone.utc))
    selections = _selections(arguments.catalog or arguments.properties)
    stop = StopSign()
    with stop.listening():
        _run_sync(config, selections, arguments.state, stop)
    return stop.exit_code if stop() else 0


def _selections(catalog_file: str | None) -> list[Selection]:
    from tap_xero.config import read_object
    from tap_xero.discover import default_selection, selection

    if catalog_file is None:
        return default_selection()
    return selection(read_object(catalog_file), catalog_file)


def _run_sync(
    config: Config, selections: Sequence[Selection], state_file: str | None, stop: StopSign
) -> None:
    from tap_xero import dates, report
    from tap_xero.client import Client
    from tap_xero.clock import Clock
    from tap_xero.config import read_object
    from tap_xero.state import State
    from tap_xero.streams import default_scopes
    from tap_xero.sync import Sync
    from tap_xero.writer import Writer, stdout

    clock = Clock()
    began = clock.monotonic()
    value = read_object(state_file) if state_file else {}
    state = State(value, state_file or "state", dates.to_ms_of(clock.now()))
    with Client(config, clock, default_scopes()) as client:
        sync = Sync(client, config, state, Writer(stdout()), clock.now, stop, report.log_page)
        try:
            sync.run(selections)
        finally:
            report.log_summary(sync.runs, state, client.usage, clock.monotonic() - began)
    if not stop():
        report.raise_for_failures(sync.runs)
