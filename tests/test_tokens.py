"""The refresh token survives kills, other runs and files that cannot be written."""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tap_xero.clock import Clock
from tap_xero.config import Config, load_config
from tap_xero.errors import AuthorizeError, InputError, StopRunError
from tap_xero.tokens import RefreshToken, update_file
from tests.clocks import START, FakeTime
from tests.configs import make_config, write_config

ROOT = Path(__file__).parent.parent
PYTHON_PATH = {**os.environ, "PYTHONPATH": str(ROOT)}


def rotate(config: Config, new: str) -> str:
    """Use the token once, as a run does; return the one that was spent."""
    token = RefreshToken(config, FakeTime().clock)
    with token.turn():
        spent = token.value
        token.replace(new)
    assert spent is not None
    return spent


def content(path: Path) -> Any:  # noqa: ANN401
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_new_token_is_in_the_config_and_all_else_is_as_it_was(tmp_path: Path) -> None:
    keys = {
        "refresh_token": "old",
        "organization_name": "Zoë",
        "page_size": 10,
        "mine": {"a": [1.5, None]},
    }
    config = make_config(tmp_path, **keys)
    before = content(tmp_path / "config.json")
    assert rotate(config, "new") == "old"
    after = content(tmp_path / "config.json")
    assert after == {**before, "refresh_token": "new"}
    assert list(after) == list(before)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_the_mode_of_the_config_is_kept(tmp_path: Path, mode: int) -> None:
    config = make_config(tmp_path, refresh_token="old")
    (tmp_path / "config.json").chmod(mode)
    rotate(config, "new")
    assert (tmp_path / "config.json").stat().st_mode & 0o777 == mode


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_the_owner_of_the_config_is_kept_when_root_runs_the_tap(tmp_path: Path) -> None:
    config = make_config(tmp_path, refresh_token="old")
    os.chown(tmp_path / "config.json", 1234, 2345)
    rotate(config, "new")
    state = (tmp_path / "config.json").stat()
    assert (state.st_uid, state.st_gid) == (1234, 2345)


def test_a_config_that_is_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    real = write_config(tmp_path / "real" / "config.json", refresh_token="old")
    link = tmp_path / "config.json"
    link.symlink_to(real)
    rotate(load_config([str(link)], {}, START), "new")
    assert link.is_symlink()
    assert content(real)["refresh_token"] == "new"


def test_nothing_but_the_config_and_its_lock_is_left(tmp_path: Path) -> None:
    rotate(make_config(tmp_path, refresh_token="old"), "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "config.json.lock"]
    assert (tmp_path / "config.json.lock").stat().st_mode & 0o077 == 0


def test_a_token_that_another_run_has_rotated_is_used(tmp_path: Path) -> None:
    config = make_config(tmp_path, refresh_token="first")
    assert rotate(config, "second") == "first"
    assert rotate(config, "third") == "second", "this run had read the config before"


def test_a_key_changed_by_the_user_meanwhile_is_kept(tmp_path: Path) -> None:
    config = make_config(tmp_path, refresh_token="old", page_size=10)
    write_config(tmp_path / "config.json", refresh_token="old", page_size=20)
    rotate(config, "new")
    assert content(tmp_path / "config.json")["page_size"] == 20


def test_a_run_that_fails_between_keeps_the_old_token(tmp_path: Path) -> None:
    config = make_config(tmp_path, refresh_token="old")
    token = RefreshToken(config, FakeTime().clock)
    with pytest.raises(RuntimeError), token.turn():
        raise RuntimeError
    assert content(tmp_path / "config.json")["refresh_token"] == "old"
    assert rotate(config, "new") == "old", "the lock was given back"


def test_the_token_file_is_made_and_the_config_left_alone(tmp_path: Path) -> None:
    token_file = tmp_path / "token.json"
    config = make_config(tmp_path, refresh_token="first", token_file=str(token_file))
    before = (tmp_path / "config.json").read_bytes()
    assert rotate(config, "second") == "first"
    assert rotate(config, "third") == "second"
    assert (tmp_path / "config.json").read_bytes() == before
    assert content(token_file)["refresh_token"] == "third"
    assert token_file.stat().st_mode & 0o777 == 0o600


def test_a_new_token_in_the_config_counts_more_than_the_token_file(tmp_path: Path) -> None:
    keys = {"token_file": str(tmp_path / "token.json")}
    rotate(make_config(tmp_path, refresh_token="first", **keys), "second")
    assert (
        rotate(make_config(tmp_path, refresh_token="other-login", **keys), "third") == "other-login"
    )
    assert rotate(make_config(tmp_path, refresh_token="other-login", **keys), "fourth") == "third"


def test_the_token_file_is_enough_without_a_token_in_the_config(tmp_path: Path) -> None:
    token_file = tmp_path / "token.json"
    update_file(str(token_file), {"refresh_token": "first"}, FakeTime().clock)
    environ = {"TAP_XERO_START_DATE": "2024-01-01", "TAP_XERO_TOKEN_FILE": str(token_file)}
    config = load_config(["ENV"], environ, START)
    assert rotate(config, "second") == "first"
    assert content(token_file)["refresh_token"] == "second"


def test_a_damaged_token_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "token.json").write_text("{")
    config = make_config(tmp_path, refresh_token="first", token_file=str(tmp_path / "token.json"))
    with pytest.raises(InputError, match=r"token\.json: not JSON"):
        rotate(config, "second")


