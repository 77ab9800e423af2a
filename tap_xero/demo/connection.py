"""HTTP/1.1 on one socket, by hand: only so can an answer be cut, trickled or reset on purpose."""

from __future__ import annotations

import socket
import struct
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_xero.demo.calls import Reply

_LARGE = 65_536


class Request(NamedTuple):
    """A request as read: header names in lower case; of a repeated parameter the last counts."""

    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        """Read the body as a form."""
        return dict(parse_qsl(self.body.decode()))


class Connection:
    """One client's socket."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = sock
        self._buffer = b""

    def read(self) -> Request | None:
        """Read the next request; None when the client has gone.  OSError when it broke off."""
        while b"\r\n\r\n" not in self._buffer:
            if not self._fill():
                return None
        head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ", 2)
        fields = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in fields}
        length = int(headers.get("content-length", 0))
        while len(self._buffer) < length:
            if not self._fill():
                return None
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        parts = urlsplit(target)
        params = dict(parse_qsl(parts.query, keep_blank_values=True))
        return Request(method, unquote(parts.path), params, headers, body)

    def _fill(self) -> bool:
        received = self._socket.recv(_LARGE)
        self._buffer += received
        return bool(received)

    def write(self, reply: Reply, *, finished: Callable[[], None] = lambda: None) -> None:
        """Write an answer; `finished` is called just before the client can have all of it."""
        head = head_of(reply, length=len(reply.body))
        if len(reply.body) < _LARGE:
            finished()
            self._socket.sendall(head + reply.body)
            return
        body = memoryview(reply.body)
        self._socket.sendall(head)
        self._socket.sendall(body[:-1])
        finished()
        self._socket.sendall(body[-1:])

    def write_cut(self, reply: Reply, after: int) -> None:
        """Promise the whole body, send a part and close."""
        self._socket.sendall(head_of(reply, length=len(reply.body)) + reply.body[:after])
        self.close()

    def write_cut_chunked(self, reply: Reply, after: int) -> None:
        """Send a part of a chunk and close."""
        chunk = b"%x\r\n" % len(reply.body) + reply.body[:after]
        self._socket.sendall(head_of(reply, length=None) + chunk)
        self.close()

    def write_slowly(self, reply: Reply, wait: Callable[[], bool]) -> None:
        """Send the head at once and the body byte by byte, until done or `wait` says to stop."""
        self._socket.sendall(head_of(reply, length=len(reply.body)))
        for at in range(len(reply.body)):
            self._socket.sendall(reply.body[at : at + 1])
            if wait():
                return

    def write_then_reset(self, reply: Reply, after: int) -> None:
        """Send a part of the answer (none of it for 0) and reset the connection."""
        if after:
            whole = head_of(reply, length=len(reply.body)) + reply.body
            self._socket.sendall(whole[:after])
        self.reset()

    def reset(self) -> None:
        """Close with RST, as a peer that has died."""
        linger = struct.pack("ii", 1, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._socket.close()

    def close(self) -> None:
        """Close in order."""
        self._socket.close()


def head_of(reply: Reply, *, length: int | None) -> bytes:
    """Write status line and headers; with no length the body comes in chunks."""
    lines = [f"HTTP/1.1 {reply.status} {_phrase(reply.status)}"]
    lines += [f"{name}: {value}" for name, value in reply.headers.items()]
    lines.append("Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
