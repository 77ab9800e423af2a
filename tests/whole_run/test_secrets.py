"""No secret leaves the tap, whatever goes wrong and however much is logged."""

from __future__ import annotations

import base64
import json
import logging
import traceback
from typing import TYPE_CHECKING

import pytest

from tap_xero.demo import DemoXero, Fault
from tap_xero.demo.identity import CLIENT_ID, CLIENT_SECRET
from tests.support import fault_table
from tests.support.fake_clock import FakeTime
from tests.support.run_tap import catalog_of, load, sync, tap

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HUSH = "hush-of-the-proxy"


@pytest.fixture(scope="module")
def time() -> FakeTime:
    return FakeTime()


@pytest.fixture(scope="module")
def shared(time: FakeTime) -> Iterator[DemoXero]:
    with DemoXero(size=5, clock=time.timestamp) as demo:
        yield demo


@pytest.fixture
def xero(shared: DemoXero) -> Iterator[DemoXero]:
    shared.faults.clear()
    yield shared
    shared.faults.clear()


def secrets(xero: DemoXero) -> set[str]:
    """Return every secret there is or was."""
    basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
    return {CLIENT_SECRET, basic, HUSH, *xero.identity.logins, *xero.identity.refresh_tokens}


def assert_holds_none(text: str, xero: DemoXero) -> None:
    assert text
    assert not [secret for secret in secrets(xero) if secret in text]
    assert "Bearer ey" not in text


# Each fault once, and of each row one that stays.
FAULTS = [
    pytest.param(row, fault, times, id=f"{row.name}: {name}, {'once' if times else 'for ever'}")
    for row in fault_table.ROWS
    for nth, (name, fault) in enumerate(row.faults.items())
    for times in ([1] if nth else [1, None])
]


@pytest.mark.parametrize(("row", "fault", "times"), FAULTS)
def test_no_secret_is_in_a_log_a_message_or_a_traceback(  # noqa: PLR0913, PLR0917
    row: fault_table.Row,
    fault: Fault,
    times: int | None,
    xero: DemoXero,
    time: FakeTime,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With the logs of all libraries at DEBUG."""
    caplog.set_level(logging.DEBUG)
    xero.fail(fault, kind="token" if row in fault_table.OF_TOKENS else "data", times=times)
    output = sync(
        xero,
        catalog=CATALOG,
        clock=time.clock,
        access_token=None,
        refresh_token=xero.identity.refresh_token,
        token_file=str(tmp_path / "token.json"),
        request_timeout=0.3 if row.is_slow else 30,
    )
    errors = [output.error, *(run.error for run in output.runs)]
    told = [line for error in errors if error for line in traceback.format_exception(error)]
    assert "urllib3" in caplog.text
    assert_holds_none(caplog.text + "".join(told), xero)
    # A run that cannot log in writes nothing.
    assert output.raw or output.error
    assert_holds_none("stdout: " + output.raw.decode(), xero)


CATALOG = catalog_of(["currencies"])


def test_no_secret_is_in_what_is_shown_of_a_config(xero: DemoXero) -> None:
    token = xero.identity.refresh_token
    config = load(xero, access_token=token)
    assert_holds_none(repr(config) + str(config), xero)


def test_words_of_xero_that_repeat_a_token_are_not_repeated(xero: DemoXero, time: FakeTime) -> None:
    token = xero.identity.refresh_token
    body = json.dumps({"error": "invalid_grant", "error_description": token}).encode()
    xero.fail(fault_table.refused(400, body), kind="token")
    output = sync(xero, catalog=CATALOG, clock=time.clock, access_token=None, refresh_token=token)
    assert output.error
    assert_holds_none("".join(traceback.format_exception(output.error)), xero)


@pytest.mark.parametrize("ends", ["in a refused token", "in a fault of a stream", "at a proxy"])
def test_no_secret_is_in_the_output_of_debug(ends: str, tmp_path: Path) -> None:
    with DemoXero(size=5) as xero:
        settings = xero.config()
        if ends == "at a proxy":
            settings["api_url"] = "https://xero.invalid"
            proxy = {"HTTPS_PROXY": f"ftp://me:{HUSH}@127.0.0.1:1"}
        else:
            proxy = {}
            xero.fail(Fault.lost(), kind="token")
            xero.fail(Fault.reset())
            xero.fail(Fault.status(400), on=2, times=None)
        if ends == "in a refused token":
            xero.fail(Fault.invalid_grant(), kind="token", on=2)
        config, catalog = tmp_path / "config.json", tmp_path / "catalog.json"
        config.write_text(json.dumps(settings))
        catalog.write_text(json.dumps(CATALOG))
        done = tap("--debug", "--config", str(config), "--catalog", str(catalog), env=proxy)
        assert done.returncode == 1
        assert b"Traceback" in done.stderr
        assert b"DEBUG" in done.stderr or ends == "at a proxy"
        assert_holds_none(done.stderr.decode(), xero)
