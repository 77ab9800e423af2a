"""Logins: access tokens, refresh tokens that rotate, client credentials, consent, connections.

The rule that matters (developer.xero.com, OAuth2): each use of a refresh token gives a new one; the
old one may be used again for 30 minutes after its first use, in case the answer was lost; then it
is dead.  Nobody has written down which successor the second use gives, so `repeated_refresh` of
Behaviour plays each reading.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode

from tap_xero.demo.calls import Call, Reply
from tap_xero.demo.lists import GRANTABLE
from tap_xero.demo.xero_json import stamp_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_xero.demo.behaviour import Behaviour

CLIENT_ID = "0D1FD5DE7A9E4A4C8E6C6E2A6B1D3F55"
CLIENT_SECRET = "demo-secret-7Qx1m0vT9wYp3nB5kR8sZ2uC"  # noqa: S105
USER_ID = "d1164823-0ac1-41ad-987b-b4e30fe0b273"
GRACE = 30 * 60
CODE_LIFE = 5 * 60

REPORTS = tuple(
    f"accounting.reports.{name}.read"
    for name in (
        *("balancesheet", "profitandloss", "trialbalance", "banksummary", "budgetsummary"),
        *("executivesummary", "aged", "taxreports", "tenninetynine"),
    )
)
ALL_SCOPES = frozenset(
    {
        *GRANTABLE,
        *(f"{scope}.read" for scope in GRANTABLE),
        *("accounting.attachments", "accounting.attachments.read", "accounting.reports.read"),
        *REPORTS,
        *("offline_access", "openid", "profile", "email", "app.connections"),
    }
)


class Login(NamedTuple):
    """What an access token stands for; `expires` in seconds of the demo's clock."""

    scopes: frozenset[str]
    expires: float
    custom_connection: bool


@dataclass
class RefreshToken:
    """A refresh token: alive until some time after its first use."""

    scopes: frozenset[str]
    successor: str = ""
    first_used: float | None = None


class Code(NamedTuple):
    """An authorisation code, for one use."""

    scopes: frozenset[str]
    redirect_uri: str
    challenge: str
    expires: float


