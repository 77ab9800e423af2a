"""The demo's logins: tokens that rotate and expire, grants, scopes, tenants, connections."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from tap_xero.demo import Behaviour, DemoXero, Tenant
from tests.support.demo_client import TIMEOUT, Login, ask_token, post_token

if TYPE_CHECKING:
    from collections.abc import Iterator

BACK = "http://localhost:8080/callback"


class Clock:
    """The demo's time, moved by hand."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def xero(clock: Clock) -> Iterator[DemoXero]:
    with DemoXero(size=3, clock=clock) as xero:
        yield xero


def test_a_refresh_token_rotates_and_may_be_repeated_for_half_an_hour(
    xero: DemoXero, clock: Clock
) -> None:
    first = xero.config()["refresh_token"]
    second = ask_token(xero, refresh_token=first)["refresh_token"]
    assert second != first
    assert xero.config()["refresh_token"] == second
    clock.now += 29 * 60
    assert ask_token(xero, refresh_token=first)["refresh_token"] == second
    clock.now += 2 * 60
    refused = post_token(xero, refresh_token=first)
    assert (refused.status_code, refused.json()) == (400, {"error": "invalid_grant"})
    assert ask_token(xero, refresh_token=second)["refresh_token"] not in {first, second}


@pytest.mark.parametrize("reading", ["same", "new", "new_kills_first"])
def test_a_repeated_refresh_is_read_in_three_ways(xero: DemoXero, reading: str) -> None:
    xero.behaviour.repeated_refresh = reading
    used = xero.config()["refresh_token"]
    first = ask_token(xero, refresh_token=used)["refresh_token"]
    second = ask_token(xero, refresh_token=used)["refresh_token"]
    assert (second == first) == (reading == "same")
    alive = {token: post_token(xero, refresh_token=token).ok for token in (first, second)}
    assert alive == {first: reading != "new_kills_first", second: True}


def test_an_access_token_expires(xero: DemoXero, clock: Clock) -> None:
    with Login(xero) as login:
        assert login.get("Currencies").status_code == 200
        clock.now += 1800
        refused = login.get("Currencies")
        assert refused.status_code == 401
        assert refused.json()["Detail"].startswith("TokenExpired: token expired at ")


def test_tokens_can_be_ended_by_a_test(xero: DemoXero) -> None:
    with Login(xero) as login:
        xero.identity.expire_access_tokens()
        assert login.get("Currencies").status_code == 401
        xero.identity.revoke()
        assert post_token(xero, refresh_token=xero.config()["refresh_token"]).status_code == 400


def test_an_unknown_token_is_refused(xero: DemoXero) -> None:
    with Login(xero) as login:
        login.session.headers["Authorization"] = "Bearer nonsense"
        refused = login.get("Currencies")
        assert refused.status_code == 401
        assert refused.json()["Detail"] == "AuthenticationUnsuccessful"
        assert "invalid_token" in refused.headers["WWW-Authenticate"]


