"""Tokens are renewed in time, once, and kept; who may read what is said in one line."""

from __future__ import annotations

import base64
import json
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tap_xero.demo import DemoXero, Fault
from tap_xero.demo import Tenant as DemoTenant
from tap_xero.demo.identity import CLIENT_SECRET, USER_ID
from tap_xero.errors import AuthorizeError, InputError, OrganisationError, UnreachableError
from tap_xero.login.auth import Bearer, XeroAuth
from tap_xero.login.connections import Tenant, choose_tenant
from tap_xero.login.token_endpoint import Token, exchange_code
from tap_xero.transport.exchange import Reply, Request, Transport
from tests.support.config_files import make_config
from tests.support.fake_clock import START, FakeTime

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tap_xero.config import Config

HARBOUR = DemoTenant("fe79f7dd-b6d4-4a92-ba7b-538af6289c58", "Harbour Street Cycles Limited")
DEMO = DemoTenant("2b0b2b1c-0000-4000-8000-000000000001", "Demo Company (NZ)")
DEMO_TOO = DemoTenant("2b0b2b1c-0000-4000-8000-000000000002", "demo company (nz)")


class Stage:
    """A demo Xero whose clock is ours, and what is needed to call it."""

    def __init__(self, directory: Path, xero: DemoXero, time_: FakeTime) -> None:
        self.directory = directory
        self.xero = xero
        self.time = time_
        self.transport = Transport("tests", time_.clock)

    def config(self, **keys: Any) -> Config:  # noqa: ANN401
        """Make a config for the demo; a key that is None is left out."""
        return make_config(self.directory, **self.xero.config(start_date="2024-01-01", **keys))

    def auth(self, **keys: Any) -> XeroAuth:  # noqa: ANN401
        """Make the login for such a config."""
        return XeroAuth(self.config(**keys), self.transport, self.time.clock)

    def calls(self, kind: str) -> int:
        """Count the calls of a kind so far."""
        return sum(call.kind == kind for call in self.xero.calls)

    def saved(self) -> Any:  # noqa: ANN401
        """Read the refresh token in the config file."""
        return json.loads((self.directory / "config.json").read_text())["refresh_token"]

    def get(self, auth: XeroAuth, path: str = "Organisation") -> Reply:
        """Make a data call."""

        def send(token: str) -> Reply:
            signed = Bearer(token, auth.tenant_id())
            return self.transport.send(Request(f"{self.xero.url}/api.xro/2.0/{path}", signed), 10)

        return auth.with_token(send)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    time_ = FakeTime()
    with DemoXero(size=1, clock=time_.timestamp) as xero:
        stage = Stage(tmp_path, xero, time_)
        yield stage
        stage.transport.close()


def jwt(**claims: object) -> str:
    parts = [json.dumps(part).encode() for part in ({"alg": "RS256"}, claims)]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + ".x"


def test_the_new_refresh_token_is_saved_before_any_data_call(stage: Stage) -> None:
    saved_at_call: list[str] = []
    stage.xero.before_call = lambda *_: saved_at_call.append(stage.saved())
    auth = stage.auth()
    first = stage.saved()
    assert stage.get(auth).status == 200
    assert saved_at_call == [stage.xero.identity.refresh_token]
    assert saved_at_call != [first]


def test_a_token_is_renewed_two_minutes_before_it_ends(stage: Stage) -> None:
    auth = stage.auth()
    stage.get(auth)
    stage.time.seconds += 1800 - 121
    stage.get(auth)
    assert stage.calls("token") == 1
    stage.time.seconds += 2
    stage.get(auth)
    assert stage.calls("token") == 2
    assert all(call.status == 200 for call in stage.xero.calls)


def test_a_token_with_a_short_life_is_not_renewed_for_every_call(stage: Stage) -> None:
    stage.xero.behaviour.expires_in = 60
    auth = stage.auth()
    for _ in range(12):
        stage.get(auth)
        stage.time.seconds += 10
    assert stage.calls("token") == 4
    assert all(call.status == 200 for call in stage.xero.calls)


