"""The command as a scheduler meets it: exit codes, one clear line, stdout for Singer alone."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tap_xero import __version__
from tap_xero.cli import main
from tap_xero.config import CONFIG_SCHEMA
from tap_xero.demo import DemoXero, Fault
from tap_xero.discover import catalog
from tests.support.run_tap import catalog_of, log_left_as_it_is, log_lines, tap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parent.parent.parent
COMMAND = [sys.executable, "-m", "tap_xero"]


@pytest.fixture
def xero() -> Iterator[DemoXero]:
    with DemoXero(size=30) as demo:
        yield demo


def write(path: Path, content: object) -> str:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def config_of(tmp_path: Path, xero: DemoXero, **changes: Any) -> str:  # noqa: ANN401
    return write(tmp_path / "config.json", xero.config(**changes))


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT)}


def start(*arguments: str, **options: Any) -> subprocess.Popen[bytes]:  # noqa: ANN401
    given: dict[str, Any] = {
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "env": environment(),
    } | options
    # A shell starts what runs in the background with SIGINT ignored, and children inherit that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return subprocess.Popen([*COMMAND, *arguments], **given)


def wait_for(happened: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def last_line(stderr: bytes) -> str:
    """Return the one CRITICAL line with which a run that failed ends."""
    lines = log_lines(stderr)
    critical = [line for line in lines if line.startswith("CRITICAL")]
    assert critical == lines[-1:], stderr.decode()
    assert "Traceback" not in stderr.decode()
    return critical[0]


def test_a_complete_sync_ends_with_0(tmp_path: Path, xero: DemoXero) -> None:
    run = tap("--config", config_of(tmp_path, xero))
    assert run.returncode == 0, run.stderr.decode()
    types = {json.loads(line)["type"] for line in run.stdout.splitlines()}
    assert types == {"SCHEMA", "RECORD", "STATE", "ACTIVATE_VERSION"}


def test_a_demo_does_not_touch_the_login_of_the_config_beside_it(
    tmp_path: Path, xero: DemoXero
) -> None:
    own = {"token_file": str(tmp_path / "token.json"), "organization_name": "Acme", "page_size": 7}
    config = config_of(tmp_path, xero, access_token="own", **own)
    before = Path(config).read_bytes()
    run = tap("--demo", "--check", "--config", config)
    assert run.returncode == 0, run.stderr.decode()
    assert Path(config).read_bytes() == before
    assert not (tmp_path / "token.json").exists()
    assert not xero.calls


def test_a_demo_needs_no_account(tmp_path: Path) -> None:
    wanted = write(tmp_path / "catalog.json", catalog_of(["currencies"]))
    run = tap("--demo", "--catalog", wanted)
    assert run.returncode == 0, run.stderr.decode()
    assert run.stdout.count(b'"type":"RECORD"') == 3


def test_version_and_help_say_what_they_are_asked() -> None:
    assert tap("--version").stdout.decode().strip() == f"tap-xero {__version__}"
    told = tap("--help").stdout.decode()
    for flag in ("--config", "--catalog", "--state", "--discover", "--authorize", "--check"):
        assert flag in told


def test_discover_prints_the_catalog_without_a_config() -> None:
    run = tap("--discover")
    assert run.returncode == 0
    assert json.loads(run.stdout) == catalog()


def test_about_is_in_the_form_that_meltanos_hub_reads() -> None:
    about = json.loads(tap("--about", "--format=json").stdout)
    assert about["name"] == "tap-xero"
    assert about["version"] == __version__
    assert {"catalog", "state", "discover", "about"} <= set(about["capabilities"])
    assert about["settings"]["required"] == ["start_date"]
    secrets = {key for key, part in about["settings"]["properties"].items() if part.get("secret")}
    assert secrets == {"client_secret", "refresh_token", "access_token"}


def test_about_for_people_lists_every_setting() -> None:
    told = tap("--about").stdout.decode()
    assert "calls_per_minute (default 60)" in told
    assert "  start_date (required)\n" in told
    assert "  invoices\n" in told


def test_about_as_markdown_has_a_row_for_each_setting() -> None:
    page = tap("--about", "--format=markdown").stdout.decode()
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| ")]
    assert [row[0].removeprefix("| ") for row in rows[1:]] == list(CONFIG_SCHEMA["properties"])
    assert {row[0]: row[1] for row in rows}["| start_date"] == "yes"
    assert {len(row) for row in rows} == {4}


def selected(printed: bytes) -> set[str]:
    entries = json.loads(printed)["streams"]
    return {
        entry["tap_stream_id"]
        for entry in entries
        for part in entry["metadata"]
        if not part["breadcrumb"] and part["metadata"]["selected"]
    }


def test_discovery_selects_just_the_streams_it_is_given() -> None:
    run = tap("--discover", "--select", "invoices, journals")
    assert run.returncode == 0, run.stderr.decode()
    assert selected(run.stdout) == {"invoices", "journals"}
    every = tap("--discover", "--select", "*").stdout
    assert selected(every) == {entry["tap_stream_id"] for entry in catalog()["streams"]}


def test_test_is_another_name_for_check(tmp_path: Path, xero: DemoXero) -> None:
    wanted = write(tmp_path / "catalog.json", catalog_of(["currencies"]))
    run = tap("--test", "--config", config_of(tmp_path, xero), "--catalog", wanted)
    assert run.returncode == 0, run.stderr.decode()
    assert b"This check made" in run.stdout


BAD_INPUT: list[tuple[list[str], str]] = [
    ([], "no config"),
    (["--discover", "--select", "wishes"], "there is no stream 'wishes'"),
    (["--config", "good.json", "--select", "invoices"], "--select goes with --discover"),
    (["--check", "--format", "markdown"], "--format markdown goes with --about"),
    (["--demo", "--authorize"], "--demo is logged in already"),
    (["--config", "missing.json"], "missing.json: cannot be read"),
    (["--config", "empty.json"], "empty.json: the file is empty"),
    (["--config", "cut.json"], "cut.json: not JSON"),
    (["--config", "list.json"], "list.json: must hold a JSON object"),
    (["--config", str(ROOT / "sample_config.json")], "client_id is still the placeholder"),
    (["--authorize", "--config", "secretless.json"], "client_secret is still the placeholder"),
    (["--config", "undated.json"], "start_date is missing"),
    (["--config", "good.json", "--state", "cut.json"], "cut.json: not JSON"),
    (["--config", "good.json", "--state", ""], "cannot be read"),
    (["--config", "good.json", "--catalog", ""], "cannot be read"),
    (["--config", "long.json"], "long.json: not JSON"),
    (["--config", "nan.json"], "nan.json: not JSON: NaN is no number"),
    (["--config", "half.json"], "half.json: holds half of a surrogate pair"),
    (["--config", "deep.json"], "deep.json: nested too deep"),
    (["--config", "good.json", "--state", "oddstate.json"], "oddstate.json: not a state"),
    (["--config", "good.json", "--catalog", "list.json"], "list.json: must hold a JSON object"),
    (["--config", "good.json", "--catalog", "good.json"], "good.json: not a catalog"),
    (["--config", "good.json", "--catalog", "unknown.json"], "there is no stream 'wishes'"),
    (["--config", "good.json", "--properties", "missing.json"], "missing.json: cannot be read"),
]


@pytest.mark.parametrize(("arguments", "said"), BAD_INPUT)
def test_bad_input_is_one_clear_line_and_nothing_on_stdout(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    good = {"start_date": "2024-01-01", "access_token": "t", "tenant_id": "t"}
    wishes = {"tap_stream_id": "wishes", "schema": {"selected": True}}
    contents = {
        "empty.json": "",
        "cut.json": '{"start_date": "2024-',
        "long.json": '{"page_size": %s}' % ("9" * 5000),
        "nan.json": '{"request_timeout": NaN}',
        "half.json": r'{"user_agent": "\ud83d"}',
        "deep.json": '{"a":' * 100_000,
        "list.json": "[]",
        "undated.json": {"client_id": "x"},
        "good.json": good,
        "secretless.json": good | {"client_id": "x", "client_secret": "YOUR_CLIENT_SECRET"},
        "oddstate.json": {"bookmarks": []},
        "unknown.json": {"streams": [wishes]},
    }
    for name, content in contents.items():
        write(tmp_path / name, content)
    monkeypatch.chdir(tmp_path)
    with log_left_as_it_is():
        code = main(arguments)
    out, err = capfd.readouterr()
    assert code == 1
    assert out == ""
    assert said in last_line(err.encode())
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--frobnicate"], "unrecognized arguments: --frobnicate"),
        (["--check", "--discover"], "not allowed with argument"),
        (["--catalog", "a.json", "-p", "b.json"], "not allowed with argument"),
        (["--port", "abc"], "invalid int value: 'abc'"),
    ],
)
def test_a_wrong_argument_is_one_line_and_exit_1(
    arguments: list[str], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with log_left_as_it_is():
        assert main(arguments) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert said in last_line(err.encode())
    assert len(err.splitlines()) == 1


def test_a_traceback_comes_with_debug_and_before_the_last_line(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with log_left_as_it_is():
        assert main(["--debug", "--config", "nowhere.json"]) == 1
    *before, last = log_lines(capfd.readouterr().err)
    assert last.startswith("CRITICAL nowhere.json")
    assert "Traceback (most recent call last):" in before


def test_a_stream_that_failed_ends_the_run_with_1_and_is_named(
    tmp_path: Path, xero: DemoXero
) -> None:
    xero.behaviour.forbidden = {"Journals": "scope401"}
    wanted = write(tmp_path / "catalog.json", catalog_of(["journals", "currencies"]))
    run = tap("--config", config_of(tmp_path, xero), "--catalog", wanted)
    assert run.returncode == 1
    assert "journals" in last_line(run.stderr)
    assert b'"stream":"currencies"' in run.stdout


def test_a_stream_that_nobody_asked_for_may_be_missing(tmp_path: Path, xero: DemoXero) -> None:
    xero.behaviour.forbidden = {"PaymentServices": "scope401"}
    run = tap("--config", config_of(tmp_path, xero))
    assert run.returncode == 0, run.stderr.decode()
    assert b"payment_services" in run.stderr


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    run = tap("--debug", "--config", "missing.json", cwd=tmp_path)
    assert run.returncode == 1
    assert b"Traceback" in run.stderr


def test_a_login_that_fails_writes_no_schema(tmp_path: Path, xero: DemoXero) -> None:
    run = tap("--config", config_of(tmp_path, xero, client_secret="wrong"))
    assert run.returncode == 1
    assert run.stdout == b""
    assert "invalid_client" in last_line(run.stderr)


def test_discovery_needs_no_start_date(tmp_path: Path) -> None:
    run = tap("--discover", "--config", write(tmp_path / "empty.json", {}))
    assert run.returncode == 0, run.stderr.decode()
    assert json.loads(run.stdout) == catalog()


def test_every_key_can_come_from_the_environment(tmp_path: Path, xero: DemoXero) -> None:
    tokens = tmp_path / "tokens.json"
    keys = xero.config(token_file=str(tokens), include_archived_contacts="true", page_size="500")
    run = tap("--config", "ENV", env={f"TAP_XERO_{key.upper()}": str(keys[key]) for key in keys})
    assert run.returncode == 0, run.stderr.decode()
    contacts = [call for call in xero.calls if call.path == "Contacts"]
    assert contacts[0].params["includeArchived"] == "true"
    assert contacts[0].params["pageSize"] == "500"
    assert json.loads(tokens.read_text())["refresh_token"] == xero.identity.refresh_token


def test_of_several_configs_the_later_wins(tmp_path: Path, xero: DemoXero) -> None:
    files = (config_of(tmp_path, xero), write(tmp_path / "small.json", {"page_size": 7}))
    wanted = write(tmp_path / "catalog.json", catalog_of(["payments"]))
    run = tap("-c", files[0], "-c", files[1], "--catalog", wanted)
    assert run.returncode == 0, run.stderr.decode()
    assert {call.params.get("pageSize") for call in xero.calls if call.path == "Payments"} >= {"7"}


def test_stdout_that_is_full_is_named(tmp_path: Path, xero: DemoXero) -> None:
    with Path("/dev/full").open("wb") as full:
        process = start("--config", config_of(tmp_path, xero), stdout=full)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "No space left on device" in last_line(err)


@pytest.mark.parametrize("command", ["--discover", "--about", "--check"])
def test_stdout_that_is_full_is_named_by_other_commands_too(
    tmp_path: Path, xero: DemoXero, command: str
) -> None:
    with Path("/dev/full").open("wb") as full:
        process = start(command, "--config", config_of(tmp_path, xero), stdout=full)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "No space left on device" in last_line(err)


def test_a_target_that_dies_ends_the_run_with_one_line(tmp_path: Path, xero: DemoXero) -> None:
    process = start("--config", config_of(tmp_path, xero))
    assert process.stdout
    assert process.stderr
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=20) == 1
    assert "stdout was closed by the program that reads it" in last_line(process.stderr.read())
    process.stderr.close()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_a_run_that_waits_for_xero_with_a_last_state(
    tmp_path: Path, xero: DemoXero, number: signal.Signals, code: int
) -> None:
    xero.fail(Fault.silent(), on=lambda call: call.path == "Invoices", times=None)
    wanted = write(tmp_path / "catalog.json", catalog_of(["currencies", "invoices"]))
    process = start("--config", config_of(tmp_path, xero), "--catalog", wanted)
    wait_for(lambda: any(call.path == "Invoices" for call in xero.calls))
    wait_for(lambda: any(call.path == "Currencies" and call.finished for call in xero.calls))
    process.send_signal(number)
    began = time.monotonic()
    out, err = process.communicate(timeout=20)
    assert time.monotonic() - began < 2
    assert process.returncode == code, err.decode()
    last = json.loads(out.splitlines()[-1])
    assert last["type"] == "STATE"
    assert last["value"]["currently_syncing"] == "invoices"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_to_a_whole_pipeline_is_no_failure_though_the_target_goes_first(
    tmp_path: Path, xero: DemoXero, number: signal.Signals, code: int
) -> None:
    xero.behaviour.latency = 0.2
    wanted = write(tmp_path / "catalog.json", catalog_of(["invoices", "contacts"]))
    config = config_of(tmp_path, xero, page_size=2, calls_per_minute=10_000)
    process = start("--config", config, "--catalog", wanted)
    wait_for(lambda: len(xero.calls) > 4)
    process.send_signal(number)
    assert process.stdout
    process.stdout.close()  # as the target is gone
    assert process.stderr
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=4) == code
    assert b"CRITICAL" not in err


def test_nohup_is_respected(tmp_path: Path, xero: DemoXero) -> None:
    xero.behaviour.latency = 0.2
    wanted = write(tmp_path / "catalog.json", catalog_of(["currencies", "users"]))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = start("--config", config_of(tmp_path, xero), "--catalog", wanted)
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    wait_for(lambda: len(xero.calls) > 0)
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=20)
    assert process.returncode == 0


def test_a_signal_ends_a_run_whose_target_has_stopped_reading(
    tmp_path: Path, xero: DemoXero
) -> None:
    wanted = write(tmp_path / "catalog.json", catalog_of(["invoices"]))
    process = start("--config", config_of(tmp_path, xero), "--catalog", wanted, bufsize=0)
    wait_for(lambda: any(call.path == "Invoices" and call.finished for call in xero.calls))
    time.sleep(0.2)  # until its page fills the pipe
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=4) == 143
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    process.stderr.close()


@pytest.mark.parametrize("command", ["--check", "--authorize"])
def test_ctrl_c_ends_other_commands_too(tmp_path: Path, xero: DemoXero, command: str) -> None:
    xero.fail(Fault.silent(), times=None)
    process = start(command, "--port", "0", "--config", config_of(tmp_path, xero))
    assert process.stderr
    if command == "--check":
        wait_for(lambda: any(call.kind == "data" for call in xero.calls))
    else:
        while b"Waiting" not in process.stderr.readline():
            pass
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=5)
    assert process.returncode == 130
    assert b"Traceback" not in err


def test_logging_conf_file_sets_up_logging(tmp_path: Path, xero: DemoXero) -> None:
    log = tmp_path / "tap.log"
    conf = write(
        tmp_path / "logging.conf",
        "[loggers]\nkeys=root\n[handlers]\nkeys=file\n[formatters]\nkeys=plain\n"
        "[logger_root]\nlevel=WARNING\nhandlers=file\n"
        f"[handler_file]\nclass=FileHandler\nformatter=plain\nargs=({str(log)!r},)\n"
        "[formatter_plain]\nformat=%(name)s|%(levelname)s|%(message)s\n",
    )
    settings = config_of(tmp_path, xero, frobnicate=1)
    wanted = write(tmp_path / "catalog.json", catalog_of(["currencies"]))
    run = tap("--config", settings, "--catalog", wanted, env={"LOGGING_CONF_FILE": conf})
    assert run.returncode == 0, run.stderr.decode()
    assert run.stderr == b""
    lines = log.read_text().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("tap_xero.config|WARNING|")


def test_a_logging_conf_file_that_cannot_be_used_is_one_clear_line(tmp_path: Path) -> None:
    broken = write(tmp_path / "logging.conf", "nonsense")
    run = tap("--discover", env={"LOGGING_CONF_FILE": broken})
    assert run.returncode == 1
    assert run.stdout == b""
    assert f"LOGGING_CONF_FILE: {broken} cannot be used" in last_line(run.stderr)


def test_on_a_terminal_progress_and_a_table_are_shown_and_no_metrics(
    tmp_path: Path, xero: DemoXero
) -> None:
    shown = run_on_terminal(tmp_path, xero)
    assert "METRIC" not in shown
    assert "in all" in shown
    assert "tracking_categories" in shown
    assert "calls this minute" in shown


def test_on_a_dumb_terminal_there_are_plain_lines(tmp_path: Path, xero: DemoXero) -> None:
    shown = run_on_terminal(tmp_path, xero, TERM="dumb")
    assert "\x1b" not in shown
    assert "in all" in shown
    assert "METRIC" not in shown


def test_stdout_on_a_terminal_gets_a_hint_and_no_messages(tmp_path: Path, xero: DemoXero) -> None:
    ours, theirs = pty.openpty()
    process = start("--config", config_of(tmp_path, xero), stdout=theirs)
    _, err = process.communicate(timeout=20)
    os.close(theirs)
    os.set_blocking(ours, False)
    with pytest.raises(OSError, match="Errno"):
        os.read(ours, 1)
    os.close(ours)
    assert process.returncode == 1
    assert "pipe them into a target" in last_line(err)
    assert not xero.calls


def test_ctrl_c_while_modules_load_shows_no_traceback(tmp_path: Path) -> None:
    write(tmp_path / "argparse.py", "raise KeyboardInterrupt")  # found before Python's own
    path = {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    run = tap("--discover", env=path)
    assert run.returncode == 130
    assert run.stderr == b""


def run_on_terminal(tmp_path: Path, xero: DemoXero, **changes: str) -> str:
    """Sync with a pseudo-terminal as stderr and a file as stdout; return what it showed."""
    xero.behaviour.latency = 0.05
    ours, theirs = pty.openpty()
    settings = environment() | {"TERM": "xterm-256color", "COLUMNS": "120"} | changes
    with (tmp_path / "out.jsonl").open("wb") as out:
        process = start(
            "--config", config_of(tmp_path, xero), stdout=out, stderr=theirs, env=settings
        )
    os.close(theirs)
    shown = b""
    try:
        while data := os.read(ours, 65536):
            shown += data
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    assert process.wait(timeout=20) == 0, shown.decode()
    assert (tmp_path / "out.jsonl").read_bytes().endswith(b"}\n")
    return shown.decode()
