"""The refresh token survives kills, other runs and files that cannot be written."""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import random
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tap_xero.clock import Clock
from tap_xero.config import Config, load_config
from tap_xero.details.attachment_files import prepare_folder
from tap_xero.errors import AuthorizeError, InputError, StopRunError
from tap_xero.login.refresh_token import RefreshToken
from tap_xero.login.token_file import update_file
from tests.support.config_files import make_config, write_config
from tests.support.fake_clock import START, FakeTime
from tests.support.refresh_tokens import rotate

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent.parent
PYTHON_PATH = {**os.environ, "PYTHONPATH": str(ROOT)}

ROTATE = """
    import logging, os, sys
    from tap_xero.clock import Clock
    from tap_xero.config import load_config
    from tap_xero.login.refresh_token import RefreshToken
    from tests.support.fake_clock import START
    logging.basicConfig(format="%(levelname)s %(message)s")
    path, new, user, *groups = sys.argv[1:]
    config = load_config([path], {}, START)
    if int(user):
        os.setgroups([int(group) for group in groups])
        os.setgid(int(user))
        os.setuid(int(user))
    token = RefreshToken(config, Clock())
    with token.exclusive():
        print(token.value)
        token.replace(new)
"""
USER, ANOTHER, GROUP = 1234, 2345, 5000
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="changes users or owners")


def rotate_apart(
    path: Path, new: str, *groups: int, user: int = 0, before: str = ""
) -> subprocess.CompletedProcess[str]:
    """Use the token once in a process of its own, which prints the one that it spends.

    `user`, whose own group has the same number, needs root, as does `before`, which is a script
    for the shell: what it mounts is seen by this process only.
    """
    rotate = [sys.executable, "-c", textwrap.dedent(ROTATE), str(path), new, str(user)]
    command = [*rotate, *map(str, groups)]
    if before:
        command = ["unshare", "--mount", "sh", "-ec", f'{before}\nexec "$@"', "sh", *command]
    return subprocess.run(command, env=PYTHON_PATH, capture_output=True, text=True, check=False)


@pytest.fixture
def shared() -> Iterator[Path]:
    """Return a folder of USER, which others may enter, unlike those that pytest makes."""
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        folder.chmod(0o755)
        os.chown(folder, USER, USER)
        yield folder


@pytest.fixture
def _mounts() -> None:
    """Skip where this user may mount nothing: it is not root, or root of a container only."""
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("may not mount")


def shared_config(folder: Path, mode: int = 0o600, group: int = USER, **keys: Any) -> Path:  # noqa: ANN401
    path = write_config(folder / "config.json", refresh_token="old", **keys)
    os.chown(path, USER, group)
    path.chmod(mode)
    return path


def assert_rotated(done: subprocess.CompletedProcess[str], spent: str) -> None:
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{spent}\n", "")


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
    with pytest.raises(RuntimeError), token.exclusive():
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


def test_configs_that_share_a_token_file_lose_no_token(tmp_path: Path) -> None:
    configs = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        keys = {"refresh_token": f"{name}0", "token_file": str(tmp_path / "token.json")}
        configs.append(make_config(tmp_path / name, **keys))
    first, second = configs
    assert rotate(first, "a1") == "a0"
    assert rotate(second, "b1") == "b0"
    assert rotate(first, "a2") == "a1"
    assert rotate(second, "b2") == "b1"
    assert content(tmp_path / "token.json")["refresh_token"] == "b2", "the last one used"


def test_an_old_config_by_mistake_does_not_touch_the_living_token(tmp_path: Path) -> None:
    keys = {"token_file": str(tmp_path / "token.json")}
    rotate(make_config(tmp_path, refresh_token="new", **keys), "living")
    before = content(tmp_path / "token.json")
    rolled_back = RefreshToken(make_config(tmp_path, refresh_token="old", **keys), FakeTime().clock)
    with pytest.raises(RuntimeError), rolled_back.exclusive():
        raise RuntimeError
    assert content(tmp_path / "token.json") == before
    assert rotate(make_config(tmp_path, refresh_token="new", **keys), "next") == "living"