def test_a_token_that_looks_old_as_it_comes_is_used_until_it_is_refused(stage: Stage) -> None:
    old = jwt(exp=START.timestamp() - 3600)
    answer = json.dumps({"access_token": old, "refresh_token": "next"}).encode()
    stage.xero.fail(Fault.status(200, {"Content-Type": "application/json"}, answer), kind="token")
    auth = stage.auth()
    assert auth.token() is auth.token()
    assert stage.calls("token") == 1


def test_a_token_that_is_refused_is_renewed_once(stage: Stage) -> None:
    auth = stage.auth()
    stage.get(auth)
    stage.xero.identity.expire_access_tokens()
    assert stage.get(auth).status == 200
    assert stage.calls("token") == 2


def test_a_new_token_that_is_refused_too_ends_the_run(stage: Stage) -> None:
    body = b'{"detail":"TokenExpired: token expired at 01/07/2026 12:00:00"}'
    stage.xero.fail(Fault.status(401, {}, body), times=None)
    with pytest.raises(AuthorizeError, match=r"TokenExpired.*--authorize"):
        stage.get(stage.auth())
    assert stage.calls("data") == 2


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, b'{"Detail":"AuthorizationUnsuccessful"}'),
        ({}, b'{"detail":"AuthorizationUnsuccessful"}'),
        ({"WWW-Authenticate": "Bearer error=insufficient_scope"}, b""),
        ({"WWW-Authenticate": "Bearer error=insufficent_scope"}, b"<html>"),
    ],
)
def test_no_token_is_spent_on_a_missing_scope(
    stage: Stage, headers: dict[str, str], body: bytes
) -> None:
    stage.xero.fail(Fault.status(401, headers, body))
    assert stage.get(stage.auth()).status == 401
    assert stage.calls("token") == 1


def test_threads_that_need_a_token_wait_for_one_renewal(stage: Stage) -> None:
    auth = stage.auth()
    stage.get(auth)
    stage.xero.identity.expire_access_tokens()
    statuses: list[int] = []
    together = threading.Barrier(6)

    def work() -> None:
        together.wait()
        statuses.append(stage.get(auth).status)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert statuses == [200] * 6
    assert stage.calls("token") == 2


@pytest.mark.parametrize(
    "fault",
    [
        Fault.lost(),
        Fault.reset(),
        Fault.cut(20),
        Fault.broken_json(),
        Fault.html200(),
        Fault.empty_body(),
        Fault.status(503),
        Fault.status(500, {}, b"<html>"),
        Fault.status(429, {"Retry-After": "5"}),
        Fault.status(200, {}, b'{"access_token": 5}'),
        Fault.redirect("https://login.example/"),
    ],
    ids=lambda fault: fault.kind + str(fault.code or ""),
)
def test_a_token_answer_that_was_lost_is_asked_for_again(stage: Stage, fault: Fault) -> None:
    stage.xero.fail(fault, kind="token", times=2)
    assert stage.get(stage.auth()).status == 200
    assert stage.saved() == stage.xero.identity.refresh_token
    assert stage.calls("token") == 3
    assert 1 < stage.time.seconds < 20


