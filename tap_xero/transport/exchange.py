"""One HTTP exchange: send a request and read the whole answer.

Sessions of `requests` are not promised to be safe for several threads. So each exchange borrows a
session and gives it back, and there are at most as many sessions as calls in flight. The request
goes straight to the session's adapter. The adapter follows no redirect and keeps no cookie, so a
token never reaches another host. Proxies and CA bundles come from the environment as usual, but
calls to this machine use no proxy.

The body is read in one piece and unpacked by one call of zlib. For a page of 3 MB this takes half
to three quarters of the CPU of `response.content`.
"""

from __future__ import annotations

import contextlib
import logging
import re
import zlib
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit

import requests
import requests.exceptions
import requests.utils
import urllib3.exceptions

from tap_xero.errors import UnreachableError
from tap_xero.transport.connection_errors import failure, no_address, too_slow
from tap_xero.transport.deadlines import DeadlineAdapter
from tap_xero.transport.retries import TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from requests.auth import AuthBase

    from tap_xero.clock import Clock

LOGGER = logging.getLogger(__name__)

# Connecting is quick or does not happen; an answer may take minutes (Xero, large pages).
CONNECT_SECONDS = 30.0
GZIP = 16 + zlib.MAX_WBITS
# An answer that unpacks to more than this is no answer of Xero's: a page is some 3 MB.
MOST_UNPACKED = 1 << 29


@dataclass(frozen=True)
class Request:
    """What to send; `form` makes it a POST. Nothing in `url` or `params` may be secret."""

    url: str
    auth: AuthBase | Callable[[requests.PreparedRequest], requests.PreparedRequest]
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Reply:
    """A whole answer. `size` is the bytes of the body on the wire, before unpacking."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    size: int


class Transport:
    """Sends requests, from several threads at once; holds the sessions."""

    def __init__(self, user_agent: str, clock: Clock) -> None:
        self._user_agent = user_agent
        self._clock = clock
        self._idle: deque[requests.Session] = deque()

    def send(self, request: Request, timeout: float) -> Reply:
        """Return the answer to `request`, whatever its status, within `timeout` seconds.

        Raises TransientError when there is none, or it is cut or broken, and UnreachableError
        where trying again cannot help: a certificate that is not trusted or of another time, a
        CA bundle that is none, a proxy that is no address or refuses.
        """
        with self._session() as session:
            prepared = _prepared(session, request)
            started = self._clock.monotonic()
            reply = _exchange(session, prepared, timeout)
        LOGGER.debug(
            "%s %s: %d in %.2f s, %d bytes",
            prepared.method,
            prepared.url,
            reply.status,
            self._clock.monotonic() - started,
            reply.size,
        )
        return reply

    def close(self) -> None:
        """Close all connections that are not in use."""
        while self._idle:
            self._idle.pop().close()

    @contextlib.contextmanager
    def _session(self) -> Iterator[requests.Session]:
        try:
            session = self._idle.pop()
        except IndexError:
            session = self._new_session()
        try:
            yield session
        finally:
            self._idle.append(session)

    def _new_session(self) -> requests.Session:
        session = requests.Session()
        session.headers.update(
            {
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
                "User-Agent": self._user_agent,
            }
        )
        adapter = DeadlineAdapter()
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        return session


def _prepared(session: requests.Session, request: Request) -> requests.PreparedRequest:
    query = f"?{urlencode(request.params, quote_via=quote)}" if request.params else ""
    plain = requests.Request(
        method="GET" if request.form is None else "POST",
        url=request.url + query,
        headers=dict(request.headers),
        data=request.form,
        auth=request.auth,
    )
    try:
        return session.prepare_request(plain)
    except requests.exceptions.InvalidURL:
        raise UnreachableError(f"{request.url} is not a valid address") from None


def _exchange(
    session: requests.Session, request: requests.PreparedRequest, timeout: float
) -> Reply:
    url = str(request.url)
    adapter = session.get_adapter(url)
    assert isinstance(adapter, DeadlineAdapter)  # noqa: S101
    settings = session.merge_environment_settings(url, {}, stream=True, verify=None, cert=None)
    bundle = settings["verify"] if isinstance(settings["verify"], str) else None
    proxies = {} if _is_here(url) else settings["proxies"]
    timeouts = (min(CONNECT_SECONDS, timeout), timeout)
    with adapter.deadline(timeout) as deadline:
        try:
            response = adapter.send(
                request, stream=True, timeout=timeouts, verify=bundle or True, proxies=proxies
            )
            packed = response.raw.read(decode_content=False)
        except (requests.exceptions.InvalidURL, UnicodeError):
            # The cause stays out of the traceback: it can hold the proxy's password.
            raise no_address(url, proxies) from None
        except (OSError, urllib3.exceptions.HTTPError) as error:
            if deadline.is_over:
                raise too_slow(timeout) from error
            raise failure(error, url, bundle, timeout) from error
    # A body without a length looks complete when its socket is shut down.
    if deadline.is_over:
        raise too_slow(timeout)
    body = _unpacked(packed, response.headers.get("Content-Encoding", ""))
    return Reply(response.status_code, response.headers, body, len(packed))


def _is_here(url: str) -> bool:
    """Say whether a call does not leave this machine."""
    return bool(re.fullmatch(r"localhost|127(\.\d+){3}|::1", urlsplit(url).hostname or ""))


def _unpacked(packed: bytes, encoding: str, most: int = MOST_UNPACKED) -> bytes:
    if not packed or encoding.lower() in ("", "identity"):
        return packed
    if encoding.lower() not in ("gzip", "x-gzip"):
        raise TransientError(f"the answer is packed as {encoding[:20]!r}, which was not asked for")
    unpacker = zlib.decompressobj(wbits=GZIP)
    try:
        body = unpacker.decompress(packed, most)
    except zlib.error:
        raise TransientError("the answer's gzip is broken or cut short") from None
    if unpacker.unconsumed_tail:
        raise TransientError(f"the answer unpacks to more than {most >> 20} MB")
    if not unpacker.eof:
        raise TransientError("the answer's gzip is broken or cut short")
    return body