def test_a_token_without_an_origin_is_kept_for_the_config_without_a_token(tmp_path: Path) -> None:
    token_file = tmp_path / "token.json"
    token_file.write_text('{"refresh_token": "mine"}')
    other = make_config(tmp_path, refresh_token="other", token_file=str(token_file))
    rotate(other, "other2")
    (tmp_path / "mine").mkdir()
    mine = make_config(tmp_path / "mine", token_file=str(token_file))
    assert rotate(mine, "mine2") == "mine"
    assert rotate(other, "other3") == "other2"
    assert rotate(mine, "mine3") == "mine2"


def test_tokens_that_are_spent_do_not_pile_up(tmp_path: Path) -> None:
    """A wrapper may put the newest token into the config each time."""
    token_file = tmp_path / "token.json"
    for number in range(5):
        keys = {"refresh_token": f"t{number}", "token_file": str(token_file)}
        assert rotate(make_config(tmp_path, **keys), f"t{number + 1}") == f"t{number}"
    assert sorted(content(token_file)) == ["descends_from", "refresh_token"]


def test_the_token_file_may_be_the_config(tmp_path: Path) -> None:
    keys = {"refresh_token": "old", "token_file": str(tmp_path / "config.json")}
    config = make_config(tmp_path, **keys)
    before = content(tmp_path / "config.json")
    assert rotate(config, "new") == "old"
    assert content(tmp_path / "config.json") == {**before, "refresh_token": "new"}


@pytest.mark.parametrize("stored", ["new\n", "\tnew  "])
def test_white_space_around_a_stored_token_is_none_of_it(tmp_path: Path, stored: str) -> None:
    config = make_config(tmp_path, refresh_token="old")
    write_config(tmp_path / "config.json", refresh_token=stored)
    assert rotate(config, "next") == "new"


@pytest.mark.parametrize("stored", ["", "  \n", None])
def test_a_blank_token_is_none(tmp_path: Path, stored: str | None) -> None:
    (tmp_path / "token.json").write_text(json.dumps({"refresh_token": stored}))
    config = make_config(tmp_path, token_file=str(tmp_path / "token.json"))
    assert RefreshToken(config, FakeTime().clock).value is None


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
    with token.exclusive():
        assert "token_file" in caplog.text
        assert "tap-xero --authorize" in caplog.text
        token.replace("new")
    with token.exclusive():
        assert token.value == "new", "for the rest of this run"
    assert [record.levelno for record in caplog.records] == [logging.WARNING], "once is enough"
    assert "old" not in caplog.text