def test_when_identity_stays_away_the_run_ends_in_two_minutes_and_the_token_is_kept(
    stage: Stage,
) -> None:
    stage.xero.fail(Fault.status(503), kind="token", times=None)
    auth = stage.auth()
    before = stage.saved()
    with pytest.raises(UnreachableError, match="status 503, after 8 tries"):
        stage.get(auth)
    assert 60 < stage.time.seconds < 125
    assert stage.saved() == before


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        ("invalid_grant", r"refresh token refused \(invalid_grant\).*tap-xero --authorize"),
        ("invalid_client", "client_id and client_secret"),
        ("unauthorized_client", "client_id and client_secret"),
        ("invalid_scope", "correct scopes"),
        ("something_new", "something_new"),
        ("<b>hush</b>", "no reason given"),
    ],
)
def test_a_refusal_says_what_to_do_and_is_not_repeated(
    stage: Stage, error: str, advice: str
) -> None:
    body = json.dumps({"error": error, "error_description": "hush"}).encode()
    stage.xero.fail(Fault.status(400, {}, body), kind="token", times=None)
    with pytest.raises(AuthorizeError, match=advice) as caught:
        stage.get(stage.auth())
    assert "hush" not in str(caught.value)
    assert stage.calls("token") == 1


def test_an_app_without_a_secret_shows_its_id_in_the_form(stage: Stage) -> None:
    assert stage.get(stage.auth(client_secret=None)).status == 200
    token_call = next(call for call in stage.xero.calls if call.kind == "token")
    assert "authorization" not in token_call.headers


