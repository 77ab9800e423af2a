"""Calls get their answer through faults that pass, and end with one clear line through others."""

from __future__ import annotations

import contextlib
import gzip
import logging
import ssl
import subprocess
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_xero.client import Client, XeroApp
from tap_xero.clock import Clock
from tap_xero.demo import DemoXero, Fault
from tap_xero.demo.identity import CLIENT_SECRET
from tap_xero.errors import (
    DayLimitError,
    GoneError,
    MissingScopeError,
    OrganisationError,
    SkipStreamError,
    SlowAnswerError,
    StreamError,
    TapError,
    UnreachableError,
)
from tap_xero.transport.error_answers import explanation, rate_limit, retry_after
from tap_xero.transport.exchange import Reply, Request, Transport
from tap_xero.transport.retries import TransientError
from tests.support.config_files import make_config
from tests.support.fake_clock import START, FakeTime
from tests.support.raw_server import handling, serving, trickling

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.raw_server import Wire

JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def answer(body: bytes, *headers: bytes) -> bytes:
    """Write an HTTP answer as JSON."""
    head = b"".join(header + b"\r\n" for header in headers)
    return JSON + head + b"Content-Length: %d\r\n\r\n" % len(body) + body


@pytest.fixture
def time_() -> FakeTime:
    return FakeTime()


@pytest.fixture
def xero(time_: FakeTime) -> Iterator[DemoXero]:
    with DemoXero(size=3, clock=time_.timestamp) as xero:
        yield xero


@pytest.fixture
def client(xero: DemoXero, time_: FakeTime, tmp_path: Path) -> Iterator[Client]:
    keys = xero.config(start_date="2024-01-01", request_timeout=0.4)
    with Client(make_config(tmp_path, **keys), time_.clock) as client:
        yield client


def wired(directory: Path, url: str, clock: Clock, **keys: Any) -> Client:  # noqa: ANN401
    """Make a client with an access token for a raw server."""
    config = make_config(
        directory, access_token="hush-token", tenant_id="t", api_url=url, identity_url=url, **keys
    )
    return Client(config, clock)


def data_calls(xero: DemoXero) -> list[str]:
    return [call.path for call in xero.calls if call.kind == "data"]


# The call itself


def test_a_call_is_what_xero_asks_for(client: Client, xero: DemoXero) -> None:
    client.get("Invoices", modified_since="2024-01-31T00:00:00", page="1", order="Date ASC")
    call = xero.calls[-1]
    assert call.path == "Invoices"
    assert call.params == {"page": "1", "order": "Date ASC"}
    assert call.headers["if-modified-since"] == "2024-01-31T00:00:00"
    assert call.headers["accept"] == "application/json"
    assert call.headers["accept-encoding"] == "gzip"
    assert call.headers["user-agent"].startswith("tap-xero/")
    assert call.headers["xero-tenant-id"] == xero.behaviour.organisations[0][0]


def test_blanks_in_parameters_are_percent_encoded(tmp_path: Path, time_: FakeTime) -> None:
    with serving(answer(b'{"Id":""}')) as wire, wired(tmp_path, wire.url, time_.clock) as client:
        client.get("Invoices", order="UpdatedDateUTC ASC", where="a+b")
    assert b"?order=UpdatedDateUTC%20ASC&where=a%2Bb " in wire.requests[0]


def test_an_answer_is_json_on_one_line_with_the_moment_it_came(
    client: Client, time_: FakeTime
) -> None:
    answer = client.get("Users")
    assert answer.body.startswith(b'{"Id":')
    assert b"\n" not in answer.body
    assert answer.received == time_.now()
    assert answer.received.utcoffset() == timedelta(0)
    assert answer.headers["x-daylimit-remaining"] == "4999"
    assert "Users" not in repr(answer)


def test_nothing_new_is_an_empty_answer(client: Client, xero: DemoXero) -> None:
    xero.behaviour.answers_304 = True
    answer = client.get("Invoices", modified_since="2030-01-01T00:00:00", page="1")
    assert answer.body == b"{}"
    xero.fail(Fault.status(204))
    assert client.get_one("Invoices/an-id/History").body == b"{}"