@pytest.mark.parametrize("config_is", ["in a directory that cannot be written", "a pipe", "ENV"])
def test_a_token_that_cannot_be_kept_is_a_warning_before_it_is_spent(
    tmp_path: Path, config_is: str, caplog: pytest.LogCaptureFixture
) -> None:
    if config_is == "ENV":
        environ = {"TAP_XERO_START_DATE": "2024-01-01", "TAP_XERO_REFRESH_TOKEN": "old"}
        config = load_config(["ENV"], environ, START)
    elif config_is == "a pipe":
        read, write = os.pipe()
        os.write(write, b'{"start_date": "2024-01-01", "refresh_token": "old"}')
        os.close(write)
        config = load_config([f"/dev/fd/{read}"], {}, START)
        os.close(read)
    else:
        config = make_config(tmp_path, refresh_token="old")
        (tmp_path / "config.json.lock").mkdir()  # the tests may run as root, whom no mode stops
    token = RefreshToken(config, FakeTime().clock)
    with token.turn():
        assert "token_file" in caplog.text
        assert "tap-xero --authorize" in caplog.text
        token.replace("new")
    with token.turn():
        assert token.value == "new", "for the rest of this run"
    assert [record.levelno for record in caplog.records] == [logging.WARNING], "once is enough"
    assert "old" not in caplog.text


@pytest.mark.skipif(os.geteuid() != 0, reason="switches to another user")
def test_a_read_only_config_is_left_alone() -> None:
    script = """
        import os, sys, logging
        from tests.test_tokens import rotate, load_config, START
        logging.basicConfig()
        config = load_config([sys.argv[1]], {}, START)
        os.setuid(65534)
        assert rotate(config, "new") == "old"
    """
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o777)
        path = write_config(Path(directory) / "config.json", refresh_token="old")
        path.chmod(0o444)
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script), str(path)],
            env=PYTHON_PATH,
            check=True,
            capture_output=True,
            text=True,
        )
        assert "the file is read-only" in done.stderr
        assert content(path)["refresh_token"] == "old"


def test_a_new_token_that_cannot_be_saved_after_all_is_an_error(tmp_path: Path) -> None:
    token = RefreshToken(make_config(tmp_path, refresh_token="old"), FakeTime().clock)
    with token.turn():
        (tmp_path / "config.json.new").mkdir()
        with pytest.raises(AuthorizeError, match="within 30 minutes"):
            token.replace("new")


def test_a_lock_that_is_never_given_back_ends_the_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    config = make_config(tmp_path, refresh_token="old")
    time_ = FakeTime()
    with RefreshToken(config, time_.clock).turn():
        with pytest.raises(StopRunError, match=r"config\.json\.lock"):
            rotate_with(config, time_)
        assert 590 < time_.seconds < 620
    assert caplog.text.count("waiting for another run") == 1


def rotate_with(config: Config, time_: FakeTime) -> None:
    with RefreshToken(config, time_.clock).turn():
        pass


def test_runs_on_one_config_take_turns(tmp_path: Path) -> None:
    """Each run adds one to the number it finds; none must be lost."""
    config = make_config(tmp_path, refresh_token="0")
    clock = Clock(sleep=lambda _: time.sleep(0.001))

    def use(times: int) -> None:
        token = RefreshToken(config, clock)
        for _ in range(times):
            with token.turn():
                token.replace(str(int(token.value or "") + 1))

    threads = [threading.Thread(target=use, args=(10,)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert content(tmp_path / "config.json")["refresh_token"] == "50"


def test_a_kill_at_any_moment_leaves_a_whole_config(tmp_path: Path) -> None:
    path = write_config(tmp_path / "config.json", refresh_token="0", client_id="x" * 20_000)
    script = """
        import sys
        from tests.test_tokens import RefreshToken, load_config, START, Clock
        token = RefreshToken(load_config([sys.argv[1]], {}, START), Clock())
        print("ready", flush=True)
        while True:
            with token.turn():
                token.replace(str(int(token.value) + 1))
    """
    randomly = random.Random(7)
    for _ in range(4):
        before = int(content(path)["refresh_token"])
        run = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script), str(path)],
            env=PYTHON_PATH,
            stdout=subprocess.PIPE,
        )
        assert run.stdout
        run.stdout.readline()
        for _ in range(20):
            time.sleep(randomly.random() / 100)
            run.send_signal(signal.SIGSTOP)
            assert len(content(path)["client_id"]) == 20_000
            run.send_signal(signal.SIGCONT)
        run.send_signal(signal.SIGKILL)
        run.wait()
        run.stdout.close()
        assert int(content(path)["refresh_token"]) > before


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc"), inner),
    max_leaves=5,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.dictionaries(st.text("xyz", min_size=1), JSON_VALUES))
def test_whatever_else_is_in_the_file_is_kept(tmp_path: Path, other: dict[str, object]) -> None:
    config = make_config(tmp_path, refresh_token="old", **other)
    before = content(tmp_path / "config.json")
    rotate(config, "new")
    assert content(tmp_path / "config.json") == {**before, "refresh_token": "new"}
