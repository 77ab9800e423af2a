"""One HTTP exchange: send a request, read the whole answer, or say in words why that failed.

Sessions of `requests` are not promised to be safe for several threads, so each exchange borrows
one and gives it back; there are never more than calls in flight. The request goes straight to
the session's adapter, which follows no redirect and keeps no cookie, so a token never reaches
a host that was not asked for. Proxies and CA bundles come from the environment as usual, but no
proxy is asked for this machine itself.

The body is read in one piece and unpacked by one call of zlib: half to three quarters of the
CPU that `response.content` takes for a page of 3 MB.
"""

from __future__ import annotations

import contextlib
import http.client
import logging
import os
import re
import socket
import ssl
import zlib
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit

import requests
import requests.exceptions
import requests.utils
import urllib3.exceptions

from tap_xero.errors import UnreachableError
from tap_xero.transport.deadlines import DeadlineAdapter
from tap_xero.transport.retries import TIMEOUT, TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from requests.auth import AuthBase

    from tap_xero.clock import Clock

LOGGER = logging.getLogger(__name__)

# Connecting is quick or does not happen; an answer may take minutes (Xero, large pages).
CONNECT_SECONDS = 30.0
GZIP = 16 + zlib.MAX_WBITS
# Xero's JSON shrinks to a tenth or so; a good first guess spares growing the buffer.
USUAL_GAIN = 10
FORBIDDEN = 403
PROXY_LOGIN_REQUIRED = 407


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
            raise _no_address(url, proxies) from None
        except (OSError, urllib3.exceptions.HTTPError) as error:
            if deadline.is_over:
                raise _too_slow(timeout) from error
            raise _failure(error, url, bundle, timeout) from error
    # A body without a length looks complete when its socket is shut down.
    if deadline.is_over:
        raise _too_slow(timeout)
    body = _unpacked(packed, response.headers.get("Content-Encoding", ""))
    return Reply(response.status_code, response.headers, body, len(packed))


def _is_here(url: str) -> bool:
    """Say whether a call does not leave this machine."""
    return bool(re.fullmatch(r"localhost|127(\.\d+){3}|::1", urlsplit(url).hostname or ""))


def _no_address(url: str, proxies: Mapping[str, str]) -> UnreachableError:
    if requests.utils.select_proxy(url, dict(proxies)):
        reason = (
            "the proxy in HTTPS_PROXY is not a valid address; escape special characters in its "
            "password (%23 for #)"
        )
    else:
        reason = "the address is not valid; see api_url and identity_url"
    return UnreachableError(f"{urlsplit(url).netloc} cannot be called: {reason}")


def _too_slow(timeout: float) -> TransientError:
    return TransientError(f"no complete answer within {timeout:g} s", TIMEOUT, is_slow=True)


def _unpacked(packed: bytes, encoding: str) -> bytes:
    if not packed or encoding.lower() in ("", "identity"):
        return packed
    if encoding.lower() not in ("gzip", "x-gzip"):
        raise TransientError(f"the answer is packed as {encoding[:20]!r}, which was not asked for")
    try:
        return zlib.decompress(packed, wbits=GZIP, bufsize=USUAL_GAIN * len(packed))
    except zlib.error:
        raise TransientError("the answer's gzip is broken or cut short") from None


def _failure(
    error: Exception, url: str, bundle: str | None, timeout: float
) -> TransientError | UnreachableError:
    """Say why there is no answer. Texts of exceptions are not used: they can hold anything."""
    host = urlsplit(url).netloc
    causes = list(_chain(error))
    reason = _hopeless(causes, host, bundle)
    if reason:
        return UnreachableError(f"{host} cannot be called: {reason}")
    if type(error) is OSError and error.errno is None:  # how requests reports a missing CA bundle
        return UnreachableError(f"{host} cannot be called: {error}")
    if any(isinstance(cause, _READ_TIMEOUTS) for cause in causes):
        return _too_slow(timeout)
    by_proxy = any(isinstance(cause, urllib3.exceptions.ProxyError) for cause in causes)
    return TransientError(_passing(causes) + (" (of the proxy)" if by_proxy else ""))


def _hopeless(causes: Sequence[BaseException], host: str, bundle: str | None) -> str | None:
    """Return why another try would fail as well; None where it may not."""
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _OF_ANOTHER_TIME.get(cause.verify_code, _NOT_TRUSTED)
        if isinstance(cause, requests.exceptions.InvalidSchema):
            return "the kind of proxy in HTTPS_PROXY is not supported"
    status = _status_of_proxy(causes)
    if status == PROXY_LOGIN_REQUIRED:
        return "the proxy wants a login, or a different one (status 407): see HTTPS_PROXY"
    if status == FORBIDDEN:
        return f"the proxy does not allow {host} (status 403): see HTTPS_PROXY"
    if bundle and any(isinstance(cause, _TLS_ERRORS) for cause in causes):
        return _fault_of_bundle(bundle)
    return None


def _status_of_proxy(causes: Iterable[BaseException]) -> int | None:
    """Return the status with which a proxy answers CONNECT; http.client has it in words only."""
    for cause in causes:
        told = re.match(r"Tunnel connection failed: (\d{3})\b", str(cause))
        if told and type(cause) is OSError:
            return int(told[1])
    return None


def _fault_of_bundle(bundle: str) -> str | None:
    if Path(bundle).is_dir():
        return None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(bundle)
    except OSError:
        return f"the CA bundle {bundle} holds no certificate in PEM: correct REQUESTS_CA_BUNDLE"
    return None


def _passing(causes: Sequence[BaseException]) -> str:
    """Return why this try failed, where another may not."""
    status = _status_of_proxy(causes)
    if status:
        return f"status {status}"
    for kind, text in _PASSING:
        if any(isinstance(cause, kind) for cause in causes):
            return text
    numbers = [cause.errno for cause in causes if isinstance(cause, OSError) and cause.errno]
    reason = os.strerror(numbers[-1]) if numbers else type(causes[-1]).__name__
    return f"no answer ({reason})"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """`error` and everything it was made from, outermost first; urllib3 nests in several ways."""
    pending, seen = [error], set()
    while pending:
        cause = pending.pop()
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        inner = (cause.__context__, cause.__cause__, getattr(cause, "reason", None), *cause.args)
        pending.extend(item for item in inner if isinstance(item, BaseException))


_NOT_TRUSTED = "its TLS certificate is not trusted; for a proxy's own one set REQUESTS_CA_BUNDLE"
# By OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED.
_OF_ANOTHER_TIME = {
    9: "its TLS certificate is not yet valid: check this machine's clock",
    10: "its TLS certificate is expired: check this machine's clock",
}
_TLS_ERRORS = (ssl.SSLError, urllib3.exceptions.SSLError)
_READ_TIMEOUTS = (requests.exceptions.ReadTimeout, urllib3.exceptions.ReadTimeoutError)
_PASSING: tuple[tuple[type[Exception], str], ...] = (
    (socket.gaierror, "the host's name cannot be looked up"),
    (ConnectionRefusedError, "connection refused"),
    (TimeoutError, "no connection in time"),
    (http.client.RemoteDisconnected, "connection closed without an answer"),
    (ConnectionError, "connection reset"),
    (urllib3.exceptions.IncompleteRead, "answer cut short"),
    (http.client.IncompleteRead, "answer cut short"),
    (ssl.SSLError, "TLS connection broken"),
    (http.client.HTTPException, "not an HTTP answer"),
)
