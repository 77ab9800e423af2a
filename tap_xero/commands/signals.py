"""SIGTERM, SIGINT and SIGHUP: the run ends after the current message, within two seconds.

The handler only stores the signal, so it never cuts a line on stdout. The sync checks for a signal
between two writes and ends with a last STATE. If the sync is blocked because the reader of stdout
has stopped reading, a timer ends the process.
"""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_PATIENCE = 1.7  # seconds


@dataclass
class StopSign:
    """The signal that asked the run to stop, or None."""

    signal_number: int | None = None

    def __call__(self) -> bool:
        """Return whether a signal has arrived."""
        return self.signal_number is not None

    @property
    def exit_code(self) -> int:
        """The exit code of a process ended by that signal, such as 130 for SIGINT."""
        return 128 + (self.signal_number or 0)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Store signals during a `with` block.

        Signals that the parent process set to ignore (`nohup`, a shell's `&`) stay ignored.
        """
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        heeded = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
        before = {number: signal.signal(number, self._note) for number in heeded}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self.signal_number is None:
            self.signal_number = number
            timer = threading.Timer(_PATIENCE, os._exit, (self.exit_code,))
            timer.daemon = True
            timer.start()
