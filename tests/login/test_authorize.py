"""`--authorize` as a person meets it: the command, and a browser played by an HTTP client."""

from __future__ import annotations

import json
import os
import stat
import sys
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from tap_xero.cli import main
from tap_xero.commands.authorize import code_in
from tap_xero.commands.loopback import Loopback
from tap_xero.demo import Behaviour, DemoXero, Fault, Tenant
from tap_xero.errors import AuthorizeError, InputError
from tests.support.run_tap import catalog_of, log_left_as_it_is, log_lines, tap

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.invoices(5)
TIMEOUT = 10
SHOPS = (
    Tenant("tenant-a", "Amber Café"),
    Tenant("tenant-b", "Birch Bikes"),
    Tenant("tenant-c", "Birch Bikes"),
)


class Login:
    """`tap-xero --authorize`, running in a thread: `address` is the consent page that it shows."""

    def __init__(self, *arguments: str) -> None:
        reading, writing = os.pipe()
        self._said = os.fdopen(reading, encoding="utf-8")
        sys.stderr = os.fdopen(writing, "w", encoding="utf-8")
        reading, writing = os.pipe()
        sys.stdin = os.fdopen(reading, encoding="utf-8")
        self._keys = os.fdopen(writing, "w", encoding="utf-8")
        self._codes: list[int] = []
        self._thread = threading.Thread(target=self._run, args=(["--authorize", *arguments],))
        self._thread.start()
        self.said = ""
        self.address = self._until("http://127.0.0.1").strip()

    def _run(self, arguments: list[str]) -> None:
        stderr, stdin = sys.stderr, sys.stdin
        self._codes.append(main(arguments))
        stderr.close()
        stdin.close()

    def _until(self, start: str) -> str:
        while line := self._said.readline():
            self.said += line
            if line.startswith(start):
                return line
        return ""

    @property
    def query(self) -> dict[str, str]:
        """What the consent page is asked for."""
        return {name: values[0] for name, values in parse_qs(urlsplit(self.address).query).items()}

    def browse(self) -> requests.Response:
        """Open the consent page, where the demo agrees at once, and follow it back."""
        return requests.get(self.address, timeout=TIMEOUT)

    def end(self, typed: str = "") -> int:
        """Type, wait for the end, and return the exit code; `said` is then all of stderr."""
        self._keys.write(typed)
        self._keys.close()
        with self._said:
            self.said += self._said.read()
        self._thread.join(TIMEOUT)
        return self._codes[0]