@pytest.mark.skipif(os.geteuid() != 0, reason="switches to another user")
def test_a_read_only_config_is_left_alone() -> None:
    script = """
        import os, sys, logging
        from tap_xero.config import load_config
        from tests.support.fake_clock import START
        from tests.support.refresh_tokens import rotate
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
    with token.exclusive():
        (tmp_path / "config.json.new").mkdir()
        with pytest.raises(AuthorizeError, match="within 30 minutes"):
            token.replace("new")


# Files of others


@as_root
def test_a_lock_that_root_has_made_belongs_to_the_owner_of_the_config(shared: Path) -> None:
    config = shared_config(shared, 0o600)
    assert rotate_apart(config, "by-root").stdout == "old\n"
    lock = (shared / "config.json.lock").stat()
    assert (lock.st_uid, lock.st_gid, lock.st_mode & 0o777) == (USER, USER, 0o600)
    assert_rotated(rotate_apart(config, "by-user", user=USER), "by-root")


@as_root
def test_the_lock_of_a_new_token_file_belongs_to_the_owner_of_its_folder(shared: Path) -> None:
    config = shared_config(shared, token_file=str(shared / "state" / "token.json"))
    (shared / "state").mkdir()
    os.chown(shared / "state", USER, USER)
    assert_rotated(rotate_apart(config, "new"), "old")
    assert (shared / "state" / "token.json.lock").stat().st_uid == USER


@as_root
@pytest.mark.parametrize("mode", [0o600, 0o444], ids=["closed", "read-only"])
def test_a_lock_that_cannot_be_written_still_locks(shared: Path, mode: int) -> None:
    config = shared_config(shared)
    (shared / "config.json.lock").touch()
    (shared / "config.json.lock").chmod(mode)
    assert_rotated(rotate_apart(config, "new", user=USER), "old")
    assert_rotated(rotate_apart(config, "next", user=USER), "new")


@as_root
def test_in_a_folder_of_somebody_else_the_config_is_written_in_place(shared: Path) -> None:
    config = shared_config(shared)
    os.chown(shared, 0, 0)
    assert_rotated(rotate_apart(config, "longer-than-before", user=USER), "old")
    assert_rotated(rotate_apart(config, "x", user=USER), "longer-than-before")
    assert content(config)["refresh_token"] == "x"
    assert [path.name for path in shared.iterdir()] == ["config.json"]


@pytest.mark.usefixtures("_mounts")
@pytest.mark.parametrize("place", [None, "/dev/shm"], ids=["same disk", "another"])  # noqa: S108
def test_a_config_that_is_mounted_by_itself_is_written_in_place(
    shared: Path, place: str | None
) -> None:
    config = shared_config(shared)
    with tempfile.TemporaryDirectory(dir=place) as directory:
        host = write_config(Path(directory) / "host.json", refresh_token="of-the-host")
        mount = f"mount --bind {host} {config}"
        assert_rotated(rotate_apart(config, "new", before=mount), "of-the-host")
        assert content(host)["refresh_token"] == "new"
    assert not (shared / "config.json.new").exists(), "it would hold secrets"


@pytest.mark.usefixtures("_mounts")
@pytest.mark.parametrize("key", ["config", "token_file"])
def test_on_a_full_disk_no_token_is_spent(shared: Path, key: str) -> None:
    disk = shared / "disk"
    disk.mkdir()
    apart: Any = {"token_file": str(disk / "token.json")}
    config = shared_config(shared, **(apart if key == "token_file" else {}))
    used = config if key == "token_file" else disk / "config.json"
    fill = f"""
        mount -t tmpfs -o size=16k none {disk}
        cp {config} {disk}
        cat /dev/zero > {disk}/filler 2> /dev/null || true
    """
    done = rotate_apart(used, "new", before=textwrap.dedent(fill))
    assert "old" not in done.stdout, "it is not given out"
    last = done.stderr.splitlines()[-1]
    assert last.startswith("tap_xero.errors.StopRunError")
    for part in (str(disk), "No space left on device", "not spent", "run again"):
        assert part in last


def test_where_writing_fails_no_token_is_spent(tmp_path: Path) -> None:
    config = make_config(tmp_path, refresh_token="old")
    before = (tmp_path / "config.json").read_bytes()
    script = """
        import resource, sys
        from tap_xero.config import load_config
        from tests.support.fake_clock import START
        from tests.support.refresh_tokens import rotate
        config = load_config([sys.argv[1]], {}, START)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
        rotate(config, "new")
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(config.path)]
    done = subprocess.run(command, env=PYTHON_PATH, capture_output=True, text=True, check=False)
    assert "StopRunError" in done.stderr.splitlines()[-1]
    assert "File too large" in done.stderr.splitlines()[-1]
    assert (tmp_path / "config.json").read_bytes() == before
    assert not (tmp_path / "config.json.new").exists(), "it would hold secrets"


def test_a_token_file_that_cannot_be_written_is_no_mere_warning(tmp_path: Path) -> None:
    (tmp_path / "token.json.lock").mkdir()  # the tests may run as root, whom no mode stops
    config = make_config(tmp_path, refresh_token="old", token_file=str(tmp_path / "token.json"))
    with pytest.raises(
        StopRunError, match=r"^token_file: .*token\.json cannot be written .*not sp"
    ):
        rotate(config, "new")