@pytest.mark.parametrize(
    "nothing",
    [
        Fault.status(204),
        Fault.status(304),
        Fault.status(200, {"Content-Type": "application/json"}, b"{}"),
    ],
    ids=lambda fault: str(fault.code),
)
def test_nothing_is_no_answer_where_a_whole_list_was_asked_for(
    client: Client, xero: DemoXero, nothing: Fault
) -> None:
    xero.fail(nothing)
    assert b'"Code"' in client.get("Currencies").body
    assert len(data_calls(xero)) == 2


def test_gzip_is_unpacked_and_counted_as_sent(client: Client, xero: DemoXero) -> None:
    plain = client.get("Currencies").body
    xero.behaviour.gzip = True
    assert len(client.get("Currencies").body) == len(plain)
    sent = [call.bytes for call in xero.calls if call.kind == "data"]
    assert sent[1] < sent[0]
    assert (client.usage.calls, client.usage.size) == (2, sum(sent))


def test_connections_are_kept_open(time_: FakeTime, tmp_path: Path) -> None:
    ports: list[int] = []

    def handle(_: Wire, sock: socket.socket) -> None:
        ports.append(sock.getpeername()[1])
        sock.sendall(answer(b'{"Id":""}'))

    with handling(handle) as wire, wired(tmp_path, wire.url, time_.clock) as client:
        for _ in range(5):
            client.get("Users")
    assert len(ports) == 5
    assert len(set(ports)) == 1


# Faults that pass

