"""A server that answers with raw bytes, for faults that no HTTP library would send."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator


class Wire:
    """Accepts connections on loopback; `handle` gets each socket and the request's bytes.

    `requests` are the requests so far. `stopped` is set when the test is over, for handlers that
    wait.
    """

    def __init__(
        self, handle: Callable[[Wire, socket.socket], None], tls: ssl.SSLContext | None
    ) -> None:
        self.requests: list[bytes] = []
        self.stopped = threading.Event()
        self._handle = handle
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Stop accepting; handlers that wait go on."""
        self.stopped.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with contextlib.suppress(OSError), self._secured(plain) as sock:
            while request := read_request(sock):
                self.requests.append(request)
                self._handle(self, sock)

    def _secured(self, sock: socket.socket) -> socket.socket:
        return self._tls.wrap_socket(sock, server_side=True) if self._tls else sock


def read_request(sock: socket.socket) -> bytes:
    """Read the head of a request without a body; empty when the client has gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(65536)
        if not more:
            return b""
        data += more
    return data


@contextlib.contextmanager
def serving(*answers: bytes) -> Iterator[Wire]:
    """Serve these answers in turn, then the last for ever; the connection closes after each."""

    def handle(wire: Wire, sock: socket.socket) -> None:
        answer = answers[min(len(wire.requests), len(answers)) - 1]
        if answer.startswith(b"HTTP/1.1 "):  # else the client may send on it before it is closed
            answer = answer.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
        sock.sendall(answer)
        sock.shutdown(socket.SHUT_RDWR)
        sock.close()  # else a request that was quicker than the shutdown would count

    with handling(handle) as wire:
        yield wire


@contextlib.contextmanager
def handling(
    handle: Callable[[Wire, socket.socket], None], tls: ssl.SSLContext | None = None
) -> Iterator[Wire]:
    """Serve with a handler of one's own."""
    wire = Wire(handle, tls)
    try:
        yield wire
    finally:
        wire.close()


def trickling(head: bytes, drip: bytes, every: float) -> Callable[[Wire, socket.socket], None]:
    """Send `head`, then `drip` `every` seconds for ever."""

    def handle(wire: Wire, sock: socket.socket) -> None:
        sock.sendall(head)
        while not wire.stopped.wait(every):
            sock.sendall(drip)

    return handle
