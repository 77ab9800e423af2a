"""OAuth2 with Xero: who we are, and for which organisation.

There are three ways to a token: a refresh token, which Xero replaces on every use; client
credentials (a Custom Connection), which are asked again when a token ends; an access token alone,
which is used until it ends. A token is renewed two minutes ahead of its end, or when Xero refuses
it; threads that need it at the same time wait for one renewal. When the answer to a renewal is
lost it is asked for again with the same refresh token, which Xero takes for another 30 minutes
(developer.xero.com, OAuth2 tokens).

What a token says about itself (its end, user and scopes) is read without verifying its signature:
it decides what we ask for, never what is allowed.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import re
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, TypeGuard

from requests.auth import AuthBase, HTTPBasicAuth

from tap_xero.errors import AuthorizeError, InputError, TapError, UnreachableError
from tap_xero.login.refresh_token import RefreshToken
from tap_xero.transport.error_answers import clean, explanation, lacks_scope, retry_after
from tap_xero.transport.exchange import Reply, Request
from tap_xero.transport.retries import GaveUpError, TransientError, retry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from requests import PreparedRequest

    from tap_xero.clock import Clock
    from tap_xero.config import Config
    from tap_xero.transport.exchange import Transport

LOGGER = logging.getLogger(__name__)

OK = 200
UNAUTHORIZED = 401
# Renew this long before the end, so that no call meets it; tokens live for 30 minutes.
MARGIN = timedelta(minutes=2)
# Answers about tokens and connections are small.
LONGEST_TIMEOUT = 60.0
AGAIN = "run tap-xero --authorize"


@dataclass(frozen=True)
class Bearer(AuthBase):
    """Signs a request with an access token and names the organisation (`tenant_id`) it is for."""

    token: str = field(repr=False)
    tenant_id: str | None = None

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Add the two headers."""
        request.headers["Authorization"] = f"Bearer {self.token}"
        if self.tenant_id:
            request.headers["xero-tenant-id"] = self.tenant_id
        return request


@dataclass(frozen=True)
class TokenAnswer:
    """What the token endpoint gave; `renew_at` is aware UTC, None for "when refused"."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    renew_at: datetime | None
    scopes: frozenset[str]


@dataclass(frozen=True)
class Connection:
    """An organisation that the token reaches."""

    tenant_id: str
    name: str

    def __str__(self) -> str:
        """Return name and id for a person; the name is the organisation's own text."""
        return f"{clean(self.name)} ({self.tenant_id})"