def test_the_folder_of_the_token_file_is_made(tmp_path: Path) -> None:
    token_file = tmp_path / "not" / "there" / "token.json"
    config = make_config(tmp_path, refresh_token="old", token_file=str(token_file))
    rotate(config, "new")
    assert rotate(config, "next") == "new"
    assert token_file.parent.stat().st_mode & 0o077 == 0


@as_root
def test_a_token_file_where_one_may_not_enter_is_named(shared: Path) -> None:
    config = shared_config(shared, token_file=str(shared / "vault" / "token.json"))
    (shared / "vault").mkdir(mode=0o700)
    last = rotate_apart(config, "new", user=USER).stderr.splitlines()[-1]
    assert last.startswith("tap_xero.errors.InputError: token_file: ")
    assert "vault/token.json: cannot be read: Permission denied" in last


@pytest.mark.parametrize("path", ["~no-such-user/token.json", "a\0b"])
def test_a_token_file_that_is_no_path_is_named(tmp_path: Path, path: str) -> None:
    with pytest.raises(InputError, match=r"^token_file: .* is no path here"):
        rotate(make_config(tmp_path, refresh_token="old", token_file=path), "new")


def test_a_folder_for_attachments_that_is_no_path_is_named() -> None:
    with pytest.raises(InputError, match=r"^attachments_dir: ~no-such-user/files cannot"):
        prepare_folder("~no-such-user/files")


@as_root
@pytest.mark.parametrize(("groups", "mode"), [((GROUP,), 0o660), ((), 0o606)])
def test_another_group_never_reads_what_the_old_one_did(
    shared: Path, groups: tuple[int, ...], mode: int
) -> None:
    """A user of the group gives the file back to it; who is not of it closes it to the own."""
    shared.chmod(0o777)
    config = shared_config(shared, 0o666, group=GROUP)
    config.chmod(0o660 if groups else 0o666)
    assert_rotated(rotate_apart(config, "new", *groups, user=ANOTHER), "old")
    state = config.stat()
    assert state.st_gid == (GROUP if groups else ANOTHER)
    assert state.st_mode & 0o777 == mode


# File systems that lack something; none is at hand, so the system's call is made to fail


def test_without_locks_the_run_goes_on_with_a_warning_at_each_renewal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    token = RefreshToken(make_config(tmp_path, refresh_token="old"), FakeTime().clock)
    for new in ("new", "next"):
        with token.exclusive():
            token.replace(new)
    assert content(tmp_path / "config.json")["refresh_token"] == "next"
    assert len(caplog.records) == 2
    assert "config.json.lock cannot be locked (No locks available)" in caplog.text


def test_a_folder_that_cannot_be_synced_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sync = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    config = make_config(tmp_path, refresh_token="old")
    rotate(config, "new")
    assert rotate(config, "next") == "new"
    assert not caplog.records


# Several runs


def test_a_lock_that_is_never_given_back_ends_the_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    config = make_config(tmp_path, refresh_token="old")
    time_ = FakeTime()
    with RefreshToken(config, time_.clock).exclusive():
        with pytest.raises(StopRunError, match=r"config\.json\.lock"):
            rotate_with(config, time_)
        assert 590 < time_.seconds < 620
    assert caplog.text.count("waiting for another run") == 1


def rotate_with(config: Config, time_: FakeTime) -> None:
    with RefreshToken(config, time_.clock).exclusive():
        pass


def test_runs_on_one_config_take_turns(tmp_path: Path) -> None:
    """Each run adds one to the number it finds; none must be lost."""
    config = make_config(tmp_path, refresh_token="0")
    clock = Clock(sleep=lambda _: time.sleep(0.001))

    def use(times: int) -> None:
        token = RefreshToken(config, clock)
        for _ in range(times):
            with token.exclusive():
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
        from tap_xero.clock import Clock
        from tap_xero.config import load_config
        from tap_xero.login.refresh_token import RefreshToken
        from tests.support.fake_clock import START
        token = RefreshToken(load_config([sys.argv[1]], {}, START), Clock())
        print("ready", flush=True)
        while True:
            with token.exclusive():
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