def test_a_netrc_file_is_not_asked_for_a_password(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login eve password hush\n")
    monkeypatch.setenv("NETRC", str(netrc))
    assert stage.get(stage.auth(client_secret=None)).status == 200
    assert not any("basic" in str(call.headers).lower() for call in stage.xero.calls)


def test_a_custom_connection_needs_no_refresh_token_and_no_tenant(stage: Stage) -> None:
    auth = stage.auth(refresh_token=None, tenant_id=None, scopes="accounting.settings.read")
    assert stage.get(auth).status == 200
    assert auth.scopes() == {"accounting.settings.read"}
    stage.time.seconds += 1750
    assert stage.get(auth).status == 200
    assert stage.calls("token") == 2
    assert stage.calls("connections") == 0
    assert "xero-tenant-id" not in stage.xero.calls[-1].headers


def test_a_custom_connection_without_that_scope_is_told_so(stage: Stage) -> None:
    stage.xero.behaviour.scopes = frozenset({"accounting.settings.read"})
    with pytest.raises(AuthorizeError, match="invalid_scope"):
        stage.get(stage.auth(refresh_token=None, scopes="accounting.journals.read"))


def access_token(xero: DemoXero) -> str:
    return xero.identity.new_access_token(xero.behaviour, frozenset({"accounting.settings"}))


def test_an_access_token_alone_is_used_until_it_is_refused(stage: Stage) -> None:
    token = access_token(stage.xero)
    auth = stage.auth(refresh_token=None, client_id=None, client_secret=None, access_token=token)
    assert stage.get(auth).status == 200
    stage.time.seconds += 1790
    assert stage.get(auth).status == 200
    stage.time.seconds += 20
    with pytest.raises(AuthorizeError, match=r"access_token has ended.*no refresh_token"):
        stage.get(auth)
    assert stage.calls("token") == 0


def test_an_access_token_beside_a_refresh_token_saves_a_renewal(stage: Stage) -> None:
    auth = stage.auth(access_token=access_token(stage.xero))
    before = stage.saved()
    stage.get(auth)
    assert stage.calls("token") == 0
    assert stage.saved() == before
    stage.time.seconds += 1750
    stage.get(auth)
    assert stage.calls("token") == 1


def test_an_access_token_of_yesterday_is_not_even_tried(stage: Stage) -> None:
    auth = stage.auth(access_token=access_token(stage.xero))
    stage.time.seconds += 86400
    stage.get(auth)
    assert [call.status for call in stage.xero.calls] == [200, 200]


@pytest.mark.parametrize("token", ["opaque", "a.b.c", "a.!!!.c", "....", "a.bnVsbA.c"])
def test_a_token_that_is_no_jwt_is_used_until_refused(stage: Stage, token: str) -> None:
    auth = stage.auth(access_token=token)
    assert auth.scopes() == frozenset()
    assert stage.get(auth).status == 200
    assert [call.status for call in stage.xero.calls] == [401, 200, 200]


def test_scopes_are_those_the_token_holds(stage: Stage) -> None:
    stage.xero.behaviour.scopes = frozenset({"accounting.settings.read", "offline_access"})
    assert stage.auth().scopes() == stage.xero.behaviour.scopes
    auth = stage.auth(access_token=jwt(scope="one two", exp=START.timestamp() + 1e6))
    assert auth.scopes() == {"one", "two"}


@pytest.mark.parametrize(
    ("missing", "advice"),
    [
        (("client_id",), "client_id"),
        (("refresh_token", "client_secret"), "--authorize"),
        (("refresh_token", "client_id"), "client_id is missing"),
    ],
)
def test_a_config_without_a_way_to_a_token_is_refused_before_any_call(
    stage: Stage, missing: tuple[str, ...], advice: str
) -> None:
    with pytest.raises(InputError, match=advice) as caught:
        stage.auth(**dict.fromkeys(missing))
    assert "config.json" in str(caught.value)
    assert not stage.xero.calls


def test_the_token_must_be_of_the_user_asked_for(stage: Stage) -> None:
    assert stage.get(stage.auth(xero_user_id=USER_ID.upper())).status == 200
    with pytest.raises(AuthorizeError, match=f"belongs to {USER_ID}"):
        stage.get(stage.auth(xero_user_id="somebody-else"))
    with pytest.raises(AuthorizeError, match="names no user"):
        stage.get(stage.auth(xero_user_id=USER_ID, access_token="opaque"))
    assert stage.calls("data") == 1


def test_the_only_organisation_is_taken(stage: Stage) -> None:
    auth = stage.auth(tenant_id=None)
    stage.get(auth)
    stage.get(auth)
    assert auth.tenant_id() == HARBOUR[0]
    assert stage.calls("connections") == 1


def test_the_organisation_is_found_by_name(stage: Stage) -> None:
    stage.xero.behaviour.organisations = (HARBOUR, DEMO, DEMO_TOO)
    named = partial(stage.auth, tenant_id=None)
    assert named(organization_name="harbour street cycles limited").tenant_id() == HARBOUR[0]
    assert named(organization_name="Demo Company (NZ)").tenant_id() == DEMO[0]
    assert named(organization_name="demo company (nz)").tenant_id() == DEMO_TOO[0]


def test_of_an_organisation_with_name_and_id_both_must_be_right(stage: Stage) -> None:
    stage.xero.behaviour.organisations = (HARBOUR, DEMO, DEMO_TOO)
    both = partial(stage.auth, organization_name="Demo company (NZ)")
    assert both(tenant_id=DEMO_TOO[0]).tenant_id() == DEMO_TOO[0]
    with pytest.raises(AuthorizeError, match=r"Harbour Street .*; correct or remove one of them"):
        both(tenant_id=HARBOUR[0]).tenant_id()


def test_the_name_of_an_organisation_cannot_forge_a_line_of_the_log(stage: Stage) -> None:
    stage.xero.behaviour.organisations = (
        DemoTenant("a", "Evil\nCRITICAL all is lost\x1b[31m"),
        DEMO,
    )
    with pytest.raises(AuthorizeError) as caught:
        stage.auth(tenant_id=None).tenant_id()
    assert str(caught.value).isprintable()


def test_a_custom_connection_does_not_lose_its_one_organisation(stage: Stage) -> None:
    auth = stage.auth(refresh_token=None, tenant_id=None, scopes="accounting.settings.read")
    auth.confirm_tenant(None)
    stage.xero.behaviour.organisations = ()
    with pytest.raises(OrganisationError, match="reaches no organisation"):
        auth.confirm_tenant(None)


@pytest.mark.parametrize(
    ("organisations", "name", "problem"),
    [
        ((HARBOUR, DEMO), None, "set tenant_id"),
        ((), None, "reaches no organisation"),
        ((HARBOUR, DEMO), "Acme", "no organisation is called 'Acme'"),
        ((HARBOUR, DEMO, DEMO_TOO), "DEMO Company (NZ)", "several organisations are called"),
    ],
)
def test_a_choice_that_is_not_clear_lists_what_there_is(
    stage: Stage, organisations: tuple[DemoTenant, ...], name: str | None, problem: str
) -> None:
    auth = stage.auth(tenant_id=None, organization_name=name)
    stage.xero.behaviour.organisations = organisations
    with pytest.raises(AuthorizeError) as caught:
        auth.tenant_id()
    assert problem in str(caught.value)
    for tenant in organisations:
        assert f"{tenant.name} ({tenant.tenant_id})" in str(caught.value)


def test_practices_are_no_organisations(stage: Stage) -> None:
    rows = [
        {"id": "1", "tenantId": "p", "tenantType": "PRACTICE", "tenantName": "Ledger & Co"},
        {"id": "2", "tenantId": "o", "tenantType": "ORGANISATION", "tenantName": None},
        {"id": "3"},
        None,
    ]
    stage.xero.fail(Fault.status(200, {}, json.dumps(rows).encode()), kind="connections")
    assert stage.auth(tenant_id=None).connections() == [Tenant("o", "")]


def test_connections_are_asked_for_again_when_the_answer_is_broken(stage: Stage) -> None:
    for number, fault in enumerate((Fault.status(502), Fault.html200(), Fault.reset())):
        stage.xero.fail(fault, kind="connections", on=number + 1)
    assert stage.auth(tenant_id=None).tenant_id() == HARBOUR[0]
    assert stage.calls("connections") == 4


def test_several_processes_on_one_config_all_get_a_token(stage: Stage) -> None:
    """Each has read the config before the others rotated the token, and an hour passes."""
    runs = [stage.auth() for _ in range(3)]
    for run in runs:
        stage.get(run)
        stage.time.seconds += 3600
    assert all(call.status == 200 for call in stage.xero.calls)


def test_the_code_of_a_consent_is_exchanged(stage: Stage) -> None:
    target = "http://localhost:8765/callback"
    config = stage.config(refresh_token=None)
    consent = Request(
        f"{stage.xero.url}/identity/connect/authorize",
        lambda request: request,
        params={
            "client_id": config.client_id or "",
            "redirect_uri": target,
            "scope": "offline_access accounting.settings.read",
            "state": "s",
        },
    )
    location = stage.transport.send(consent, 10).headers["Location"]
    code = dict(part.split("=") for part in location.partition("?")[2].split("&"))["code"]
    answer = exchange_code(
        config, {"code": code, "redirect_uri": target}, stage.transport, stage.time.clock
    )
    assert answer.scopes == {"offline_access", "accounting.settings.read"}
    assert answer.refresh_token
    with pytest.raises(AuthorizeError, match="code refused"):
        exchange_code(config, {"code": code}, stage.transport, stage.time.clock)


def test_secrets_are_in_no_repr() -> None:
    for value in (Bearer("hush"), Token("hush", "hush", START, frozenset())):
        assert "hush" not in repr(value)
    assert "hush" not in repr(Request("https://x", Bearer("hush"), form={"refresh_token": "hush"}))


def test_secrets_are_in_no_log(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    stage.xero.fail(Fault.reset(), kind="token")
    stage.xero.fail(Fault.status(503), kind="connections")
    auth = stage.auth(tenant_id=None)
    secrets = {CLIENT_SECRET, stage.saved()}
    stage.get(auth)
    secrets |= {stage.saved(), auth.token().access_token}
    assert "token: connection reset; trying again in" in caplog.text
    assert not any(secret in caplog.text for secret in secrets)


def test_choosing_needs_no_network() -> None:
    connections = [Tenant("1", "A"), Tenant("2", "B")]
    assert choose_tenant(connections, "b").tenant_id == "2"
