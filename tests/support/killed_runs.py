"""Runs of the tap that are killed, and what a target keeps of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.run_tap import Output

ROOT = Path(__file__).parent.parent.parent


class KilledError(BaseException):
    """Stands for SIGKILL where the tap runs in this process."""


class Pipe:
    """Takes so many bytes and is then gone, with the process that wrote them."""

    def __init__(self, until: int) -> None:
        self.kept = bytearray()
        self._until = until

    def write(self, data: bytes | memoryview, /) -> int:
        """Take what still fits."""
        taken = data[: self._until - len(self.kept)]
        self.kept += taken
        if len(self.kept) >= self._until:
            raise KilledError
        return len(taken)


def killed(folder: Path, after: int) -> bytes:
    """Run the tap, kill it once it has written `after` bytes, and return all that came out."""
    with subprocess.Popen(
        command(folder), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout
        head = process.stdout.read(after)
        process.kill()
        return head + process.stdout.read()


def command(folder: Path) -> list[str]:
    """Return the command line of a sync."""
    options: list[Any] = ["--config", folder / "config.json", "--catalog", folder / "catalog.json"]
    return [sys.executable, "-m", "tap_xero", *map(str, options)]


def up_to_the_last_state(raw: bytes) -> Output:
    """Return what a target keeps that takes over nothing behind the last whole STATE."""
    lines = raw[: raw.rfind(b"\n") + 1].splitlines(keepends=True)
    states = [at for at, line in enumerate(lines) if line.startswith(b'{"type":"STATE"')]
    return Output(b"".join(lines[: states[-1] + 1] if states else []))
