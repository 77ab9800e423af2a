"""Text for stdout, from commands that write no Singer messages."""

from __future__ import annotations

from tap_xero.output.writer import Writer, stdout


def print_text(text: str) -> None:
    """Write `text` to stdout. Raises OutputError if that fails, such as on a full disk."""
    Writer(stdout()).lines(text.encode())