class XeroAuth:
    """The access token in use, and the organisation it is used for. Thread-safe.

    `default_scopes` (separated by spaces) are asked for where a grant asks and the config has
    none; when both are empty Xero gives all that the app has.
    """

    def __init__(
        self, config: Config, transport: Transport, clock: Clock, default_scopes: str = ""
    ) -> None:
        self._config = config
        self._transport = transport
        self._clock = clock
        self._scopes_wanted = config.scopes or default_scopes
        self._lock = threading.RLock()
        self._refresh_token = RefreshToken(config, clock)
        self._renew = self._choose_grant()
        self._token: TokenAnswer | None = None
        # Why there is no token: threads that wait for one need not ask again.
        self._failure: TapError | None = None
        self._tenant: Connection | None = None

    def with_token(self, send: Callable[[str], Reply]) -> Reply:
        """Return what `send` returns for an access token; once more with a new one if refused.

        Raises AuthorizeError when there is no token to be had or the new one is refused too.
        """
        token = self.token()
        reply = send(token.access_token)
        if not _is_refused(reply):
            return reply
        reply = send(self.token(refused=token).access_token)
        if _is_refused(reply):
            raise AuthorizeError(
                f"Xero refuses an access token it has just given: {explanation(reply)}; {AGAIN}"
            )
        return reply

    def token(self, refused: TokenAnswer | None = None) -> TokenAnswer:
        """Return a token that is not about to end, and is not the one that was `refused`."""
        with self._lock:
            if self._failure:
                raise type(self._failure)(str(self._failure))
            try:
                return self._valid_token(refused)
            except TapError as error:
                self._failure = error
                raise

    def tenant_id(self) -> str | None:
        """Id of the organisation to read; None for a Custom Connection, which has just one.

        Asks Xero once, unless the config has the id and nothing else to hold it against. Raises
        AuthorizeError, which lists what the token reaches, when that does not settle it.
        """
        config = self._config
        if config.tenant_id and not config.organization_name:
            return config.tenant_id
        if self._renew == self._ask_with_credentials and not config.organization_name:
            return None
        with self._lock:
            if self._tenant is None:
                self._tenant = choose_connection(
                    self.connections(), config.organization_name, config.tenant_id
                )
                LOGGER.info("organisation: %s", self._tenant)
            return self._tenant.tenant_id

    def connections(self) -> list[Connection]:
        """Ask Xero which organisations the token reaches (GET /connections)."""
        url = f"{self._config.api_url}/connections"

        def ask() -> list[Connection]:
            reply = self.with_token(lambda token: self._send(Request(url, Bearer(token))))
            if reply.status == OK:
                return _read_connections(reply.body)
            _raise_if_passing(reply, self._clock)
            raise AuthorizeError(f"connections: {explanation(reply)}; {AGAIN}")

        try:
            return retry(ask, "connections", self._clock)
        except GaveUpError as error:
            raise UnreachableError(f"connections: {error}; run again later") from error

    def confirm_tenant(self) -> None:
        """Raise AuthorizeError if the organisation in use is none the token reaches."""
        connections = self.connections()
        tenant_id = self.tenant_id()
        if tenant_id is None and connections:  # a Custom Connection names none
            return
        if all(connection.tenant_id != tenant_id for connection in connections):
            raise AuthorizeError(
                f"the login does not reach the organisation {tenant_id}; {_listed(connections)}; "
                f"correct tenant_id, or {AGAIN} (a demo company gets a new id every 28 days)"
            )

    def scopes(self) -> frozenset[str]:
        """Scopes that the token in use holds; empty when it does not say."""
        return self.token().scopes

    def user_id(self) -> str | None:
        """Id of the Xero user to whom the token in use belongs; None when it does not say."""
        user = _claims(self.token().access_token).get("xero_userid")
        return str(user) if user else None

    def settle(self, seconds: float) -> None:
        """Give a renewal that is under way up to `seconds` to be saved; for the end of a run."""
        if self._lock.acquire(timeout=seconds):
            self._lock.release()

    def _choose_grant(self) -> Callable[[], TokenAnswer]:
        config = self._config
        where = config.path or "config"
        if self._refresh_token.value:
            _demand(config.client_id, f"{where}: refresh_token needs client_id beside it")
            return self._ask_with_refresh_token
        if config.access_token:
            return self._give_up
        _demand(config.client_id, f"{where}: client_id is missing; it is the id of your Xero app")
        _demand(
            config.client_secret,
            f"{where}: there is neither refresh_token nor client_secret; {AGAIN} to get a "
            "refresh_token, or give the client_secret of a Custom Connection",
        )
        return self._ask_with_credentials

    def _valid_token(self, refused: TokenAnswer | None) -> TokenAnswer:
        if self._token is None:
            self._accept(self._given_token() or self._renew())
        assert self._token is not None  # noqa: S101
        if self._token is refused or self._is_ending(self._token):
            self._accept(self._renew())
        return self._token

    def _given_token(self) -> TokenAnswer | None:
        """Return the config's access token, unless it is ending and another can be had."""
        given = self._config.access_token
        if not given:
            return None
        renew_at = None if self._renew == self._give_up else _end_claimed(given, MARGIN)
        token = TokenAnswer(given, None, renew_at, _scopes_claimed(given))
        return None if self._is_ending(token) else token

    def _ask_with_refresh_token(self) -> TokenAnswer:
        with self._refresh_token.turn():
            spent = self._refresh_token.value or ""
            answer = self._ask({"grant_type": "refresh_token", "refresh_token": spent})
            self._refresh_token.replace(answer.refresh_token or spent)
        return answer

    def _ask_with_credentials(self) -> TokenAnswer:
        form = {"grant_type": "client_credentials"}
        return self._ask(form | ({"scope": self._scopes_wanted} if self._scopes_wanted else {}))

    def _give_up(self) -> TokenAnswer:
        raise AuthorizeError(
            "access_token has ended or is refused, and there is no refresh_token to get another: "
            f"give a new one, or {AGAIN}"
        )

    def _ask(self, form: Mapping[str, str]) -> TokenAnswer:
        return request_token(self._config, form, self._transport, self._clock)

    def _accept(self, token: TokenAnswer) -> None:
        user = _claims(token.access_token).get("xero_userid")
        wanted = self._config.xero_user_id
        if wanted and str(user).lower() != wanted.lower():
            belongs = f"belongs to {user}" if user else "names no user"
            raise AuthorizeError(
                f"xero_user_id is {wanted}, but the access token {belongs}; {AGAIN}"
            )
        self._token = token

    def _is_ending(self, token: TokenAnswer) -> bool:
        return token.renew_at is not None and token.renew_at <= self._clock.now()

    def _send(self, request: Request) -> Reply:
        return self._transport.send(request, min(self._config.request_timeout, LONGEST_TIMEOUT))


