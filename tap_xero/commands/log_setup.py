"""Logging: lines on stderr with the level and the time (UTC) in front.

Singer's METRIC lines have no time: singer-python's own parser (`singer.metrics.parse`) takes a line
only if it begins with `INFO METRIC: `. They are for programs, so a terminal does not show them.
"""

from __future__ import annotations

import logging
import os
import time
from logging.config import fileConfig

from tap_xero.errors import InputError

_LINE = "%(levelname)s %(asctime)s %(message)s"
_TIME = "%Y-%m-%dT%H:%M:%SZ"


class _Formatter(logging.Formatter):
    """Formats a line; a METRIC line as singer-python does."""

    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__(_LINE, _TIME)
        self._metric = logging.Formatter("%(levelname)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return self._metric.format(record) if _is_metric(record) else super().format(record)


def log_to_stderr() -> None:
    """Log to stderr from the level INFO on, whatever was set up before."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def set_up(*, debug: bool, metrics: bool | None, is_sync: bool) -> None:
    """Set up logging as the file LOGGING_CONF_FILE says, or to stderr without that file.

    With `debug`, log everything. `metrics` says whether METRIC lines are logged; None stands for
    yes with `debug` or in a sync whose log is not read on a terminal. Raises InputError if the file
    cannot be used.
    """
    import singer  # noqa: F401 - its import sets up logging, so it must come before ours

    log_to_stderr()
    path = os.environ.get("LOGGING_CONF_FILE")
    if path:
        _use_file(path)
    if debug:
        logging.getLogger().setLevel(logging.DEBUG)
    if metrics is None:
        metrics = debug or (is_sync and bool(path or not os.isatty(2)))
    if not metrics:
        for handler in logging.getLogger().handlers:
            handler.addFilter(lambda record: not _is_metric(record))


def _use_file(path: str) -> None:
    try:
        fileConfig(path, disable_existing_loggers=False)
    except Exception as error:
        log_to_stderr()
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"LOGGING_CONF_FILE: {path} cannot be used ({reason})") from error


def _is_metric(record: logging.LogRecord) -> bool:
    return str(record.msg).startswith("METRIC")