@dataclass
class Identity:
    """Everything that the identity server knows.  Not locked, the server does that."""

    clock: Callable[[], float]
    refresh_token: str = ""
    logins: dict[str, Login] = field(default_factory=dict)
    refresh_tokens: dict[str, RefreshToken] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    _serial: int = 0

    def start(self, behaviour: Behaviour) -> None:
        """Give the first login its refresh token: `refresh_token` is always the newest one."""
        self._new_refresh_token(granted(behaviour))

    def expire_access_tokens(self) -> None:
        """Let every access token that is out expire now."""
        now = self.clock()
        self.logins = {
            token: login._replace(expires=min(login.expires, now))
            for token, login in self.logins.items()
        }

    def revoke(self) -> None:
        """Kill every refresh token."""
        self.refresh_tokens.clear()

    def new_access_token(
        self, behaviour: Behaviour, scopes: frozenset[str], *, custom_connection: bool = False
    ) -> str:
        """Issue an access token: a JWT in form, its claims those of Xero."""
        now = self.clock()
        expires = now + behaviour.expires_in
        claims = {
            "nbf": int(now),
            "exp": int(expires),
            "iss": "https://identity.xero.com",
            "aud": "https://identity.xero.com/resources",
            "client_id": CLIENT_ID,
            "sub": hashlib.blake2b(USER_ID.encode(), digest_size=16).hexdigest(),
            "auth_time": int(now),
            "xero_userid": USER_ID,
            "global_session_id": self._unique("session"),
            "jti": self._unique("jti"),
            "authentication_event_id": self._unique("event"),
            "scope": sorted(scopes),
        }
        if custom_connection:
            del claims["xero_userid"]
        head = _segment({"alg": "RS256", "kid": "1CAF8E66772D6DC028D6726FD0261581570EFC19"})
        token = f"{head}.{_segment(claims)}.{self._unique('signature')}"
        self.logins[token] = Login(scopes, expires, custom_connection)
        return token

    def token_call(  # noqa: PLR0911 - one return for each way to be refused
        self, call: Call, form: Mapping[str, str], behaviour: Behaviour
    ) -> Reply:
        """Answer POST /connect/token."""
        client, secret = _credentials(call.headers, form)
        if client != CLIENT_ID:
            return _refusal("unauthorized_client" if not client else "invalid_client")
        grant = form.get("grant_type", "")
        if secret is not None and not hmac.compare_digest(secret, CLIENT_SECRET):
            return _refusal("invalid_client")
        if grant == "refresh_token":
            return self._refresh(form, behaviour)
        if grant == "authorization_code":
            return self._redeem(form, behaviour)
        if grant == "client_credentials":
            if secret is None:
                return _refusal("unauthorized_client")
            return self._client_credentials(form, behaviour)
        return _refusal("unsupported_grant_type")

    def _refresh(self, form: Mapping[str, str], behaviour: Behaviour) -> Reply:
        now = self.clock()
        known = self.refresh_tokens.get(form.get("refresh_token", ""))
        if known is None:
            return _refusal("invalid_grant")
        if known.first_used is None:
            known.first_used = now
            known.successor = self._new_refresh_token(known.scopes & granted(behaviour))
        elif now - known.first_used > GRACE:
            return _refusal("invalid_grant")
        elif behaviour.repeated_refresh != "same":
            if behaviour.repeated_refresh == "new_kills_first":
                self.refresh_tokens.pop(known.successor, None)
            known.successor = self._new_refresh_token(known.scopes & granted(behaviour))
        return self._grant(behaviour, known.scopes & granted(behaviour), known.successor)

    def _redeem(self, form: Mapping[str, str], behaviour: Behaviour) -> Reply:
        code = self.codes.pop(form.get("code", ""), None)
        if code is None or code.expires < self.clock():
            return _refusal("invalid_grant")
        if code.redirect_uri != form.get("redirect_uri"):
            return _refusal("invalid_grant")
        if code.challenge and code.challenge != _challenge(form.get("code_verifier", "")):
            return _refusal("invalid_grant")
        refresh = self._new_refresh_token(code.scopes) if "offline_access" in code.scopes else ""
        return self._grant(behaviour, code.scopes, refresh)

    def _client_credentials(self, form: Mapping[str, str], behaviour: Behaviour) -> Reply:
        asked = frozenset(form.get("scope", "").split()) or granted(behaviour)
        if not asked <= granted(behaviour):
            text = "Client credentials scope validation failed"
            return _refusal("invalid_scope", text)
        return self._grant(behaviour, asked, "", custom_connection=True)

    def _grant(
        self,
        behaviour: Behaviour,
        scopes: frozenset[str],
        refresh: str,
        *,
        custom_connection: bool = False,
    ) -> Reply:
        access = self.new_access_token(behaviour, scopes, custom_connection=custom_connection)
        answer: dict[str, object] = {
            "access_token": access,
            "expires_in": behaviour.expires_in,
            "token_type": "Bearer",
        }
        if "openid" in scopes:
            answer["id_token"] = access
        if refresh:
            answer["refresh_token"] = refresh
        answer["scope"] = " ".join(sorted(scopes))
        return _json(200, answer)

    def authorize(self, params: Mapping[str, str], behaviour: Behaviour) -> Reply:
        """Answer GET /identity/connect/authorize as if the user had agreed at once."""
        target = params.get("redirect_uri", "")
        asked = frozenset(params.get("scope", "").split())
        answer: dict[str, str] = {"state": params.get("state", "")}
        if params.get("client_id") != CLIENT_ID or not target:
            return Reply(400, {"Content-Type": "text/html"}, b"<html>unauthorized_client</html>")
        if not asked <= granted(behaviour):
            answer["error"] = "invalid_scope"
        else:
            answer["code"] = self._unique("code")
            expires = self.clock() + CODE_LIFE
            challenge = params.get("code_challenge", "")
            self.codes[answer["code"]] = Code(asked, target, challenge, expires)
        return Reply(302, {"Location": f"{target}?{urlencode(answer)}"}, b"")

    def revocation(self, form: Mapping[str, str]) -> Reply:
        """Answer POST /connect/revocation."""
        self.refresh_tokens.pop(form.get("token", ""), None)
        return Reply(200, {}, b"")

    def check(self, call: Call) -> Login | Reply:
        """Find the login of a call, or refuse it with 401."""
        scheme, _, token = call.headers.get("authorization", "").partition(" ")
        login = self.logins.get(token) if scheme == "Bearer" else None
        if login is None:
            return unauthorized("AuthenticationUnsuccessful", "invalid_token")
        if login.expires <= self.clock():
            at = stamp_text(int(login.expires * 1000))
            when = f"{at[8:10]}/{at[5:7]}/{at[:4]} {at[11:19]}"
            return unauthorized(f"TokenExpired: token expired at {when}", "invalid_token")
        return login

    def _new_refresh_token(self, scopes: frozenset[str]) -> str:
        self.refresh_token = self._unique("refresh")
        self.refresh_tokens[self.refresh_token] = RefreshToken(scopes)
        return self.refresh_token

    def _unique(self, kind: str) -> str:
        self._serial += 1
        text = f"{kind}/{self._serial}/{self.clock()}".encode()
        return base64.urlsafe_b64encode(hashlib.blake2b(text, digest_size=30).digest()).decode()


