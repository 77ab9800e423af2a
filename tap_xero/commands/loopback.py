"""A web server on this machine that receives one answer: Xero sends the browser back to it.

Browsers open connections early and ask for icons. So each connection has its own thread, and the
server refuses every other request and continues to wait for the answer.
"""

from __future__ import annotations

import queue
import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from tap_xero.errors import AuthorizeError, InputError

if TYPE_CHECKING:
    from typing_extensions import Self

PATH = "/callback"
PATIENCE = 600.0  # seconds

_DONE = "Thank you. You can close this window and go back to the terminal."
_NOT_OURS = "This answer belongs to another login. Open the address that the terminal shows."


class Loopback:
    """A web server on `port` of the loopback interface (0: any free one), for one answer.

    The answer is the first request with the right `state`. Use as a context manager. Raises
    InputError when the port cannot be used.
    """

    def __init__(self, port: int, state: str) -> None:
        self._answers: queue.Queue[dict[str, list[str]]] = queue.Queue()
        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(state, self._answers))
        except (OSError, OverflowError) as error:
            raise InputError(
                f"port {port} of this machine cannot be used ({error}): name another with --port, "
                "and add its redirect address to the Xero app"
            ) from error

    @property
    def redirect_uri(self) -> str:
        """The redirect URI to send to Xero; the Xero app must list it."""
        return redirect_address(self._server.server_port)

    def wait(self, seconds: float = PATIENCE) -> dict[str, list[str]]:
        """Return the query of the answer. Raises AuthorizeError if none comes in time."""
        try:
            return self._answers.get(timeout=seconds)
        except queue.Empty:
            raise AuthorizeError(
                f"the browser sent no answer within {seconds / 60:.0f} minutes: run --authorize "
                "again, with --no-browser if the browser is on another machine"
            ) from None

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def redirect_address(port: int) -> str:
    """Return the redirect address; Xero allows http for `localhost`, but not for 127.0.0.1."""
    return f"http://localhost:{port}{PATH}"


def _handler(
    state: str, answers: queue.Queue[dict[str, list[str]]]
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10  # seconds for a browser to send its request

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            query = parse_qs(address.query)
            given = query.get("state", [""])[0]
            ours = secrets.compare_digest(given.encode(), state.encode())
            if address.path != PATH or not ours:
                self._say(404 if address.path != PATH else 400, _NOT_OURS)
                return
            self._say(200, _DONE)
            answers.put(query)

        def _say(self, status: int, text: str) -> None:
            body = f"<!doctype html><title>tap-xero</title><p>{text}</p>".encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Stay silent: the address holds the code."""

    return Handler
