"""A port of the loopback interface; each connection that it accepts is served by its own thread."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

from tap_xero.demo.connection import Connection

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_xero.demo.connection import Request


class Listener:
    """Reads requests from all clients and hands each one to `answer`, until `close()`.

    `closing` is set when the demo stops: whoever waits in an answer waits for it.
    """

    def __init__(self, answer: Callable[[Connection, Request], None], port: int) -> None:
        self.closing = threading.Event()
        self._answer = answer
        self._open: set[socket.socket] = set()
        self.listen(port)

    def listen(self, port: int) -> None:
        """Accept connections on a port; 0 for any that is free."""
        self._socket = socket.create_server(("127.0.0.1", port), backlog=128)
        self.port: int = self._socket.getsockname()[1]
        self._stopped = threading.Event()
        self._acceptor = threading.Thread(
            target=self._accept,
            args=(self._socket, self._stopped),
            daemon=True,
            name="demo-xero",
        )
        self._acceptor.start()

    def stop(self) -> None:
        """Refuse connections, and close those that are there; `listen` may follow."""
        self._stopped.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # This wakes accept() on Linux,
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port)).close()  # and this elsewhere.
        self._acceptor.join()
        self._socket.close()
        for sock in list(self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Stop for good."""
        self.closing.set()
        self.stop()

    def _accept(self, listener: socket.socket, stopped: threading.Event) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            if stopped.is_set():
                sock.close()
                return
            self._open.add(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        """Answer one client until it, or the demo, closes the connection."""
        connection = Connection(sock)
        try:
            while (request := connection.read()) is not None and not self.closing.is_set():
                self._answer(connection, request)
        except OSError:
            pass  # The client has gone, or a fault has closed the socket.
        finally:
            self._open.discard(sock)
            sock.close()
