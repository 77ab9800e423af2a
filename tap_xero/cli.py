"""The command line: arguments, wiring, exit codes.

Exit codes: 0 every selected stream is complete; 1 something failed, with one CRITICAL line that
names it; 130 or 143 when interrupted. Imports stand in the functions that need them, so that
`--version` and `--discover` do not load what only a sync uses.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from tap_xero import __version__
from tap_xero.errors import InputError, OutputError, TapError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_xero.clock import Clock
    from tap_xero.commands.signals import StopSign
    from tap_xero.config import Config
    from tap_xero.discover import Selection
    from tap_xero.state import State
    from tap_xero.sync import StreamRun

LOGGER = logging.getLogger(__name__)

# Of the address to which Xero sends the browser back; the user enters it in the Xero app.
PORT = 8484


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tap with these arguments (the process's own if None) and return its exit code."""
    # Hardly anything here refers to itself in a circle; to look for such among the modules and
    # the rows of each page took a twentieth of a run.
    gc.set_threshold(100_000)
    _log_to_stderr()
    try:
        arguments = _parser().parse_args(argv)
        _set_up_logging(debug=arguments.debug)
        return _command(arguments)
    except KeyboardInterrupt:
        return 130
    except TapError as error:
        LOGGER.debug("raised", exc_info=True)
        LOGGER.critical("%s", error)
    except Exception as error:
        LOGGER.debug("raised", exc_info=True)
        LOGGER.critical(
            "a fault in the tap itself (%s: %s): please report it, with the output of --debug",
            type(error).__name__,
            error,
        )
    return 1


class _Parser(argparse.ArgumentParser):
    """A parser to which a wrong argument is bad input like any other."""

    def error(self, message: str) -> NoReturn:
        """Raise InputError."""
        raise InputError(f"{message}; see tap-xero --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="tap-xero",
        description="Singer tap for the Xero Accounting API. Without another command it syncs: "
        "Singer messages to stdout, its log to stderr.",
    )
    add = parser.add_argument
    add("-c", "--config", action="append", default=[], metavar="FILE", help="config file; ENV for "
        "TAP_XERO_… variables; of several the later wins")  # fmt: skip
    catalogs = parser.add_mutually_exclusive_group()
    add = catalogs.add_argument
    add("--catalog", metavar="FILE", help="what to sync; without it, the default streams")
    add("-p", "--properties", metavar="FILE", help="the same, by its older name", dest="catalog")
    add = parser.add_argument
    add("-s", "--state", metavar="FILE", help="state of the last run")
    commands = parser.add_mutually_exclusive_group()
    add = commands.add_argument
    add("--authorize", action="store_true", help="log in to Xero and keep the tokens in the config")
    add("--check", action="store_true", help="say what a sync would read, and what it may not")
    add("-d", "--discover", action="store_true", help="print the catalog; no call to Xero")
    add("--about", action="store_true", help="print settings and streams")
    add("--version", action="version", version=f"tap-xero {__version__}")
    add = parser.add_argument
    add("--demo", action="store_true", help="use a demo Xero inside this process; no account")
    add("--format", choices=["text", "json"], default="text", help="of --about and --check")
    add("--no-browser", action="store_true", help="with --authorize: paste the answer instead")
    add("--port", type=int, default=PORT, help=f"with --authorize: of the redirect address "
        f"http://localhost:PORT/callback (default {PORT})")  # fmt: skip
    add("--debug", action="store_true", help="log every call, and tracebacks")
    return parser