@pytest.fixture(autouse=True)
def _a_terminal_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[None]:
    """Let a login take stdin, stderr and the log, and see that it leaves stdout to Singer."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    stdin, stderr = sys.stdin, sys.stderr
    with log_left_as_it_is():
        yield
    sys.stdin, sys.stderr = stdin, stderr
    assert capfd.readouterr().out == ""


def write(tmp_path: Path, xero: DemoXero, **changes: Any) -> Path:  # noqa: ANN401
    """Write the config of a person who has only made an app; None leaves a key out."""
    config = {"refresh_token": None, "tenant_id": None} | changes
    path = tmp_path / "config.json"
    path.write_text(json.dumps(xero.config(**config) | {"user_agent": "kept"}))
    path.chmod(0o644)
    return path


def test_consent_puts_tokens_and_organisation_into_the_config(
    tmp_path: Path, xero: DemoXero
) -> None:
    path = write(tmp_path, xero)
    login = Login("--config", str(path), "--port", "0")
    assert "go back to the terminal" in login.browse().text
    assert login.end() == 0, login.said
    kept = json.loads(path.read_text())
    assert kept["refresh_token"] == xero.identity.refresh_token
    assert kept["tenant_id"] == xero.config()["tenant_id"]
    assert kept["user_agent"] == "kept"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "Verified by a call to Xero: Harbour Street Cycles Limited, NZ" in login.said
    assert "--check" in login.said.split("Next:")[1]


def test_after_authorize_a_sync_works(tmp_path: Path, xero: DemoXero) -> None:
    path = write(tmp_path, xero)
    login = Login("--config", str(path), "--port", "0")
    login.browse()
    assert login.end() == 0, login.said
    run = tap("--config", str(path))
    assert run.returncode == 0, run.stderr.decode()
    assert b'"type":"RECORD"' in run.stdout


def test_an_app_without_a_secret_proves_itself_by_pkce(tmp_path: Path, xero: DemoXero) -> None:
    path = write(tmp_path, xero, client_secret=None)
    login = Login("--config", str(path), "--port", "0")
    assert login.query["code_challenge_method"] == "S256"
    login.browse()
    assert login.end() == 0, login.said
    assert all("authorization" not in call.headers for call in xero.calls if call.kind == "token")


def test_an_app_with_a_secret_sends_no_challenge(tmp_path: Path, xero: DemoXero) -> None:
    login = Login("--config", str(write(tmp_path, xero)), "--port", "0")
    assert "code_challenge" not in login.query
    login.browse()
    login.end()


def test_consent_is_asked_for_offline_access_and_the_read_scopes(
    tmp_path: Path, xero: DemoXero
) -> None:
    login = Login("--config", str(write(tmp_path, xero)), "--no-browser")
    scopes = login.query["scope"].split()
    login.end()
    assert "offline_access" in scopes
    assert "accounting.invoices.read" in scopes
    assert not [scope for scope in scopes if scope in ("accounting.invoices", "app.connections")]


def test_scopes_are_those_of_the_streams_that_the_catalog_selects(
    tmp_path: Path, xero: DemoXero
) -> None:
    catalog = tmp_path / "catalog.json"
    catalog.write_text(json.dumps(catalog_of(["aged_receivables_by_contact", "attachments"])))
    config = str(write(tmp_path, xero))
    login = Login("--config", config, "--catalog", str(catalog), "--no-browser")
    scopes = login.query["scope"].split()
    login.end()
    reports, contacts = "accounting.reports.aged.read", "accounting.contacts.read"
    assert scopes == ["offline_access", "accounting.attachments.read", contacts, reports]


def test_scopes_of_the_config_are_asked_for_instead(tmp_path: Path, xero: DemoXero) -> None:
    path = write(tmp_path, xero, scopes="accounting.transactions.read")
    login = Login("--config", str(path), "--no-browser")
    scopes = login.query["scope"]
    login.end()
    assert scopes == "offline_access accounting.transactions.read"


def test_connected_but_unread_is_not_called_verified(tmp_path: Path, xero: DemoXero) -> None:
    path = write(tmp_path, xero, scopes="accounting.contacts.read")
    login = Login("--config", str(path), "--port", "0")
    login.browse()
    assert login.end() == 0, login.said
    assert "Not verified" in login.said
    assert "Verified by" not in login.said


def test_an_answer_with_another_state_is_turned_away_and_the_right_one_still_counts(
    tmp_path: Path, xero: DemoXero
) -> None:
    path = write(tmp_path, xero)
    login = Login("--config", str(path), "--port", "0")
    back = login.query["redirect_uri"].replace("localhost", "127.0.0.1")
    assert requests.get(f"{back}?code=evil&state=guess", timeout=TIMEOUT).status_code == 400
    assert requests.get(f"{back}?code=evil", timeout=TIMEOUT).status_code == 400
    icon = back.replace("/callback", "/favicon.ico")
    assert requests.get(icon, timeout=TIMEOUT).status_code == 404
    assert login.browse().status_code == 200
    assert login.end() == 0, login.said


def test_the_port_is_closed_after_the_answer(tmp_path: Path, xero: DemoXero) -> None:
    login = Login("--config", str(write(tmp_path, xero)), "--port", "0")
    login.browse()
    assert login.end() == 0
    with pytest.raises(requests.ConnectionError):
        requests.get(login.query["redirect_uri"], timeout=TIMEOUT)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("access_denied", "consent was refused"),
        ("invalid_scope", "may not have all of these scopes"),
        ("<script>", "an error without a name"),
    ],
)
def test_a_refusal_on_the_consent_page_is_one_clear_line(
    tmp_path: Path, xero: DemoXero, error: str, said: str
) -> None:
    path = write(tmp_path, xero)
    before = path.read_text()
    login = Login("--config", str(path), "--port", "0")
    back = login.query["redirect_uri"].replace("localhost", "127.0.0.1")
    answer = {"error": error, "state": login.query["state"]}
    requests.get(back, params=answer, timeout=TIMEOUT)
    assert login.end() == 1
    assert said in login.said.splitlines()[-1]
    assert login.said.count("CRITICAL") == 1
    assert "Traceback" not in login.said
    assert json.loads(path.read_text()) == json.loads(before)


def test_without_a_browser_the_address_of_the_dead_page_is_pasted(
    tmp_path: Path, xero: DemoXero
) -> None:
    path = write(tmp_path, xero)
    login = Login("--config", str(path), "--no-browser")
    consent = requests.get(login.address, timeout=TIMEOUT, allow_redirects=False)
    assert login.end(consent.headers["Location"] + "\n") == 0, login.said
    assert json.loads(path.read_text())["refresh_token"] == xero.identity.refresh_token


def test_without_a_browser_the_bare_code_will_do(tmp_path: Path, xero: DemoXero) -> None:
    path = write(tmp_path, xero)
    login = Login("--config", str(path), "--no-browser")
    consent = requests.get(login.address, timeout=TIMEOUT, allow_redirects=False)
    code = parse_qs(urlsplit(consent.headers["Location"]).query)["code"][0]
    assert login.end(code + "\n") == 0, login.said


def test_of_several_organisations_one_is_picked_by_number(tmp_path: Path) -> None:
    with DemoXero(size=5, behaviour=Behaviour(organisations=SHOPS)) as xero:
        path = write(tmp_path, xero)
        login = Login("--config", str(path), "--port", "0")
        login.browse()
        assert login.end("\n4\nx\n2\n") == 0, login.said
    assert json.loads(path.read_text())["tenant_id"] == "tenant-b"
    assert "  1  Amber Café (tenant-a)" in login.said


def test_an_organisation_named_in_the_config_is_not_asked_for(tmp_path: Path) -> None:
    with DemoXero(size=5, behaviour=Behaviour(organisations=SHOPS)) as xero:
        path = write(tmp_path, xero, organization_name="amber café")
        login = Login("--config", str(path), "--port", "0")
        login.browse()
        assert login.end() == 0, login.said
    assert json.loads(path.read_text())["tenant_id"] == "tenant-a"


def test_a_tenant_that_the_login_does_not_reach_leads_to_the_choice(tmp_path: Path) -> None:
    with DemoXero(size=5, behaviour=Behaviour(organisations=SHOPS)) as xero:
        path = write(tmp_path, xero, tenant_id="00000000-0000-0000-0000-000000000000")
        login = Login("--config", str(path), "--port", "0")
        login.browse()
        assert login.end("3\n") == 0, login.said
    assert json.loads(path.read_text())["tenant_id"] == "tenant-c"
    assert "is not among the organisations" in login.said


def test_tokens_are_kept_even_if_nobody_picks_an_organisation(tmp_path: Path) -> None:
    with DemoXero(size=5, behaviour=Behaviour(organisations=SHOPS)) as xero:
        path = write(tmp_path, xero)
        login = Login("--config", str(path), "--port", "0")
        login.browse()
        assert login.end() == 1
        assert json.loads(path.read_text())["refresh_token"] == xero.identity.refresh_token
    assert "stdin ended before an answer" in login.said


def test_a_login_of_another_user_is_refused(tmp_path: Path, xero: DemoXero) -> None:
    path = write(tmp_path, xero, xero_user_id="11111111-1111-1111-1111-111111111111")
    login = Login("--config", str(path), "--port", "0")
    login.browse()
    assert login.end() == 1
    assert "xero_user_id is 11111111" in login.said


@pytest.mark.parametrize("expires_in", [1800, 0])
def test_a_login_of_another_user_leaves_the_working_token(tmp_path: Path, expires_in: int) -> None:
    with DemoXero(size=5, behaviour=Behaviour(expires_in=expires_in)) as xero:
        user = "11111111-1111-1111-1111-111111111111"
        path = write(tmp_path, xero, xero_user_id=user, refresh_token="working")
        login = Login("--config", str(path), "--port", "0")
        login.browse()
        assert login.end() == 1
        assert "xero_user_id is 11111111" in login.said
        assert [call.kind for call in xero.calls].count("token") == 1
    assert json.loads(path.read_text())["refresh_token"] == "working"


def test_tokens_that_could_not_be_saved_are_not_called_saved(
    tmp_path: Path, xero: DemoXero
) -> None:
    path = write(tmp_path, xero, refresh_token="old")
    login = Login("--config", str(path), "--port", "0")
    (tmp_path / "config.json.new").mkdir()
    login.browse()
    assert login.end() == 1
    last = log_lines(login.said)[-1]
    assert last.startswith(f"CRITICAL {path}: the tokens could not be saved (Is a directory)")
    assert "run --authorize again" in last
    assert "are saved" not in login.said
    assert json.loads(path.read_text())["refresh_token"] == "old"


def test_what_a_config_that_cannot_be_written_lacks_is_said(tmp_path: Path, xero: DemoXero) -> None:
    path = write(tmp_path, xero, access_token="old", token_file=str(tmp_path / "tokens.json"))
    (tmp_path / "config.json.lock").mkdir()  # the tests may run as root, whom no mode stops
    login = Login("--config", str(path), "--port", "0")
    login.browse()
    assert login.end() == 0, login.said
    tenant = xero.config()["tenant_id"]
    assert f"{path} cannot be written (Is a directory): set tenant_id to {tenant}" in login.said
    assert "remove access_token there" in login.said
    saved = json.loads((tmp_path / "tokens.json").read_text())
    assert saved["refresh_token"] == xero.identity.refresh_token


def test_a_token_file_of_a_home_that_is_not_is_named(tmp_path: Path, xero: DemoXero) -> None:
    path = write(tmp_path, xero, token_file="~no-such-user/tokens.json")
    run = tap("--authorize", "--config", str(path))
    assert log_lines(run.stderr)[0].startswith(
        "CRITICAL token_file: ~no-such-user/tokens.json is no"
    )


def test_no_secret_is_ever_shown(tmp_path: Path, xero: DemoXero) -> None:
    path = write(tmp_path, xero)
    login = Login("--config", str(path), "--port", "0", "--debug")
    login.browse()
    assert login.end() == 0, login.said
    secret = [xero.identity.refresh_token, xero.config()["client_secret"], *xero.identity.logins]
    assert not [value for value in secret if value in login.said]


def test_config_from_the_environment_keeps_its_token_in_token_file(
    tmp_path: Path, xero: DemoXero, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = tmp_path / "tokens.json"
    keys = xero.config(refresh_token="", tenant_id="", token_file=str(tokens))
    environment = {f"TAP_XERO_{key.upper()}": str(value) for key, value in keys.items()}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    login = Login("--config", "ENV", "--port", "0")
    login.browse()
    assert login.end() == 0, login.said
    assert json.loads(tokens.read_text())["refresh_token"] == xero.identity.refresh_token
    assert stat.S_IMODE(tokens.stat().st_mode) == 0o600
    assert f"TAP_XERO_TENANT_ID={xero.config()['tenant_id']}" in login.said
    run = tap("--config", "ENV")
    assert run.returncode == 0, run.stderr.decode()


def test_a_new_consent_replaces_the_token_that_token_file_holds(
    tmp_path: Path, xero: DemoXero
) -> None:
    tokens = tmp_path / "tokens.json"
    path = write(tmp_path, xero, refresh_token="dead", token_file=str(tokens))
    tokens.write_text('{"refresh_token": "older", "descends_from": "0"}')
    login = Login("--config", str(path), "--port", "0")
    login.browse()
    assert login.end() == 0, login.said
    xero.identity.expire_access_tokens()
    run = tap("--config", str(path))
    assert run.returncode == 0, run.stderr.decode()


def test_a_consent_for_one_config_leaves_the_token_of_another_in_token_file(
    tmp_path: Path, xero: DemoXero
) -> None:
    tokens = tmp_path / "tokens.json"
    path = write(tmp_path, xero, refresh_token="dead", token_file=str(tokens))
    tokens.write_text('{"refresh_token": "of another", "descends_from": "0"}')
    login = Login("--config", str(path), "--port", "0")
    login.browse()
    assert login.end() == 0, login.said
    kept = json.loads(tokens.read_text())
    assert kept["refresh_token"] == xero.identity.refresh_token
    assert kept["other_refresh_tokens"] == {"0": "of another"}


def test_the_browser_is_opened(tmp_path: Path, xero: DemoXero) -> None:
    browser = tmp_path / "browser.py"
    browser.write_text(
        "import sys, urllib.request\nurllib.request.urlopen(sys.argv[1], timeout=10).read()\n"
    )
    path = write(tmp_path, xero)
    opener = f"{sys.executable} {browser} %s"
    run = tap("--authorize", "--config", str(path), "--port", "0", env={"BROWSER": opener})
    assert run.returncode == 0, run.stderr.decode()


def test_a_token_answer_that_is_refused_says_why(tmp_path: Path, xero: DemoXero) -> None:
    xero.fail(Fault.invalid_grant(), kind="token")
    login = Login("--config", str(write(tmp_path, xero)), "--port", "0")
    login.browse()
    assert login.end() == 1
    assert "code refused (invalid_grant)" in login.said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"client_id": None}, "client_id is missing"),
        ({"start_date": None}, "start_date is missing"),
    ],
)
def test_a_config_that_cannot_serve_is_named_before_anybody_logs_in(
    tmp_path: Path, xero: DemoXero, changes: dict[str, Any], said: str
) -> None:
    run = tap("--authorize", "--config", str(write(tmp_path, xero, **changes)))
    assert run.returncode == 1
    lines = run.stderr.decode().splitlines()
    assert len(lines) == 1
    assert said in lines[0]


def test_without_a_file_for_the_tokens_nobody_has_to_log_in(xero: DemoXero) -> None:
    keys = xero.config(refresh_token="", tenant_id="")
    environment = {f"TAP_XERO_{key.upper()}": str(value) for key, value in keys.items()}
    run = tap("--authorize", "--config", "ENV", env=environment)
    assert run.returncode == 1
    assert b"needs a file for the tokens" in run.stderr


def test_a_file_that_cannot_be_written_is_named_before_anybody_logs_in(
    tmp_path: Path, xero: DemoXero
) -> None:
    tokens = str(tmp_path / "config.json" / "tokens.json")
    run = tap("--authorize", "--config", str(write(tmp_path, xero, token_file=tokens)))
    assert run.returncode == 1
    assert f"{tokens}: cannot be written: Not a directory" in run.stderr.decode()
    assert len(run.stderr.splitlines()) == 1


def test_an_access_token_of_the_old_login_does_not_outlive_it(
    tmp_path: Path, xero: DemoXero
) -> None:
    path = write(tmp_path, xero, access_token="old")
    login = Login("--config", str(path), "--port", "0")
    login.browse()
    assert login.end() == 0, login.said
    assert json.loads(path.read_text())["access_token"] is None


def test_a_port_that_is_taken_is_named() -> None:
    with Loopback(0, "state") as first:
        port = urlsplit(first.redirect_uri).port or 0
        with pytest.raises(InputError, match="--port"):
            Loopback(port, "state")


def test_who_never_comes_back_is_not_waited_for_for_ever() -> None:
    with Loopback(0, "state") as loopback, pytest.raises(AuthorizeError, match="--no-browser"):
        loopback.wait(0.01)


@pytest.mark.parametrize(
    ("pasted", "code"),
    [
        ("  abc-_123 \n", "abc-_123"),
        ("http://localhost:8484/callback?code=abc&scope=x&state=s", "abc"),
        ("code=abc&state=s", "abc"),
    ],
)
def test_what_is_pasted_is_understood(pasted: str, code: str) -> None:
    assert code_in(pasted, "s") == code


@pytest.mark.parametrize(
    "pasted", ["", "http://localhost:8484/callback?code=abc&state=other", "code=abc", "state=s"]
)
def test_what_is_pasted_in_error_is_refused(pasted: str) -> None:
    with pytest.raises(AuthorizeError):
        code_in(pasted, "s")