def granted(behaviour: Behaviour) -> frozenset[str]:
    """Give the scopes that this Xero grants."""
    return ALL_SCOPES if behaviour.scopes is None else behaviour.scopes


def may_read(login: Login, scopes: frozenset[str]) -> bool:
    """Whether a login holds one of these scopes, for writing or for reading."""
    return any(scope in login.scopes or f"{scope}.read" in login.scopes for scope in scopes)


def unauthorized(detail: str, error: str) -> Reply:
    """Refuse with 401 as Xero does (developer.xero.com, granular scopes FAQ)."""
    reply = problem(401, "Unauthorized", detail)
    return Reply(401, {**reply.headers, "WWW-Authenticate": f"Bearer error={error}"}, reply.body)


def problem(status: int, title: str, detail: str) -> Reply:
    """Write the body that 401 and 403 carry."""
    answer: dict[str, object] = {
        "Type": None,
        "Title": title,
        "Status": status,
        "Detail": detail,
        "Instance": "7c3b1e0f-0d6d-4d4b-a2f8-0b6a5c9c4b11",
        "Extensions": {},
    }
    return _json(status, answer)


def connection_id(number: int) -> str:
    """Give the id of the n-th connection, which is not that of its tenant."""
    return f"7cb59f93-2964-421d-bb5e-{number:012x}"


def connections(behaviour: Behaviour) -> Reply:
    """Answer GET /connections: a bare list."""
    rows = [
        {
            "id": connection_id(number),
            "authEventId": "d99ecdfe-391d-43d2-b834-17636ba90e8d",
            "tenantId": tenant.tenant_id,
            "tenantType": tenant.type,
            "tenantName": tenant.name,
            "createdDateUtc": "2024-07-09T23:40:30.1833130",
            "updatedDateUtc": "2026-05-15T01:35:13.8491980",
        }
        for number, tenant in enumerate(behaviour.organisations)
    ]
    return _json(200, rows)


def _credentials(headers: Mapping[str, str], form: Mapping[str, str]) -> tuple[str, str | None]:
    """Read client id and secret from Basic auth or the form; no secret means PKCE."""
    scheme, _, text = headers.get("authorization", "").partition(" ")
    if scheme == "Basic":
        client, _, secret = base64.b64decode(text).decode().partition(":")
        return client, secret
    return form.get("client_id", ""), form.get("client_secret")


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _refusal(error: str, description: str = "") -> Reply:
    more = {"error_description": description} if description else {}
    return _json(400, {"error": error, **more})


def _json(status: int, value: object) -> Reply:
    return Reply(status, {"Content-Type": "application/json"}, json.dumps(value).encode())