def request_token(
    config: Config, form: Mapping[str, str], transport: Transport, clock: Clock
) -> TokenAnswer:
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

    def ask() -> TokenAnswer:
        asked = clock.now()
        reply = transport.send(request, timeout)
        if reply.status == OK:
            return _read_token(reply.body, asked)
        _raise_if_passing(reply, clock)
        raise _refusal(reply, form["grant_type"])

    try:
        return retry(ask, "token", clock)
    except GaveUpError as error:
        raise UnreachableError(f"Xero gives no token: {error}; run again later") from error


def exchange_code(
    config: Config, code: Mapping[str, str], transport: Transport, clock: Clock
) -> TokenAnswer:
    """Exchange a consent: `code` holds code, redirect_uri and, for PKCE, code_verifier."""
    return request_token(config, {"grant_type": "authorization_code", **code}, transport, clock)


def choose_connection(
    connections: Sequence[Connection], name: str | None, tenant_id: str | None = None
) -> Connection:
    """Return the one organisation called `name`, or the only one when `name` is None.

    With `tenant_id` it must be the one with that id. Names are compared as written, then without
    regard to case. Raises AuthorizeError that lists the organisations when not exactly one fits.
    """
    if tenant_id and name:
        return _confirmed(connections, name, tenant_id)
    if name is None:
        if len(connections) == 1:
            return connections[0]
        raise AuthorizeError(f"{_listed(connections)}; set tenant_id to the one to read")
    for key in (str, str.casefold):
        found = [each for each in connections if key(each.name) == key(name)]
        if len(found) == 1:
            return found[0]
        if found:
            break
    count = "several organisations are" if found else "no organisation is"
    raise AuthorizeError(f"{count} called {name!r}; {_listed(connections)}; set tenant_id")


def _confirmed(connections: Sequence[Connection], name: str, tenant_id: str) -> Connection:
    for each in connections:
        if each.tenant_id == tenant_id and each.name.casefold() == name.casefold():
            return each
    raise AuthorizeError(
        f"no organisation has both the tenant_id {tenant_id} and the organization_name {name!r}; "
        f"{_listed(connections)}; correct or remove one of them"
    )


def _demand(value: str | None, message: str) -> None:
    if not value:
        raise InputError(message)


def _unsigned(request: PreparedRequest) -> PreparedRequest:
    """Stands for "no Authorization": with none at all requests would look into ~/.netrc."""
    return request


def _is_refused(reply: Reply) -> bool:
    return reply.status == UNAUTHORIZED and not lacks_scope(reply)


def _raise_if_passing(reply: Reply, clock: Clock) -> None:
    """Raise TransientError for a status that another try may not meet."""
    if reply.status >= 500 or reply.status in (408, 429) or 300 <= reply.status < 400:  # noqa: PLR2004
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
            f"another app; {AGAIN}"
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
    return AuthorizeError(f"Xero gives no token: status {reply.status}, {code}; {AGAIN}")


def _read_token(body: bytes, asked: datetime) -> TokenAnswer:
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
        claimed = _end_claimed(access, MARGIN)
        renew_at = claimed if claimed and claimed > asked else None
    named = answer.get("scope")
    scopes = frozenset(named.split()) if isinstance(named, str) else _scopes_claimed(access)
    return TokenAnswer(access, refresh, renew_at, scopes)


def _is_token(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and bool(re.fullmatch("[!-~]+", value))


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _claims(token: str) -> dict[str, Any]:
    """Return the claims of a JWT; empty for a token that is none."""
    part = [*token.split("."), ""][1]
    try:
        return _json_object(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError):
        return {}


def _end_claimed(token: str, margin: timedelta) -> datetime | None:
    """`margin` before the end that a JWT claims; None where it claims none."""
    seconds = _claims(token).get("exp")
    if not isinstance(seconds, (int, float)):
        return None
    try:
        return datetime.fromtimestamp(seconds, tz=timezone.utc) - margin
    except (ValueError, OverflowError, OSError):
        return None


def _scopes_claimed(token: str) -> frozenset[str]:
    scopes = _claims(token).get("scope")
    items = scopes.split() if isinstance(scopes, str) else scopes
    return frozenset(str(item) for item in items) if isinstance(items, list) else frozenset()


def _read_connections(body: bytes) -> list[Connection]:
    """Return what is of type ORGANISATION; `id` is the connection's own, tenantId is ours."""
    try:
        rows = json.loads(body)
    except (ValueError, RecursionError):
        rows = None
    if not isinstance(rows, list):
        raise TransientError("the answer is not a list")
    return [
        Connection(str(row["tenantId"]), str(row.get("tenantName") or ""))
        for row in rows
        if isinstance(row, dict)
        and row.get("tenantId")
        and str(row.get("tenantType", "ORGANISATION")).upper() == "ORGANISATION"
    ]


def _listed(connections: Sequence[Connection]) -> str:
    if not connections:
        return "the login reaches no organisation"
    names = ", ".join(map(str, connections))
    return f"the login reaches {names}"
