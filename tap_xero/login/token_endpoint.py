"""Xero's token endpoint: ask for a token, and say in words why Xero gives none.

When the answer to a renewal is lost, the tap asks again with the same refresh token, which Xero
accepts for another 30 minutes (developer.xero.com, OAuth2 tokens).

What a token claims about itself (its end, user and scopes) is read without a check of its
signature. The claims decide what the tap asks for, never what is allowed.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeGuard

from requests.auth import HTTPBasicAuth

from tap_xero.errors import AuthorizeError, UnreachableError
from tap_xero.transport.error_answers import is_passing, retry_after
from tap_xero.transport.exchange import Reply, Request
from tap_xero.transport.retries import GaveUpError, TransientError, retry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from requests import PreparedRequest

    from tap_xero.clock import Clock
    from tap_xero.config import Config
    from tap_xero.transport.exchange import Transport

# Renew this long before the end, so that no call meets it; tokens live for 30 minutes.
MARGIN = timedelta(minutes=2)
# Seconds; answers about tokens and connections are small.
LONGEST_TIMEOUT = 60.0
RUN_AUTHORIZE = "run tap-xero --authorize"


@dataclass(frozen=True)
class Token:
    """What the token endpoint gave; `renew_at` is aware UTC, None for "when refused"."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    renew_at: datetime | None
    scopes: frozenset[str]


def request_token(
    config: Config, form: Mapping[str, str], transport: Transport, clock: Clock
) -> Token:
    """Ask Xero for a token with a grant's `form`, patiently.

    The app shows its secret as HTTP Basic; without one (PKCE) its id goes into the form. Raises
    AuthorizeError when Xero refuses, UnreachableError when it does not answer.
    """
    client_id = config.client_id or ""
    if config.client_secret:
        request = Request(
            f"{config.identity_url}/connect/token",
            HTTPBasicAuth(client_id, config.client_secret),
            form=form,
        )
    else:
        request = Request(
            f"{config.identity_url}/connect/token", _unsigned, form={**form, "client_id": client_id}
        )
    timeout = min(config.request_timeout, LONGEST_TIMEOUT)

    def ask() -> Token:
        asked = clock.now()
        reply = transport.send(request, timeout)
        if reply.status == HTTPStatus.OK:
            return _read_token(reply.body, asked)
        raise_if_passing(reply, clock)
        raise _refusal(reply, form["grant_type"])

    try:
        return retry(ask, "token", clock)
    except GaveUpError as error:
        raise UnreachableError(f"Xero gives no token: {error}; run again later") from error


def exchange_code(
    config: Config, code: Mapping[str, str], transport: Transport, clock: Clock
) -> Token:
    """Exchange a consent: `code` holds code, redirect_uri and, for PKCE, code_verifier."""
    return request_token(config, {"grant_type": "authorization_code", **code}, transport, clock)


def _unsigned(request: PreparedRequest) -> PreparedRequest:
    """Stands for "no Authorization": with none at all requests would look into ~/.netrc."""
    return request


def raise_if_passing(reply: Reply, clock: Clock) -> None:
    """Raise TransientError for a status that another try may not meet."""
    if reply.status == HTTPStatus.TOO_MANY_REQUESTS or is_passing(reply.status):
        after = retry_after(reply.headers, clock.now())
        raise TransientError(f"status {reply.status}", after=after)


def _refusal(reply: Reply, grant: str) -> AuthorizeError:
    """Say why a token was refused; only the error's code is shown, the rest may hold secrets."""
    code = _json_object(reply.body).get("error")
    code = code if isinstance(code, str) and re.fullmatch(r"\w{1,60}", code) else "no reason given"
    if code == "invalid_grant":
        what = "refresh token" if grant == "refresh_token" else "code"
        return AuthorizeError(
            f"{what} refused (invalid_grant): it is spent, older than 60 days, withdrawn or of "
            f"another app; {RUN_AUTHORIZE}"
        )
    if code in ("invalid_client", "unauthorized_client"):
        return AuthorizeError(
            f"Xero does not know this app ({code}): correct client_id and client_secret, which "
            "are on developer.xero.com/app/manage"
        )
    if code == "invalid_scope":
        return AuthorizeError(
            "the app may not have all of these scopes (invalid_scope): correct scopes in the "
            "config, or allow them for the app on developer.xero.com/app/manage"
        )
    return AuthorizeError(f"Xero gives no token: status {reply.status}, {code}; {RUN_AUTHORIZE}")


def _read_token(body: bytes, asked: datetime) -> Token:
    answer = _json_object(body)
    access, refresh = answer.get("access_token"), answer.get("refresh_token")
    if not (_is_token(access) and (refresh is None or _is_token(refresh))):
        raise TransientError("the answer holds no token")
    seconds = answer.get("expires_in")
    if isinstance(seconds, int) and 0 < seconds < 10**8:
        life = timedelta(seconds=seconds)
        renew_at: datetime | None = asked + max(life - MARGIN, life / 2)
    else:
        # A token that is new does not end yet; where it seems so, a clock is wrong.
        claimed = end_claimed(access, MARGIN)
        renew_at = claimed if claimed and claimed > asked else None
    named = answer.get("scope")
    scopes = frozenset(named.split()) if isinstance(named, str) else scopes_claimed(access)
    return Token(access, refresh, renew_at, scopes)


def _is_token(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and bool(re.fullmatch("[!-~]+", value))


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def claims(token: str) -> dict[str, Any]:
    """Return the claims of a JWT; empty for a token that is none."""
    part = [*token.split("."), ""][1]
    try:
        return _json_object(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError):
        return {}


def end_claimed(token: str, margin: timedelta) -> datetime | None:
    """`margin` before the end that a JWT claims; None where it claims none."""
    seconds = claims(token).get("exp")
    if not isinstance(seconds, (int, float)):
        return None
    try:
        return datetime.fromtimestamp(seconds, tz=timezone.utc) - margin
    except (ValueError, OverflowError, OSError):
        return None


def scopes_claimed(token: str) -> frozenset[str]:
    """Return the scopes that a JWT claims; empty where it claims none."""
    scopes = claims(token).get("scope")
    items = scopes.split() if isinstance(scopes, str) else scopes
    return frozenset(str(item) for item in items) if isinstance(items, list) else frozenset()
