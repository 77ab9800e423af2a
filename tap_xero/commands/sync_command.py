"""The sync as a command: what it needs is made here, and what a person sees of it."""

from __future__ import annotations

import gc
import logging
import os
from contextlib import nullcontext
from typing import TYPE_CHECKING

from tap_xero import __version__
from tap_xero.client import Client
from tap_xero.clock import Clock
from tap_xero.commands import live_display, summary
from tap_xero.commands.inputs import scopes
from tap_xero.commands.organisations_command import sync_organisations
from tap_xero.commands.signals import StopSign
from tap_xero.commands.words import count
from tap_xero.errors import InputError, OutputError
from tap_xero.output.writer import Writer, stdout
from tap_xero.sync import Sync

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_xero.commands.inputs import Inputs
    from tap_xero.config import Config
    from tap_xero.outcome import Outcome
    from tap_xero.selection import Selection

LOGGER = logging.getLogger(__name__)


def run(inputs: Inputs, *, debug: bool) -> int:
    """Sync, and return the exit code. Raises TapError if the sync is not complete."""
    if os.isatty(1):
        raise InputError(
            "a sync writes Singer messages to stdout: pipe them into a target, or into a file by "
            "adding > output.jsonl"
        )
    with inputs.config() as config:
        selections = inputs.selections(config)
        stop = StopSign()
        gc.freeze()
        with stop.listening():
            try:
                if config.tenant_ids:
                    _log_start(inputs, config, selections)
                    sync_organisations(inputs, config, selections, stop)
                else:
                    _sync(inputs, config, selections, stop, watched=_is_watched(debug=debug))
            except OutputError:
                # Ctrl-C and systemd reach a whole pipeline, and the target may end first.
                if not stop():
                    raise
                LOGGER.warning("stopped by a signal, and so was the program that reads stdout")
                return stop.exit_code
    if stop():
        LOGGER.warning("stopped by a signal; the next run reads again what no STATE covers")
        return stop.exit_code
    return 0


def _log_start(inputs: Inputs, config: Config, selections: Sequence[Selection]) -> None:
    organisation = config.organization_name or config.tenant_id
    LOGGER.info(
        "tap-xero %s starts: %s%s, %s",
        __version__,
        f"organisation {organisation}, " if organisation else "",
        count(len(selections), "stream"),
        inputs.described(),
    )


def _is_watched(*, debug: bool) -> bool:
    return not debug and live_display.is_wanted(os.environ)


def _sync(
    inputs: Inputs,
    config: Config,
    selections: Sequence[Selection],
    stop: StopSign,
    *,
    watched: bool,
) -> None:
    clock = Clock()
    began = clock.monotonic()
    state = inputs.state(clock, config)
    _log_start(inputs, config, selections)
    with Client(config, clock, scopes(selections)) as client:
        log_page = _no_log_line if watched else summary.log_page
        sync = Sync(client, config, state, Writer(stdout()), clock.now, stop, log_page)
        display = live_display.live(sync.outcomes, client, clock.now) if watched else nullcontext()
        failed = True
        try:
            with display:
                sync.run(selections)
            failed = bool(summary.failures(sync.outcomes))
        finally:
            figures = summary.summary(sync.outcomes, state, client.usage, clock.monotonic() - began)
            if watched:
                live_display.show_summary(figures)
            else:
                summary.log_summary(figures, failed=failed)
    if not stop():
        summary.raise_for_failures(sync.outcomes, inputs.how_to_get_scopes(config))


def _no_log_line(_: Outcome, __: int) -> None:
    """Log nothing for a page: the live display shows it."""
