"""The access token in use, and the organisation it is used for.

There are three ways to a token: a refresh token, which Xero replaces on every use; client
credentials (a Custom Connection), which are sent again when a token ends; an access token alone,
which is used until it ends. The tap renews a token two minutes before its end, or when Xero refuses
it. Threads that need the new token at the same time wait for one renewal.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from requests.auth import AuthBase

from tap_xero.errors import (
    AuthorizeError,
    InputError,
    OrganisationError,
    TapError,
    UnreachableError,
)
from tap_xero.login.connections import (
    ORGANISATION,
    Tenant,
    choose_tenant,
    listed,
    read_tenants,
)
from tap_xero.login.refresh_token import RefreshToken
from tap_xero.login.token_endpoint import (
    LONGEST_TIMEOUT,
    MARGIN,
    RUN_AUTHORIZE,
    Token,
    claims,
    end_claimed,
    raise_if_passing,
    request_token,
    scopes_claimed,
)
from tap_xero.transport.error_answers import explanation, lacks_scope
from tap_xero.transport.exchange import Reply, Request
from tap_xero.transport.retries import GaveUpError, retry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from requests import PreparedRequest

    from tap_xero.clock import Clock
    from tap_xero.config import Config
    from tap_xero.transport.exchange import Transport

LOGGER = logging.getLogger(__name__)


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
        self._token: Token | None = None
        # Why there is no token: threads that wait for one need not ask again.
        self._failure: TapError | None = None
        self._tenant: Tenant | None = None

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
                "Xero refuses an access token that it has just given: "
                f"{explanation(reply)}; {RUN_AUTHORIZE}"
            )
        return reply

    def token(self, refused: Token | None = None) -> Token:
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

        It is the config's tenant_id. Xero is asked, once, only if the config has no tenant_id or
        if organization_name must be checked too. Raises AuthorizeError, which lists the
        organisations that the token reaches, if none of them or several fit.
        """
        config = self._config
        if config.tenant_id and not config.organization_name:
            return config.tenant_id
        if self._renew == self._ask_with_credentials and not config.organization_name:
            return None
        with self._lock:
            if self._tenant is None:
                self._tenant = choose_tenant(
                    self.connections(), config.organization_name, config.tenant_id
                )
                LOGGER.info("organisation: %s", self._tenant)
            return self._tenant.tenant_id

    def connections(self) -> list[Tenant]:
        """Ask Xero which organisations the token reaches; a practice is none."""
        return [tenant for tenant in self.tenants() if tenant.type == ORGANISATION]

    def tenants(self) -> list[Tenant]:
        """Ask Xero which organisations and practices the token reaches (GET /connections)."""
        url = f"{self._config.api_url}/connections"

        def ask() -> list[Tenant]:
            reply = self.with_token(lambda token: self._send(Request(url, Bearer(token))))
            if reply.status == HTTPStatus.OK:
                return read_tenants(reply.body)
            raise_if_passing(reply, self._clock)
            raise AuthorizeError(f"connections: {explanation(reply)}; {RUN_AUTHORIZE}")

        try:
            return retry(ask, "connections", self._clock)
        except GaveUpError as error:
            raise UnreachableError(f"connections: {error}; run again later") from error

    def confirm_tenant(self, tenant_id: str | None) -> None:
        """Raise OrganisationError if the token does not reach the organisation `tenant_id`."""
        connections = self.connections()
        if tenant_id is None and connections:  # a Custom Connection names none
            return
        if all(connection.tenant_id != tenant_id for connection in connections):
            raise OrganisationError(
                f"the login does not reach the organisation {tenant_id}; {listed(connections)}; "
                f"correct tenant_id, or {RUN_AUTHORIZE} "
                "(a demo company gets a new id every 28 days)"
            )

    def scopes(self) -> frozenset[str]:
        """Scopes that the token in use holds; empty when it does not say."""
        return self.token().scopes

    def user_id(self) -> str | None:
        """Id of the Xero user to whom the token in use belongs; None when it does not say."""
        user = claims(self.token().access_token).get("xero_userid")
        return str(user) if user else None

    def settle(self, seconds: float) -> None:
        """Give a renewal that is under way up to `seconds` to be saved; for the end of a run."""
        if self._lock.acquire(timeout=seconds):
            self._lock.release()

    def _choose_grant(self) -> Callable[[], Token]:
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
            f"{where}: there is neither refresh_token nor client_secret; {RUN_AUTHORIZE} to get a "
            "refresh_token, or give the client_secret of a Custom Connection",
        )
        return self._ask_with_credentials

    def _valid_token(self, refused: Token | None) -> Token:
        if self._token is None:
            self._accept(self._given_token() or self._renew())
        assert self._token is not None  # noqa: S101
        if self._token is refused or self._is_ending(self._token):
            self._accept(self._renew())
        return self._token

    def _given_token(self) -> Token | None:
        """Return the config's access token, unless it is ending and another can be had."""
        given = self._config.access_token
        if not given:
            return None
        renew_at = None if self._renew == self._give_up else end_claimed(given, MARGIN)
        token = Token(given, None, renew_at, scopes_claimed(given))
        return None if self._is_ending(token) else token

    def _ask_with_refresh_token(self) -> Token:
        with self._refresh_token.exclusive():
            spent = self._refresh_token.value or ""
            answer = self._ask({"grant_type": "refresh_token", "refresh_token": spent})
            self._refresh_token.replace(answer.refresh_token or spent)
        return answer

    def _ask_with_credentials(self) -> Token:
        form = {"grant_type": "client_credentials"}
        return self._ask(form | ({"scope": self._scopes_wanted} if self._scopes_wanted else {}))

    def _give_up(self) -> Token:
        raise AuthorizeError(
            "access_token has ended or is refused, and there is no refresh_token to get another: "
            f"give a new one, or {RUN_AUTHORIZE}"
        )

    def _ask(self, form: Mapping[str, str]) -> Token:
        return request_token(self._config, form, self._transport, self._clock)

    def _accept(self, token: Token) -> None:
        user = claims(token.access_token).get("xero_userid")
        wanted = self._config.xero_user_id
        if wanted and str(user).lower() != wanted.lower():
            belongs = f"belongs to {user}" if user else "names no user"
            raise AuthorizeError(
                f"xero_user_id is {wanted}, but the access token {belongs}; {RUN_AUTHORIZE}"
            )
        self._token = token

    def _is_ending(self, token: Token) -> bool:
        return token.renew_at is not None and token.renew_at <= self._clock.now()

    def _send(self, request: Request) -> Reply:
        return self._transport.send(request, min(self._config.request_timeout, LONGEST_TIMEOUT))


def _demand(value: str | None, message: str) -> None:
    if not value:
        raise InputError(message)


def _is_refused(reply: Reply) -> bool:
    return reply.status == HTTPStatus.UNAUTHORIZED and not lacks_scope(reply)
