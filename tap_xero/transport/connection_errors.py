"""Why there was no answer, in one line.

Exceptions of requests and urllib3 nest in several ways, and their texts can hold anything, such as
the password of a proxy. So the whole chain of causes is searched for exceptions that are known, and
only texts of our own are shown. Some causes pass with time (TransientError). Others do not: a
certificate that is not trusted, a CA bundle without certificates, a proxy that refuses
(UnreachableError).
"""

from __future__ import annotations

import http.client
import os
import re
import socket
import ssl
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests.exceptions
import requests.utils
import urllib3.exceptions

from tap_xero.errors import UnreachableError
from tap_xero.transport.retries import TIMEOUT, TransientError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


def no_address(url: str, proxies: Mapping[str, str]) -> UnreachableError:
    """Return the error for an address that is not valid: that of the call, or of its proxy."""
    if requests.utils.select_proxy(url, dict(proxies)):
        reason = (
            "the proxy in HTTPS_PROXY is not a valid address; escape special characters in its "
            "password (%23 for #)"
        )
    else:
        reason = "the address is not valid; see api_url and identity_url"
    return UnreachableError(f"{urlsplit(url).netloc} cannot be called: {reason}")


def too_slow(timeout: float) -> TransientError:
    """Return the error for an answer that was not complete within `timeout` seconds."""
    return TransientError(f"no complete answer within {timeout:g} s", TIMEOUT, is_slow=True)


def failure(
    error: Exception, url: str, bundle: str | None, timeout: float
) -> TransientError | UnreachableError:
    """Return the error for a call to `url` that `error` ended.

    `bundle` is the CA bundle in use, None for the usual one; `timeout` is in seconds.
    """
    host = urlsplit(url).netloc
    causes = list(_chain(error))
    reason = _hopeless(causes, host, bundle)
    if reason:
        return UnreachableError(f"{host} cannot be called: {reason}")
    if type(error) is OSError and error.errno is None:  # how requests reports a missing CA bundle
        return UnreachableError(f"{host} cannot be called: {error}")
    if any(isinstance(cause, _READ_TIMEOUTS) for cause in causes):
        return too_slow(timeout)
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
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return "the proxy wants a login, or a different one (status 407): see HTTPS_PROXY"
    if status == HTTPStatus.FORBIDDEN:
        return f"the proxy does not allow {host} (status 403): see HTTPS_PROXY"
    if bundle and any(isinstance(cause, _TLS_ERRORS) for cause in causes):
        return _fault_of_bundle(bundle)
    return None


def _status_of_proxy(causes: Iterable[BaseException]) -> int | None:
    """Return the status with which a proxy answers CONNECT; http.client has it in words only."""
    for cause in causes:
        answer = re.match(r"Tunnel connection failed: (\d{3})\b", str(cause))
        if answer and type(cause) is OSError:
            return int(answer[1])
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