def test_an_access_token_tells_its_scopes_and_user(xero: DemoXero) -> None:
    answer = ask_token(xero, refresh_token=xero.config()["refresh_token"])
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 1800)
    middle = answer["access_token"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    assert " ".join(claims["scope"]) == answer["scope"]
    assert claims["xero_userid"]
    assert claims["exp"] - claims["nbf"] == 1800


def test_a_missing_scope_is_401_with_its_own_words() -> None:
    behaviour = Behaviour(scopes=frozenset({"offline_access", "accounting.settings.read"}))
    with DemoXero(size=3, behaviour=behaviour) as xero, Login(xero) as login:
        assert login.get("Currencies").status_code == 200
        refused = login.get("Invoices", page=1)
        assert refused.status_code == 401
        assert refused.json()["Detail"] == "AuthorizationUnsuccessful"
        assert "insufficient_scope" in refused.headers["WWW-Authenticate"]


@pytest.mark.parametrize("scope", ["accounting.transactions.read", "accounting.invoices"])
def test_broad_and_writing_scopes_open_a_list_too(scope: str) -> None:
    behaviour = Behaviour(scopes=frozenset({scope}))
    with DemoXero(size=3, behaviour=behaviour) as xero, Login(xero) as login:
        assert login.get("Invoices", page=1).status_code == 200


@pytest.mark.parametrize(
    ("kind", "status"), [("scope401", 401), ("role403", 403), ("plan401", 401)]
)
def test_lists_can_be_forbidden(kind: str, status: int) -> None:
    behaviour = Behaviour(forbidden={"Journals": kind})
    with DemoXero(size=3, behaviour=behaviour) as xero, Login(xero) as login:
        assert login.get("Journals").status_code == status
        assert login.get("Accounts").status_code == 200


def test_the_tenant_must_be_one_that_the_login_reaches(xero: DemoXero) -> None:
    with Login(xero) as login:
        for tenant in ("11111111-2222-3333-4444-555555555555", ""):
            login.session.headers["xero-tenant-id"] = tenant
            refused = login.get("Currencies")
            assert refused.status_code == 403
            assert refused.json()["Detail"] == "AuthenticationUnsuccessful"


def test_connections_lists_the_organisations() -> None:
    behaviour = Behaviour(organisations=(Tenant("one", "First Ltd"), Tenant("two", "Second Ltd")))
    with DemoXero(size=3, behaviour=behaviour) as xero, Login(xero) as login:
        rows = login.session.get(xero.url + "/connections", timeout=TIMEOUT).json()
        assert [(row["tenantId"], row["tenantName"]) for row in rows] == [
            ("one", "First Ltd"),
            ("two", "Second Ltd"),
        ]
        gone = login.session.delete(f"{xero.url}/connections/{rows[0]['id']}", timeout=TIMEOUT)
        assert gone.status_code == 204
        rows = login.session.get(xero.url + "/connections", timeout=TIMEOUT).json()
        assert [row["tenantId"] for row in rows] == ["two"]


def test_client_credentials_give_no_refresh_token_and_need_no_tenant(xero: DemoXero) -> None:
    answer = ask_token(xero, grant_type="client_credentials", scope="accounting.settings.read")
    assert "refresh_token" not in answer
    with Login(xero) as login:
        login.session.headers["Authorization"] = f"Bearer {answer['access_token']}"
        del login.session.headers["xero-tenant-id"]
        assert login.get("Currencies").status_code == 200
        assert login.get("Contacts", page=1).status_code == 401
    refused = post_token(xero, grant_type="client_credentials", scope="accounting.nothing")
    assert refused.json()["error"] == "invalid_scope"


def test_a_wrong_client_is_refused(xero: DemoXero) -> None:
    url = xero.url + "/connect/token"
    form = {"grant_type": "refresh_token", "refresh_token": xero.config()["refresh_token"]}
    known = xero.config()["client_id"]
    for auth in (("nobody", "x"), (known, "wrong")):
        refused = requests.post(url, data=form, auth=auth, timeout=TIMEOUT)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_client")
    public = requests.post(url, data={**form, "client_id": known}, timeout=TIMEOUT)
    assert public.status_code == 200


def test_consent_gives_a_code_for_one_use_with_pkce(xero: DemoXero, clock: Clock) -> None:
    client = xero.config()["client_id"]
    verifier = "v" * 64
    digest = hashlib.sha256(verifier.encode()).digest()
    params = {
        "response_type": "code",
        "client_id": client,
        "redirect_uri": BACK,
        "scope": "offline_access accounting.settings.read",
        "state": "s 1",
        "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
        "code_challenge_method": "S256",
    }
    page = xero.url + "/identity/connect/authorize"

    def consent() -> dict[str, str]:
        sent = requests.get(page, params=params, allow_redirects=False, timeout=TIMEOUT)
        assert sent.status_code == 302
        assert sent.headers["Location"].startswith(BACK)
        return dict(parse_qsl(urlsplit(sent.headers["Location"]).query))

    answer = consent()
    assert answer["state"] == "s 1"
    form = {
        "grant_type": "authorization_code",
        "client_id": client,
        "code": answer["code"],
        "redirect_uri": BACK,
        "code_verifier": verifier,
    }
    token = requests.post(xero.url + "/connect/token", data=form, timeout=TIMEOUT).json()
    assert token["scope"] == "accounting.settings.read offline_access"
    assert token["refresh_token"]
    again = requests.post(xero.url + "/connect/token", data=form, timeout=TIMEOUT)
    assert again.json() == {"error": "invalid_grant"}
    late = {**form, "code": consent()["code"]}
    clock.now += 301
    assert requests.post(xero.url + "/connect/token", data=late, timeout=TIMEOUT).status_code == 400
    wrong = {**form, "code": consent()["code"], "code_verifier": "w" * 64}
    assert (
        requests.post(xero.url + "/connect/token", data=wrong, timeout=TIMEOUT).status_code == 400
    )


def test_revocation_kills_the_refresh_token(xero: DemoXero) -> None:
    token = xero.config()["refresh_token"]
    url = xero.url + "/connect/revocation"
    assert requests.post(url, data={"token": token}, timeout=TIMEOUT).status_code == 200
    assert post_token(xero, refresh_token=token).json() == {"error": "invalid_grant"}
