"""Write an answer that has been made, but not as it should be: what the faults do on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_xero.demo.calls import Reply

if TYPE_CHECKING:
    import threading

    from tap_xero.demo.connection import Connection
    from tap_xero.demo.faults import Fault

TEXT = {"Content-Type": "text/html; charset=utf-8"}


def spoil(connection: Connection, reply: Reply, fault: Fault, closing: threading.Event) -> None:
    """Write an answer as the fault says; a slow one ends early when the demo closes."""
    after = int(fault.number)
    if fault.kind == "reset_within":
        connection.write_then_reset(reply, after)
    elif fault.kind == "cut":
        connection.write_cut(reply, after)
    elif fault.kind == "cut_chunked":
        connection.write_cut_chunked(reply, after)
    elif fault.kind == "trickle":
        connection.write_slowly(reply, lambda: closing.wait(1 / fault.number))
    else:
        connection.write(_misshape(reply, fault))


def _misshape(reply: Reply, fault: Fault) -> Reply:
    if fault.kind == "broken_json":
        return Reply(reply.status, reply.headers, reply.body[: len(reply.body) // 2])
    if fault.kind == "wrong_content_type":
        return Reply(reply.status, {**reply.headers, **TEXT}, reply.body)
    if fault.kind == "bad_gzip":
        return Reply(reply.status, {**reply.headers, "Content-Encoding": "gzip"}, reply.body)
    if fault.kind == "bad_utf8":
        return Reply(
            reply.status,
            reply.headers,
            reply.body.replace(b'ID": "', b'ID": "\xff\xfe', 1).replace(
                b'ID":"', b'ID":"\xff\xfe', 1
            ),
        )
    raise ValueError(f"no such fault: {fault.kind}")