PASSING = {
    "500": Fault.status(500),
    "500 HTML": Fault.status(500, {"Content-Type": "text/html"}, b"<html><title>Xero</title>"),
    "502": Fault.status(502),
    "503": Fault.status(503),
    "503 Retry-After": Fault.status(503, {"Retry-After": "7"}),
    "504": Fault.status(504),
    "408": Fault.status(408),
    "520": Fault.status(520),
    "reset": Fault.reset(),
    "reset within headers": Fault.reset(after=20),
    "reset within the body": Fault.reset(after=400),
    "lost": Fault.lost(),
    "silent": Fault.silent(),
    "trickle": Fault.trickle(40),
    "cut": Fault.cut(),
    "cut in chunks": Fault.cut_chunked(),
    "broken JSON": Fault.broken_json(),
    "HTML with 200": Fault.html200(),
    "wrong content type": Fault.wrong_content_type(),
    "empty": Fault.empty_body(),
    "bad gzip": Fault.bad_gzip(),
    "redirect": Fault.redirect("https://login.example/"),
    "redirect with a broken address": Fault.redirect("http://[", 307),
    "429 minute": Fault.status(429, {"X-Rate-Limit-Problem": "minute", "Retry-After": "9"}),
    "429 minute, bare": Fault.status(429, {"X-Rate-Limit-Problem": "Minute"}),
    "429 minute, odd": Fault.status(
        429, {"X-Rate-Limit-Problem": "minute", "Retry-After": "soon"}, b"<html>"
    ),
    "429 minute, negative": Fault.status(
        429, {"X-Rate-Limit-Problem": "minute", "Retry-After": "-5"}
    ),
    "429 concurrent": Fault.status(429, {"X-Rate-Limit-Problem": "concurrent"}),
    "429 app minute": Fault.status(429, {"X-Rate-Limit-Problem": "appminute"}),
    "429 unknown": Fault.status(429, {"X-Rate-Limit-Problem": "lunar"}),
    "429 bare": Fault.status(429),
    "503 as a limit": Fault.status(503, {"X-Rate-Limit-Problem": "minute", "Retry-After": "3"}),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
def test_a_fault_that_passes_is_survived_and_told_in_one_line(
    fault: Fault,
    client: Client,
    xero: DemoXero,
    time_: FakeTime,
    caplog: pytest.LogCaptureFixture,
) -> None:
    xero.fail(fault, times=2)
    assert client.get("Organisation", page="1").body.startswith(b'{"Id"')
    assert len(data_calls(xero)) == 3
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2
    for record in warnings:
        assert record.getMessage().startswith("Organisation: ")
        assert "trying again in" in record.getMessage()
        assert "\n" not in record.getMessage()
    assert 0.5 < time_.seconds < 130
    assert client.usage.calls == 3


RAW = {
    "not HTTP": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "nothing": b"",
    "half a status line": b"HTTP/1.1 2",
    "endless header": JSON + b"X-Long: " + b"x" * 100_000 + b"\r\n\r\n",
    "too many headers": JSON + b"X-Many: 1\r\n" * 200 + b"\r\n",
    "odd length": JSON + b"Content-Length: ten\r\n\r\n",
    "odd chunk": JSON + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "half a gzip": answer(gzip.compress(b'{"Users":[]}')[:-9], b"Content-Encoding: gzip"),
    "another packing": answer(b"\x1b\x00", b"Content-Encoding: br"),
    "two documents": answer(b"{}{}"),
    "a list": answer(b"[]"),
    "a number": answer(b"1"),
    "no JSON in bytes": answer(b"\xff\xfe\x00"),
    "body without a length": JSON + b'\r\n{"Users":',
}


@pytest.mark.parametrize("raw", RAW.values(), ids=RAW.keys())
def test_bytes_that_are_no_answer_are_asked_for_again(
    raw: bytes, time_: FakeTime, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good = answer(b'{"Users": [ ]}')
    with serving(raw, good) as wire, wired(tmp_path, wire.url, time_.clock) as client:
        assert client.get("Users").body == b'{"Users":[]}'
    assert len(wire.requests) == 2
    assert caplog.text.count("trying again") == 1


def test_a_refused_connection_is_tried_again(
    xero: DemoXero, time_: FakeTime, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    with contextlib.ExitStack() as away:

        def sleep(_: float) -> None:
            assert "Users: connection refused; trying again in" in caplog.text
            away.close()

        clock = Clock(time_.clock.monotonic, sleep, time_.now)
        with Client(make_config(tmp_path, **xero.config()), clock) as client:
            client.get("Users")
            away.enter_context(xero.refusing())
            assert client.get("Users").body
    assert xero.calls[-1].status == 200


def test_waits_double_with_jitter_and_no_two_runs_wait_alike(
    client: Client, xero: DemoXero, time_: FakeTime
) -> None:
    xero.fail(Fault.status(503), times=7)
    client.get("Users")
    for nap, longest in zip(time_.naps, (1, 2, 4, 8, 16, 32, 60), strict=True):
        assert longest / 2 <= nap <= longest
    assert len({round(nap % 0.5, 6) for nap in time_.naps}) > 4


# The whole answer within request_timeout

SLOW = {
    "no answer": trickling(b"", b"", 0.05),
    "a byte of the headers now and then": trickling(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x", 0.05),
    "a header now and then": trickling(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", 0.05),
    "a byte of the body now and then": trickling(JSON + b"Content-Length: 900\r\n\r\n", b" ", 0.05),
    "a chunk now and then": trickling(
        JSON + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n", 0.05
    ),
    "a body without a length": trickling(JSON + b'\r\n{"Users":[]}', b" ", 0.05),
    "1xx for ever": trickling(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.05),
}


@pytest.mark.parametrize("handle", SLOW.values(), ids=SLOW.keys())
def test_a_slow_answer_is_given_up_in_time(handle: Any) -> None:  # noqa: ANN401
    clock = Clock()
    transport = Transport("tests", clock)
    with handling(handle) as wire:
        started = time.monotonic()
        with pytest.raises(TransientError, match=r"no complete answer within 0\.3 s") as caught:
            transport.send(Request(wire.url, lambda request: request), 0.3)
        assert 0.25 < time.monotonic() - started < 2
        assert caught.value.is_slow
        transport.close()


def test_after_a_cut_the_next_call_works(client: Client, xero: DemoXero) -> None:
    xero.fail(Fault.trickle(20))
    assert client.get("Organisation").body
    assert client.get("Organisation").body


def test_no_timer_and_no_file_is_left(client: Client) -> None:
    for _ in range(5):
        client.get("Users")
    deadline = time.monotonic() + 5
    while any("Timer" in type(thread).__name__ for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


# TLS and proxies


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext"
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    out = ["-keyout", str(path), "-out", str(path.with_suffix(".crt"))]
    subprocess.run([*command.split(), names, *out], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + path.with_suffix(".crt").read_bytes())
    return path


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def users(_: Wire, sock: socket.socket) -> None:
    sock.sendall(answer(b'{"Users":[]}'))


def test_a_certificate_that_is_not_trusted_ends_the_run_at_once(
    tls: ssl.SSLContext, time_: FakeTime, tmp_path: Path
) -> None:
    with (
        handling(users, tls) as wire,
        wired(tmp_path, wire.url, time_.clock) as client,
        pytest.raises(UnreachableError, match=r"127\.0\.0\.1.*not trusted.*REQUESTS_CA_BUNDLE"),
    ):
        client.get("Users")
    assert not wire.requests
    assert not time_.naps


def test_a_ca_bundle_in_the_environment_is_honoured(
    tls: ssl.SSLContext,
    certificate: Path,
    time_: FakeTime,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with handling(users, tls) as wire, wired(tmp_path, wire.url, time_.clock) as client:
        assert client.get("Users").body == b'{"Users":[]}'
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
    with (
        wired(tmp_path, wire.url, time_.clock) as client,
        pytest.raises(UnreachableError, match=r"none\.pem"),
    ):
        client.get("Users")


@pytest.mark.parametrize("phase", ["in the answer", "in the handshake"])
def test_a_slow_answer_over_tls_is_given_up_in_time(
    phase: str, tls: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    transport = Transport("tests", Clock())
    handle = trickling(JSON + b"Content-Length: 900\r\n\r\n", b" ", 0.05)
    with handling(handle, tls if phase == "in the answer" else None) as wire:
        url = wire.url.replace("http:", "https:")
        started = time.monotonic()
        with pytest.raises(TransientError):
            transport.send(Request(url, lambda request: request), 0.3)
        assert time.monotonic() - started < 2
        transport.close()


def test_a_proxy_in_the_environment_is_used_and_gets_no_token(
    time_: FakeTime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(b"HTTP/1.1 403 Forbidden\r\n\r\n") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", "//me:hush-proxy@"))
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        with (
            wired(tmp_path, "https://xero.invalid", time_.clock) as client,
            pytest.raises(
                UnreachableError, match=r"the proxy does not allow xero\.invalid"
            ) as caught,
        ):
            client.get("Users")
    assert proxy.requests[0].startswith(b"CONNECT xero.invalid:443 ")
    assert b"Proxy-Authorization: Basic" in proxy.requests[0]
    assert b"hush-token" not in b"".join(proxy.requests)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("proxy", ["http://", "ftp://127.0.0.1:1", "socks5://127.0.0.1:1"])
def test_a_proxy_that_makes_no_sense_is_an_error_of_one_line(
    proxy: str, time_: FakeTime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with (
        wired(tmp_path, "https://xero.invalid", time_.clock) as client,
        pytest.raises(UnreachableError) as caught,
    ):
        client.get("Users")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_token_is_never_sent_where_a_redirect_points(
    code: int, time_: FakeTime, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(answer(b'{"Id":""}')) as elsewhere:
        redirect = b"HTTP/1.1 %d Moved\r\nLocation: %s/x\r\nContent-Length: 0\r\n\r\n"
        raw = redirect % (code, elsewhere.url.encode())
        with (
            serving(raw, answer(b'{"Id":""}')) as wire,
            wired(tmp_path, wire.url, time_.clock) as client,
        ):
            assert client.get("Users").body == b'{"Id":""}'
        assert not elsewhere.requests
    assert f"status {code}" in caplog.text
    assert "redirect" in caplog.text


# Faults that stay


def test_when_xero_stays_away_the_run_ends_within_two_minutes_or_so(
    client: Client, xero: DemoXero, time_: FakeTime
) -> None:
    client.get("Users")
    xero.fail(Fault.status(503, {}, b"The Organisation is offline"), times=None)
    with pytest.raises(UnreachableError, match=r"cannot be reached.*offline.*8 tries"):
        client.get("Invoices")
    assert 60 < time_.seconds < 125
    calls = len(xero.calls)
    with pytest.raises(UnreachableError):
        client.get("Users")
    assert len(xero.calls) == calls, "no further call is made"


def test_a_fault_of_one_path_ends_that_stream_only(client: Client, xero: DemoXero) -> None:
    """Nobody else reads meanwhile, so one call to something else is made to see."""
    xero.fail(Fault.status(500), on=lambda call: call.path == "Quotes", times=None)
    with pytest.raises(StreamError, match="Quotes: status 500") as caught:
        client.get("Quotes")
    assert type(caught.value) is StreamError
    assert client.get("Users").body


def test_a_stream_that_never_gets_through_ends_while_others_do(
    xero: DemoXero, time_: FakeTime, tmp_path: Path
) -> None:
    """While Quotes waits between its tries, Users is read by somebody else."""
    xero.fail(Fault.status(500), on=lambda call: call.path == "Quotes", times=None)
    seconds = time_.clock.sleep

    def sleep(span: float) -> None:
        seconds(span)
        if span > 10:
            other.get("Users")

    clock = Clock(time_.clock.monotonic, sleep, time_.clock.now)
    with Client(make_config(tmp_path, **xero.config()), clock) as other:
        with pytest.raises(StreamError):
            other.get("Quotes")
        assert "Organisation" not in data_calls(xero), "nothing needs to be asked"


def test_a_minute_limit_that_never_lifts_ends_the_run(
    client: Client, xero: DemoXero, time_: FakeTime
) -> None:
    headers = {"X-Rate-Limit-Problem": "minute", "Retry-After": "60"}
    xero.fail(Fault.status(429, headers), times=None)
    with pytest.raises(UnreachableError, match="minute limit"):
        client.get("Users")
    assert 600 < time_.seconds < 1200


def test_a_silent_xero_ends_the_run(client: Client, xero: DemoXero, time_: FakeTime) -> None:
    xero.fail(Fault.silent(), times=None)
    with pytest.raises(UnreachableError, match=r"no complete answer within 0\.4 s, after 3 tries"):
        client.get("Users")
    assert time_.seconds < 10


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        (
            Fault.status(
                400,
                {"Xero-Correlation-Id": "abc-1"},
                b'{"ErrorNumber":51,"Type":"HighVolumeException","Message":"Too many documents"}',
            ),
            StreamError,
            r"refuses to list .*HighVolumeException: Too many docu.* \(Xero correlation id abc-1",
        ),
        (
            Fault.status(
                400,
                {},
                b'{"errornumber":10,"type":"ValidationException","MESSAGE":"A fault","Elements":'
                b'[{"ValidationErrors":[{"Message":"page must be positive"}]},null,7]}',
            ),
            StreamError,
            "refused with status 400: ValidationException: A fault: page must be positive",
        ),
        (Fault.status(400, {}, b"<html><title>Bad\nRequest</title>"), StreamError, "'Bad Request'"),
        (Fault.status(400), StreamError, "no explanation"),
        (Fault.status(404, {}, b"The resource cannot be found"), GoneError, "does not know"),
        (Fault.status(410), GoneError, "Xero has removed this path"),
        (Fault.status(412), StreamError, "status 412"),
        (Fault.status(501), StreamError, "Xero does not implement this"),
        (Fault.status(418), StreamError, "status 418"),
        (
            Fault.status(403, {}, b'{"Detail":"You need the reports role"}'),
            SkipStreamError,
            "not allowed for this login: You need the reports role",
        ),
        (Fault.status(403, {}, b""), SkipStreamError, "not allowed"),
        (
            Fault.status(401, {}, b'{"Detail":"AuthorizationUnsuccessful"}'),
            MissingScopeError,
            r"a scope is missing.*AuthorizationUnsuccessful",
        ),
    ],
    ids=lambda value: str(value.code) if isinstance(value, Fault) else "",
)
def test_a_fault_that_stays_is_one_line_with_xeros_own_words(
    fault: Fault, kind: type[TapError], said: str, client: Client, xero: DemoXero
) -> None:
    xero.fail(fault)
    with pytest.raises(kind, match=f"^Invoices: .*{said}") as caught:
        client.get("Invoices", page="1", pageSize="1000")
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)
    assert len(data_calls(xero)) == 1
    assert client.get("Users").body, "others go on"


def test_a_tenant_the_login_does_not_reach_is_told_with_those_it_does(
    xero: DemoXero, time_: FakeTime, tmp_path: Path
) -> None:
    config = make_config(tmp_path, **xero.config(tenant_id="of-last-month"))
    with Client(config, time_.clock) as client, pytest.raises(OrganisationError) as caught:
        client.get("Users")
    assert "of-last-month" in str(caught.value)
    for tenant in xero.behaviour.organisations:
        assert f"{tenant.name} ({tenant.tenant_id})" in str(caught.value)


def test_a_passing_refusal_of_a_tenant_the_login_reaches_is_survived(
    client: Client, xero: DemoXero
) -> None:
    xero.fail(Fault.status(403, {}, b'{"Detail":"AuthenticationUnsuccessful"}'), times=2)
    assert client.get("Users").body


# Slow pages


@pytest.mark.parametrize("fault", [Fault.status(504), Fault.silent()], ids=["504", "timeout"])
def test_a_page_that_is_too_slow_twice_is_to_be_asked_for_in_smaller_ones(
    fault: Fault, client: Client, xero: DemoXero
) -> None:
    xero.fail(fault, times=2)
    with pytest.raises(SlowAnswerError, match=r"^Invoices: .*twice in a row for 1000 records"):
        client.get("Invoices", page="1", pageSize="1000")
    assert len(data_calls(xero)) == 3, "the third asks whether Xero answers at all"


def test_a_silent_xero_ends_a_run_that_reads_large_pages_after_three_timeouts(
    client: Client, xero: DemoXero
) -> None:
    xero.fail(Fault.silent(), times=None)
    with pytest.raises(UnreachableError, match="Xero cannot be reached: Invoices"):
        client.get("Invoices", page="1", pageSize="1000")
    assert len(data_calls(xero)) == 3


def test_an_organisation_out_of_reach_does_not_end_a_run_that_reads_others(
    xero: DemoXero, time_: FakeTime, tmp_path: Path
) -> None:
    config = make_config(tmp_path, **xero.config(request_timeout=0.4))
    app = XeroApp(config, time_.clock)
    client = Client(config, app=app, tenant_id=str(config.tenant_id))
    xero.fail(Fault.silent(), times=None)
    app.last_success = float("inf")  # another organisation answers all the time
    with pytest.raises(OrganisationError, match="Xero cannot be reached"):
        client.get("Users")
    app.close()


def test_clients_of_one_app_share_its_token_and_its_calls_a_minute(
    xero: DemoXero, time_: FakeTime, tmp_path: Path
) -> None:
    config = make_config(tmp_path, **xero.config(app_calls_per_minute=3))
    app = XeroApp(config, time_.clock)
    before = time_.clock.monotonic()
    clients = [Client(config, app=app, tenant_id=config.tenant_id) for _ in range(2)]
    for client in clients * 2:
        client.get("Users")
    app.close()
    assert time_.clock.monotonic() - before >= 60, "the fourth call waits for the app's minute"
    calls = [call for call in xero.calls if call.kind == "data"]
    assert len(calls) == 4
    assert len({call.headers["authorization"] for call in calls}) == 1


def test_slowness_that_is_interrupted_is_not_held_against_the_page(
    client: Client, xero: DemoXero
) -> None:
    for number, status in enumerate((504, 503, 504), start=1):
        xero.fail(Fault.status(status), on=number)
    assert client.get("Invoices", page="1", pageSize="1000").body


def test_a_small_page_is_not_made_smaller(client: Client, xero: DemoXero) -> None:
    xero.fail(Fault.status(504), times=3)
    assert client.get("Invoices", page="1", pageSize="50").body


# Limits

DAY = Fault.status(429, {"X-Rate-Limit-Problem": "day", "Retry-After": "66975"})


def test_the_limit_of_the_day_stops_everything_at_once(
    client: Client, xero: DemoXero, time_: FakeTime
) -> None:
    client.get("Users")
    xero.fail(DAY)
    with pytest.raises(DayLimitError) as caught:
        client.get("Invoices")
    assert "calls a day" in str(caught.value)
    assert "2026-07-02 06:36 UTC" in str(caught.value)
    assert "local time" in str(caught.value)
    assert not time_.naps
    with pytest.raises(DayLimitError):
        client.get("Users")
    assert len(data_calls(xero)) == 2


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Rate-Limit-Problem": "Daily"},
        {"X-Rate-Limit-Problem": "DayLimit", "Retry-After": "x"},
        {"Retry-After": "20000"},
        {"X-DayLimit-Remaining": "0"},
    ],
)
def test_the_limit_of_the_day_is_known_in_every_dress(
    headers: dict[str, str], client: Client, xero: DemoXero
) -> None:
    xero.fail(Fault.status(429, headers))
    with pytest.raises(DayLimitError, match=r"it lifts at|at the latest"):
        client.get("Invoices")


def test_a_limit_of_the_minute_holds_all_threads_back(
    client: Client, xero: DemoXero, time_: FakeTime
) -> None:
    xero.fail(Fault.status(429, {"X-Rate-Limit-Problem": "minute", "Retry-After": "30"}))
    client.get("Users")
    assert 30 <= time_.seconds < 32
    assert [call.status for call in xero.calls if call.kind == "data"] == [429, 200]


def test_what_is_left_of_the_day_is_known(client: Client, xero: DemoXero) -> None:
    xero.behaviour.calls_per_day = 1000
    assert client.pacer.day_remaining is None
    client.get("Users")
    assert client.pacer.day_remaining == 999


# Secrets


def test_secrets_are_in_no_log_and_no_error(
    client: Client, xero: DemoXero, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    client.get("Invoices", where='Type=="ACCREC"')
    token = client.auth.token().access_token
    echo = f"<html>You sent Authorization: Bearer {token} and {token}</html>"
    errors = []
    for body in (echo, f'{{"Message":"{token}"}}', f"Bearer {token}"):
        xero.fail(Fault.status(400, {}, body.encode()))
        with pytest.raises(StreamError) as caught:
            client.get("Invoices")
        errors.append(str(caught.value))
    secrets = (token, CLIENT_SECRET, xero.identity.refresh_token)
    for secret in secrets:
        assert secret not in caplog.text
        assert not any(secret in error for error in errors)
    assert "GET http://127.0.0.1" in caplog.text
    assert "Invoices?where=" in caplog.text


def test_each_call_is_one_metric_of_singer(
    client: Client, xero: DemoXero, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    xero.fail(Fault.status(503))
    client.get("Users")
    metrics = [line for line in caplog.messages if line.startswith("METRIC: ")]
    assert len(metrics) == 2
    assert '"http_status_code": 503, "status": "failed"' in metrics[0]
    assert '"endpoint": "Users", "http_status_code": 200, "status": "succeeded"' in metrics[1]


# Reading what Xero says, whatever it says

TEXT_HEADERS = st.dictionaries(
    st.sampled_from(["Retry-After", "X-Rate-Limit-Problem", "X-DayLimit-Remaining"]),
    st.text(max_size=20)
    | st.sampled_from(["day", "minute", "1e999", "-3", "nan", "Wed, 01 Jul 2026 12:00:30 GMT", "0"])
    | st.integers().map(str),
)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([429, 503]), TEXT_HEADERS)
def test_no_header_of_a_limit_breaks_the_run(status: int, headers: dict[str, str]) -> None:
    limit = rate_limit(Reply(status, headers, b"", 0), START)
    if limit and limit.after is not None:
        assert 0 <= limit.after < float("inf")
    if status == 429:
        assert limit


def test_retry_after_may_be_a_date() -> None:
    assert retry_after({"Retry-After": "Wed, 01 Jul 2026 12:00:30 GMT"}, START) == 30
    assert retry_after({"Retry-After": "Wed, 01 Jul 2026 11:00:30 GMT"}, START) == 0
    assert retry_after({"Retry-After": "20.5"}, START) == 20.5
    assert retry_after({}, START) is None


@settings(max_examples=100, deadline=None)
@given(
    st.binary(max_size=300)
    | st.text(max_size=200).map(lambda text: f"<title>{text}</title>".encode("utf-8", "replace"))
    | st.sampled_from([b'{"Elements":{}}', b'{"Message":5}', b"[" * 5000, b'{"Elements":[[]]}'])
)
def test_no_body_of_an_error_breaks_the_run(body: bytes) -> None:
    said = explanation(Reply(400, {}, body, len(body)))
    assert said
    assert "\n" not in said
    assert len(said) < 700
