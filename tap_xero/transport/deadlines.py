"""A bound on the time a whole answer may take.

The read timeout of `requests` starts anew with every byte, so a server that sends one byte a
minute, in the headers even, holds a call for ever. Here a timer shuts the socket down at the
deadline, which wakes whoever is blocked in reading it, with TLS or without. To reach the socket
in every phase (TLS takes it out of the object that connected it) each connection keeps a
duplicate of its file descriptor, made as soon as it is connected. An adapter serves one call at
a time, so cutting all its connections cuts that call. What is left to the system's own limits is
looking up the host's name.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Self
    from urllib3.poolmanager import PoolManager, ProxyManager


class Deadline:
    """Cuts the sockets given to it once its time is over. Use as a context manager."""

    def __init__(self, seconds: float, sockets: set[socket.socket]) -> None:
        self._sockets = sockets
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self.is_over = False

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _cut(self) -> None:
        self.is_over = True
        for sock in tuple(self._sockets):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


class DeadlineAdapter(HTTPAdapter):
    """An adapter whose connections can be cut; for one call at a time."""

    def __init__(self) -> None:
        self._sockets: set[socket.socket] = set()
        self._done: list[socket.socket] = []
        self._current: Deadline | None = None
        super().__init__(pool_connections=2, pool_maxsize=1)

    @contextlib.contextmanager
    def deadline(self, seconds: float) -> Iterator[Deadline]:
        """Cut whatever this adapter sends or reads inside the block after `seconds`."""
        with Deadline(seconds, self._sockets) as deadline:
            self._current = deadline
            try:
                yield deadline
            finally:
                self._current = None
                self._forget()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Make the pool manager, with pools of connections that can be cut."""
        super().init_poolmanager(*args, **kwargs)
        self._use_own_pools(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> ProxyManager:  # noqa: ANN401
        """Make or find the manager for `proxy`, with pools of connections that can be cut."""
        manager: ProxyManager = super().proxy_manager_for(proxy, **kwargs)
        self._use_own_pools(manager)
        return manager

    def _use_own_pools(self, manager: PoolManager) -> None:
        pools: Any = {
            "http": partial(_Pool, adapter=self),
            "https": partial(_TlsPool, adapter=self),
        }
        manager.pool_classes_by_scheme = pools

    def opened(self, sock: socket.socket) -> None:
        """Take note of a connection's socket; one that comes after the deadline is cut at once."""
        self._sockets.add(sock)
        if self._current and self._current.is_over:
            sock.shutdown(socket.SHUT_RDWR)

    def closed(self, sock: socket.socket) -> None:
        """Let go of a connection's socket.

        An answer whose length is not known closes its connection first and is read afterwards,
        so during a call the socket stays where it can be cut.
        """
        self._done.append(sock)
        if self._current is None:
            self._forget()

    def _forget(self) -> None:
        while self._done:
            sock = self._done.pop()
            self._sockets.discard(sock)
            sock.close()


class _Connection(HTTPConnection):
    """A connection that tells its adapter of its socket."""

    def __init__(self, *args: Any, adapter: DeadlineAdapter, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self._adapter = adapter
        self._duplicate: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        self._duplicate = sock.dup()
        self._adapter.opened(self._duplicate)
        return sock

    def close(self) -> None:
        super().close()
        if self._duplicate:
            self._adapter.closed(self._duplicate)
            self._duplicate = None


class _TlsConnection(_Connection, HTTPSConnection):
    """The same over TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection
