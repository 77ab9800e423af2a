"""The only place that writes to stdout: whole Singer messages, one a line.

What a call is given, a message or all messages of a page together, is handed to the operating
system in one go and is complete or reported when the call returns. SIGTERM and SIGINT never cut
a line: the handler only takes a note, and whoever runs the sync looks at it between two writes.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from tap_xero.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ENCODER = msgspec.json.Encoder()


class Sink(Protocol):
    """What bytes are written to: an unbuffered binary file."""

    def write(self, data: bytes | memoryview, /) -> int | None:
        """Write some of `data` and return how many bytes."""


def stdout() -> Sink:
    """Return this process's stdout, unbuffered."""
    try:
        os.set_blocking(1, True)  # a parent may have left its end of the pipe non-blocking
        return os.fdopen(1, "wb", buffering=0, closefd=False)
    except OSError as error:
        raise OutputError(_reason(error)) from error


class PageWriter(Protocol):
    """What a sync writes with."""

    def schema(
        self,
        tap_stream_id: str,
        schema: Mapping[str, Any],
        key_properties: Sequence[str],
        replication_key: str | None,
    ) -> None:
        """Write a SCHEMA message."""

    def page(
        self, records: Sequence[bytes], state: Mapping[str, Any], activated: bytes = b""
    ) -> None:
        """Write a page, and the STATE that covers it."""


class Writer:
    """Writes Singer messages to `sink`. Each method raises OutputError when it cannot."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def schema(
        self,
        tap_stream_id: str,
        schema: Mapping[str, Any],
        key_properties: Sequence[str],
        replication_key: str | None,
    ) -> None:
        """Write a SCHEMA message."""
        message = {
            "type": "SCHEMA",
            "stream": tap_stream_id,
            "schema": schema,
            "key_properties": list(key_properties),
        }
        if replication_key:
            message["bookmark_properties"] = [replication_key]
        self.lines(_line(message))

    def page(
        self, records: Sequence[bytes], state: Mapping[str, Any], activated: bytes = b""
    ) -> None:
        """Write a page: its RECORD lines, `activated` if its version is complete, and the STATE.

        `records` are pieces of lines; joined here, the megabytes of a page are copied once.
        """
        self.lines(b"".join([*records, activated, state_line(state)]))

    def lines(self, data: bytes) -> None:
        """Write whole lines."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._sink.write(rest) or 0 :]
        except OSError as error:
            raise OutputError(_reason(error)) from error


def state_line(value: Mapping[str, Any]) -> bytes:
    """Return the STATE line which covers everything that was written before it."""
    return _line({"type": "STATE", "value": value})


def activate_version(tap_stream_id: str, version: int) -> bytes:
    """Return the ACTIVATE_VERSION line which says that rows of older versions are gone."""
    return _line({"type": "ACTIVATE_VERSION", "stream": tap_stream_id, "version": version})


def record_line(tap_stream_id: str, record: Mapping[str, Any], extracted: str) -> bytes:
    """Return the RECORD line of a record that the tap itself made, at the moment `extracted`."""
    return _line(
        {
            "type": "RECORD",
            "stream": tap_stream_id,
            "record": record,
            "time_extracted": extracted,
        }
    )


def _line(message: Mapping[str, Any]) -> bytes:
    return _ENCODER.encode(message) + b"\n"


def _reason(error: OSError) -> str:
    if error.errno == errno.EPIPE:
        return "stdout was closed by the program that reads it: its own log says why it ended"
    return f"stdout cannot be written: {os.strerror(error.errno or 0)}"