def _log_to_stderr() -> None:
    """Log as singer-python does."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", force=True)


def _set_up_logging(*, debug: bool) -> None:
    """Log as the file LOGGING_CONF_FILE says, and of everything if `debug`."""
    path = os.environ.get("LOGGING_CONF_FILE")
    if path:
        from logging.config import fileConfig

        try:
            fileConfig(path, disable_existing_loggers=False)
        except Exception as error:
            _log_to_stderr()
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise InputError(f"LOGGING_CONF_FILE: {path} cannot be used ({reason})") from error
    if debug:
        logging.getLogger().setLevel(logging.DEBUG)


def _command(arguments: argparse.Namespace) -> int:
    if arguments.about:
        from tap_xero.commands import about

        return _print(about.as_json() if arguments.format == "json" else about.as_text())
    if arguments.discover:
        from tap_xero import discover

        line_tables = bool(arguments.config) and _load_config(arguments.config).line_tables
        return _print(discover.as_json(line_tables=line_tables))
    if arguments.authorize and arguments.demo:
        raise InputError("--demo is logged in already: leave out --authorize")
    with _config_files(arguments) as config_files:
        config = _load_config(config_files)
        if arguments.demo:
            config = replace(
                config,
                access_token=None,
                token_file=None,
                organization_name=None,
                xero_user_id=None,
            )
        if arguments.authorize:
            return _authorize(arguments, config, config_files)
        if arguments.check:
            return _check(arguments, config)
        return _sync(arguments, config)


def _print(text: str) -> int:
    from tap_xero.output.writer import Writer, stdout

    Writer(stdout()).lines(text.encode())
    return 0


@contextmanager
def _config_files(arguments: argparse.Namespace) -> Iterator[list[str]]:
    """Yield the config files to read; with --demo, around them those for a demo Xero that serves.

    The user's own login does not reach it, and is not touched.
    """
    if not arguments.demo:
        yield arguments.config
        return
    import json
    import tempfile

    from tap_xero.demo import DemoXero

    with DemoXero() as xero, tempfile.TemporaryDirectory() as folder:
        login = xero.config()
        settings = {"start_date": login.pop("start_date"), "calls_per_minute": 6000}
        files = {"settings.json": settings, "login.json": login}
        for name, content in files.items():
            Path(folder, name).write_text(json.dumps(content))
        before, after = (str(Path(folder, name)) for name in files)
        yield [before, *arguments.config, after]


def _load_config(config_files: Sequence[str]) -> Config:
    from tap_xero.config import load_config

    if not config_files:
        raise InputError("no config: give one with --config FILE, or try --demo")
    return load_config(config_files, os.environ, datetime.now(timezone.utc))


def _authorize(arguments: argparse.Namespace, config: Config, config_files: Sequence[str]) -> int:
    from tap_xero.clock import Clock
    from tap_xero.commands import authorize, live_display

    if not arguments.debug:
        live_display.hide_metrics()
    clock = Clock()
    authorized = authorize.authorize(
        config,
        _scopes(_selections(arguments.catalog, config)),
        clock,
        port=arguments.port,
        browser=not arguments.no_browser,
    )
    authorize.verify(authorized, clock)
    authorize.tell_next(config_files)
    return 0


def _check(arguments: argparse.Namespace, config: Config) -> int:
    from tap_xero.client import Client
    from tap_xero.clock import Clock
    from tap_xero.commands import live_display
    from tap_xero.commands.check import run_check

    if not arguments.debug:
        live_display.hide_metrics()
    selections = _selections(arguments.catalog, config)
    clock = Clock()
    state = _state(arguments.state, clock)
    with Client(config, clock, _scopes(selections)) as client:
        as_json = arguments.format == "json"
        state.cover(selections, config, client.auth.tenant_id())
        run_check(client, config, state, selections, _print, as_json=as_json)
    return 0


def _sync(arguments: argparse.Namespace, config: Config) -> int:
    from tap_xero.commands import live_display
    from tap_xero.commands.signals import StopSign

    selections = _selections(arguments.catalog, config)
    watched = not arguments.debug and live_display.is_wanted(os.environ)
    stop = StopSign()
    gc.freeze()
    with stop.listening():
        try:
            _run_sync(config, selections, arguments.state, stop, watched=watched)
        except OutputError:
            # Ctrl-C and systemd reach a whole pipeline, and the target may be the first to go.
            if not stop():
                raise
            LOGGER.warning("stopped by a signal, and so was the program that reads stdout")
            return stop.exit_code
    if stop():
        LOGGER.warning("stopped by a signal; the last STATE covers all that was written")
        return stop.exit_code
    return 0


def _selections(catalog_file: str | None, config: Config) -> list[Selection]:
    from tap_xero.config import read_object
    from tap_xero.discover import default_selection, selection

    if catalog_file is None:
        return default_selection(line_tables=config.line_tables)
    chosen = read_object(catalog_file)
    return selection(chosen, catalog_file, line_tables=config.line_tables)


def _scopes(selections: Sequence[Selection]) -> str:
    from tap_xero.streams.stream import scopes_of

    return scopes_of(selection.stream for selection in selections)


def _state(state_file: str | None, clock: Clock) -> State:
    from tap_xero import dates
    from tap_xero.config import read_object
    from tap_xero.state import State

    value = {} if state_file is None else read_object(state_file)
    return State(value, state_file or "state", dates.to_ms_of(clock.now()))


def _run_sync(
    config: Config,
    selections: Sequence[Selection],
    state_file: str | None,
    stop: StopSign,
    *,
    watched: bool,
) -> None:
    from tap_xero.client import Client
    from tap_xero.clock import Clock
    from tap_xero.commands import live_display, summary
    from tap_xero.output.writer import Writer, stdout
    from tap_xero.sync import Sync

    clock = Clock()
    began = clock.monotonic()
    state = _state(state_file, clock)
    if watched:
        live_display.hide_metrics()
    with Client(config, clock, _scopes(selections)) as client:
        log_page = _say_nothing if watched else summary.log_page
        sync = Sync(client, config, state, Writer(stdout()), clock.now, stop, log_page)
        display = live_display.live(sync.runs, client, clock.now) if watched else nullcontext()
        try:
            with display:
                sync.run(selections)
        finally:
            figures = summary.summary(sync.runs, state, client.usage, clock.monotonic() - began)
            if watched:
                live_display.show_summary(figures)
            else:
                summary.log_summary(figures, failed=bool(summary.failures(sync.runs)))
    if not stop():
        summary.raise_for_failures(sync.runs)


def _say_nothing(_: StreamRun, __: int) -> None:
    """Stand for the log line of a page where the page shows anyway."""
