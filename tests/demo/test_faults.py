"""Faults and limits of the demo as a client meets them on the wire."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest
import requests

from tap_xero.demo import Behaviour, DemoXero, Fault
from tests.support.demo_client import TIMEOUT, Login, ask_token, post_token

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.invoices(20)


@pytest.fixture
def login(xero: DemoXero) -> Iterator[Login]:
    with Login(xero) as login:
        yield login


def read(login: Login) -> requests.Response:
    return login.get("Invoices", page=1)


def test_a_fault_strikes_the_call_it_is_planned_for(xero: DemoXero, login: Login) -> None:
    xero.fail(Fault.status(503, {"Retry-After": "5"}, b"offline"), on=2, times=2)
    assert [read(login).status_code for _ in range(4)] == [200, 503, 503, 200]
    xero.fail(Fault.status(504), on=lambda call: call.path == "Items")
    assert read(login).status_code == 200
    assert [login.get("Items").status_code for _ in range(2)] == [504, 200]
    assert [call.status for call in xero.calls][-3:] == [200, 504, 200]


def test_a_fault_may_never_end(xero: DemoXero, login: Login) -> None:
    xero.fail(Fault.status(500), times=None)
    assert [read(login).status_code for _ in range(5)] == [500] * 5
    xero.faults.clear()
    assert read(login).status_code == 200


@pytest.mark.parametrize("fault", [Fault.reset(), Fault.reset(after=5000), Fault.lost()])
def test_a_reset_breaks_the_connection(xero: DemoXero, login: Login, fault: Fault) -> None:
    xero.fail(fault)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        read(login)
    assert read(login).status_code == 200


@pytest.mark.parametrize("fault", [Fault.cut(after=700), Fault.cut_chunked(after=700)])
def test_an_answer_can_be_cut_short(xero: DemoXero, login: Login, fault: Fault) -> None:
    xero.fail(fault)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        read(login)


def test_a_silent_server_says_nothing(xero: DemoXero, login: Login) -> None:
    xero.fail(Fault.silent())
    with pytest.raises(requests.ReadTimeout):
        login.session.get(login.url + "/api.xro/2.0/Items", timeout=0.1)


def test_a_trickle_comes_byte_by_byte(xero: DemoXero, login: Login) -> None:
    xero.fail(Fault.trickle(100))
    url = login.url + "/api.xro/2.0/Items"
    start = time.perf_counter()
    with login.session.get(url, stream=True, timeout=TIMEOUT) as response:
        got = response.raw.read(20)
    assert len(got) == 20
    assert time.perf_counter() - start > 0.1


def test_bodies_can_be_broken(xero: DemoXero, login: Login) -> None:
    xero.fail(Fault.broken_json())
    with pytest.raises(requests.JSONDecodeError):
        read(login).json()
    xero.fail(Fault.html200())
    assert "<html>" in read(login).text
    xero.fail(Fault.empty_body())
    assert read(login).content == b""
    xero.fail(Fault.wrong_content_type())
    response = read(login)
    assert response.headers["Content-Type"].startswith("text/html")
    assert response.json()["Status"] == "OK"
    xero.fail(Fault.bad_utf8())
    with pytest.raises(UnicodeDecodeError):
        read(login).content.decode()
    xero.fail(Fault.bad_gzip())
    with pytest.raises(requests.exceptions.ContentDecodingError):
        read(login)


def test_a_redirect_leads_elsewhere(xero: DemoXero, login: Login) -> None:
    xero.fail(Fault.redirect("http://127.0.0.1:9/elsewhere"))
    url = login.url + "/api.xro/2.0/Items"
    response = login.session.get(url, allow_redirects=False, timeout=TIMEOUT)
    assert (response.status_code, response.headers["Location"]) == (
        302,
        "http://127.0.0.1:9/elsewhere",
    )


def test_a_lost_token_answer_has_rotated_the_token(xero: DemoXero) -> None:
    before = xero.config()["refresh_token"]
    xero.fail(Fault.lost(), kind="token")
    with pytest.raises(requests.ConnectionError):
        post_token(xero, refresh_token=before)
    after = xero.config()["refresh_token"]
    assert after != before
    assert ask_token(xero, refresh_token=before)["refresh_token"] == after


def test_the_token_call_can_fail_in_other_ways(xero: DemoXero) -> None:
    token = xero.config()["refresh_token"]
    xero.fail(Fault.invalid_grant(), kind="token")
    xero.fail(Fault.status(500), kind="token", on=2)
    answers = [post_token(xero, refresh_token=token) for _ in range(3)]
    assert [each.status_code for each in answers] == [400, 500, 200]
    assert answers[0].json() == {"error": "invalid_grant"}


def test_connections_can_be_refused_for_a_while(xero: DemoXero, login: Login) -> None:
    with xero.refusing(), pytest.raises(requests.ConnectionError):
        read(login)
    assert read(login).status_code == 200


def test_the_minute_limit_names_itself_and_the_wait() -> None:
    now = [1_800_000_000.0]
    behaviour = Behaviour(calls_per_minute=2)
    with DemoXero(size=3, behaviour=behaviour, clock=lambda: now[0]) as xero, Login(xero) as login:
        left = []
        for _ in range(2):
            left.append(read(login).headers["X-MinLimit-Remaining"])
            now[0] += 10
        refused = read(login)
        assert left == ["1", "0"]
        assert (refused.status_code, refused.content) == (429, b"")
        assert refused.headers["X-Rate-Limit-Problem"] == "minute"
        assert refused.headers["Retry-After"] == "40"
        now[0] += 40
        assert read(login).status_code == 200


def test_the_day_limit_names_itself_and_the_wait() -> None:
    behaviour = Behaviour(calls_per_day=1)
    with DemoXero(size=3, behaviour=behaviour) as xero, Login(xero) as login:
        assert read(login).headers["X-DayLimit-Remaining"] == "0"
        refused = read(login)
        assert refused.headers["X-Rate-Limit-Problem"] == "day"
        assert 86_000 < int(refused.headers["Retry-After"]) <= 86_400


def test_too_many_calls_at_once_are_refused_without_a_wait() -> None:
    behaviour = Behaviour(calls_at_once=1, latency=0.1)
    with DemoXero(size=3, behaviour=behaviour) as xero, Login(xero) as login:
        slow = threading.Thread(target=read, args=(login,))
        slow.start()
        while not any(call.kind == "data" for call in xero.calls):
            time.sleep(0.005)
        with Login(xero) as other:
            refused = read(other)
        slow.join()
        assert refused.status_code == 429
        assert refused.headers["X-Rate-Limit-Problem"] == "concurrent"
        assert "Retry-After" not in refused.headers
        assert [read(login).status_code for _ in range(3)] == [200] * 3
