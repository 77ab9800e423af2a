"""The command line: arguments, which command runs, exit codes.

Exit codes: 0 every selected stream is complete; 1 something failed, with one CRITICAL line that
names it; 130 or 143 when interrupted. Each command is imported only when it runs, so `--version`
and `--discover` do not load what only a sync uses.
"""

from __future__ import annotations

import argparse
import gc
import logging
from typing import TYPE_CHECKING, NoReturn

import singer  # noqa: F401 - it sets logging up when it is imported, so it comes first

from tap_xero import __version__
from tap_xero.commands import log_setup
from tap_xero.errors import InputError, TapError

if TYPE_CHECKING:
    from collections.abc import Sequence

LOGGER = logging.getLogger(__name__)

# Part of the redirect address, which the user enters in the Xero app.
PORT = 8484

_OTHER_COMMANDS = ("about", "authorize", "check", "discover", "list_organisations")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tap with these arguments (the process's own if None) and return its exit code."""
    # The tap creates almost no reference cycles; with the default threshold the search for them
    # cost 5 % of a run.
    gc.set_threshold(100_000)
    log_setup.log_to_stderr()
    try:
        arguments = _parser().parse_args(argv)
        is_sync = not any(getattr(arguments, name) for name in _OTHER_COMMANDS)
        log_setup.set_up(debug=arguments.debug, metrics=arguments.metrics, is_sync=is_sync)
        return _command(arguments)
    except KeyboardInterrupt:
        LOGGER.warning("stopped by Ctrl-C")
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
    """A parser that reports a wrong argument as bad input."""

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
    add("--check", "--test", action="store_true",
        help="say what a sync would read, and what it may not")  # fmt: skip
    add("--list-organisations", action="store_true",
        help="print the organisations that the login reaches; one call")  # fmt: skip
    add("-d", "--discover", action="store_true", help="print the catalog; no call to Xero")
    add("--about", action="store_true", help="print settings and streams")
    add("--version", action="version", version=f"tap-xero {__version__}")
    add = parser.add_argument
    add("--demo", action="store_true", help="use a demo Xero inside this process; no account")
    add("--select", metavar="STREAMS", help="with --discover: the streams to select, such as "
        "invoices,contacts, or '*' for all")  # fmt: skip
    add("--format", choices=["text", "json", "markdown"], default="text",
        help="of --about, --check and --list-organisations (markdown: of --about)")  # fmt: skip
    add("--no-browser", action="store_true", help="with --authorize: paste the answer instead")
    add("--port", type=int, default=PORT, help=f"with --authorize: of the redirect address "
        f"http://localhost:PORT/callback (default {PORT})")  # fmt: skip
    add("--metrics", action=argparse.BooleanOptionalAction, help="log METRIC lines or not; without "
        "either, a sync logs them unless stderr is a terminal")  # fmt: skip
    add("--debug", action="store_true", help="log every call, and tracebacks")
    return parser


def _check_arguments(arguments: argparse.Namespace) -> None:
    """Raise InputError for arguments that do not belong together."""
    if arguments.authorize and arguments.demo:
        raise InputError("--demo is logged in already: leave out --authorize")
    if arguments.select is not None and not arguments.discover:
        raise InputError("--select goes with --discover, which prints a catalog for --catalog")
    if arguments.format == "markdown" and not arguments.about:
        raise InputError("--format markdown goes with --about")


def _names(text: str | None) -> list[str] | None:
    """Return the names in a list such as "invoices, contacts"; None if there is no list."""
    if text is None:
        return None
    return [name for part in text.split(",") if (name := part.strip())]


def _command(arguments: argparse.Namespace) -> int:
    _check_arguments(arguments)
    if arguments.about:
        from tap_xero.commands import about

        return about.run(arguments.format)
    return _with_inputs(arguments)


def _with_inputs(arguments: argparse.Namespace) -> int:
    from tap_xero.commands.inputs import Inputs

    inputs = Inputs(
        tuple(arguments.config), arguments.catalog, arguments.state, is_demo=arguments.demo
    )
    if arguments.discover:
        from tap_xero.commands import discover_command

        return discover_command.run(inputs, _names(arguments.select))
    if arguments.authorize:
        from tap_xero.commands import authorize

        return authorize.run(inputs, port=arguments.port, browser=not arguments.no_browser)
    if arguments.list_organisations:
        from tap_xero.commands import list_organisations

        return list_organisations.run(inputs, as_json=arguments.format == "json")
    if arguments.check:
        from tap_xero.commands import check

        return check.run(inputs, as_json=arguments.format == "json")
    from tap_xero.commands import sync_command

    return sync_command.run(inputs, debug=arguments.debug)
