"""The whole command and its tokens: none is lost, whatever happens to the run."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tap_xero.demo import DemoXero, Fault
from tap_xero.demo.identity import granted
from tests.support.run_tap import Output, catalog_of, tap

if TYPE_CHECKING:
    from tap_xero.demo.calls import Call

pytestmark = pytest.mark.invoices(5)
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def config(tmp_path: Path, xero: DemoXero) -> Path:
    return configured(tmp_path, xero)


def configured(tmp_path: Path, xero: DemoXero, **changes: Any) -> Path:  # noqa: ANN401
    path = tmp_path / "config.json"
    path.write_text(json.dumps(xero.config(**changes)))
    (tmp_path / "catalog.json").write_text(json.dumps(catalog_of(["accounts", "currencies"])))
    return path


def arguments(config: Path) -> tuple[str, ...]:
    return ("--config", str(config), "--catalog", str(config.parent / "catalog.json"))


def run(config: Path) -> subprocess.CompletedProcess[bytes]:
    return tap(*arguments(config))


def saved(path: Path) -> str:
    return str(json.loads(path.read_text())["refresh_token"])


def token_calls(xero: DemoXero) -> list[int]:
    """Return the statuses of all calls for a token."""
    return [call.status for call in xero.calls if call.kind == "token"]


def assert_complete(done: subprocess.CompletedProcess[bytes], xero: DemoXero) -> None:
    assert done.returncode == 0, done.stderr.decode()
    output = Output(done.stdout)
    for name, path in (("accounts", "Accounts"), ("currencies", "Currencies")):
        assert len(output.records(name)) == len(xero.organisation.rows(path))


def critical(done: subprocess.CompletedProcess[bytes]) -> str:
    assert done.returncode == 1
    lines = [line for line in done.stderr.decode().splitlines() if line.startswith("CRITICAL")]
    assert len(lines) == 1
    return lines[0]


def test_a_run_killed_at_its_first_data_call_has_saved_the_new_token(
    xero: DemoXero, config: Path
) -> None:
    given = saved(config)
    process = subprocess.Popen(
        [sys.executable, "-m", "tap_xero", *arguments(config)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )

    def kill(_: DemoXero, __: Call) -> None:
        process.kill()

    xero.before_call = kill
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert saved(config) == xero.identity.refresh_token != given
    xero.before_call = None
    assert_complete(run(config), xero)


def test_four_runs_at_once_on_one_config_take_turns(xero: DemoXero, config: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tap_xero", *arguments(config)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(4)
    ]
    for process in processes:
        out, err = process.communicate(timeout=100)
        assert_complete(subprocess.CompletedProcess([], process.returncode, out, err), xero)
    assert token_calls(xero) == [200] * 4
    assert saved(config) == xero.identity.refresh_token


def test_a_config_that_cannot_be_written_is_a_warning_before_the_token_is_spent(
    xero: DemoXero, config: Path
) -> None:
    (config.parent / "config.json.lock").mkdir()  # tests may run as root, whom no mode stops
    before = config.read_bytes()
    xero.fail(Fault.invalid_grant(), kind="token")
    stderr = run(config).stderr.decode()
    warning = stderr.index("WARNING")
    assert "token_file" in stderr[warning:]
    assert warning < stderr.index("CRITICAL"), "the token was not spent yet"
    assert_complete(run(config), xero)
    assert config.read_bytes() == before


def test_with_a_token_file_the_config_need_not_be_written(xero: DemoXero, tmp_path: Path) -> None:
    kept = tmp_path / "elsewhere.json"
    config = configured(tmp_path, xero, token_file=str(kept))
    before = config.read_bytes()
    for _ in range(2):
        done = run(config)
        assert_complete(done, xero)
        assert b"WARNING" not in done.stderr
        assert saved(kept) == xero.identity.refresh_token
    assert config.read_bytes() == before
    assert token_calls(xero) == [200, 200]


def test_a_token_answer_that_was_lost_is_asked_for_again(xero: DemoXero, config: Path) -> None:
    xero.fail(Fault.lost(), kind="token")
    done = run(config)
    assert_complete(done, xero)
    assert done.stderr.count(b"trying again") == 1
    assert saved(config) == xero.identity.refresh_token


def test_a_custom_connection_needs_its_id_and_secret_only(xero: DemoXero, tmp_path: Path) -> None:
    config = configured(tmp_path, xero, refresh_token=None, tenant_id=None)
    before = config.read_bytes()
    assert_complete(run(config), xero)
    assert config.read_bytes() == before


def test_an_access_token_is_enough_until_it_ends(xero: DemoXero, tmp_path: Path) -> None:
    token = xero.identity.new_access_token(xero.behaviour, granted(xero.behaviour))
    nothing = {"client_id": None, "client_secret": None, "refresh_token": None}
    config = configured(tmp_path, xero, access_token=token, **nothing)
    assert_complete(run(config), xero)
    xero.identity.expire_access_tokens()
    assert re.search("access_token has ended .*--authorize", critical(run(config)))
    assert not token_calls(xero)


def test_a_refused_token_names_the_cause_and_the_way_out(xero: DemoXero, config: Path) -> None:
    xero.identity.revoke()
    before = config.read_text()
    done = run(config)
    assert re.search("refresh token refused .*run tap-xero --authorize", critical(done))
    assert json.loads(config.read_text()) == json.loads(before)
    assert token_calls(xero) == [400], "a refusal is not asked for twice"
