"""SIGTERM, SIGINT and SIGHUP: the run ends at the next whole message, and within two seconds.

The handler only takes a note, so no line on stdout is ever cut by it; the sync looks at the note
between two writes and ends with a last STATE. Where that cannot come about, because whoever
reads stdout has stopped reading, a timer ends the process.
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
    """Whether the run was told to stop, and by which signal."""

    signal_number: int | None = None

    def __call__(self) -> bool:
        """Say whether to stop."""
        return self.signal_number is not None

    @property
    def exit_code(self) -> int:
        """The exit code of a process ended by that signal, such as 130 for SIGINT."""
        return 128 + (self.signal_number or 0)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take note of signals for the length of a `with` block.

        Those that whoever started the process has it ignore (`nohup`, a shell's `&`) stay so.
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
