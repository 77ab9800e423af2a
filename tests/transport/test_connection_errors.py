"""What stands between the tap and Xero: proxies, CA bundles and clocks; each fault is named."""

from __future__ import annotations

import ssl
import subprocess
import textwrap
import traceback
from typing import TYPE_CHECKING

import pytest

from tap_xero.clock import Clock
from tap_xero.errors import UnreachableError
from tap_xero.transport.exchange import Request, Transport
from tap_xero.transport.retries import TransientError
from tests.support.raw_server import handling, serving

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.raw_server import Wire

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
AWAY = "https://xero.invalid"


@pytest.fixture
def transport() -> Iterator[Transport]:
    transport = Transport("tests", Clock())
    yield transport
    transport.close()


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


def get(transport: Transport, url: str) -> bytes:
    return transport.send(Request(url, lambda request: request), 5).body


def well(_: Wire, sock: socket.socket) -> None:
    sock.sendall(ANSWER)


# Proxies


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("407 Proxy Authentication Required", "the proxy wants a login, .*HTTPS_PROXY"),
        ("403 Forbidden", r"the proxy does not allow xero\.invalid "),
    ],
)
def test_a_proxy_that_refuses_is_not_asked_again(
    status: str, said: str, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"
    with serving(refusal.encode()) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", "//me:hush@"))
        with pytest.raises(UnreachableError, match=rf"^xero\.invalid cannot be called: {said}"):
            get(transport, AWAY)


def test_a_fault_of_the_proxy_that_may_pass_is_called_its_own(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(TransientError, match=r"^status 502 \(of the proxy\)$"):
            get(transport, AWAY)


def test_a_connection_that_the_proxy_refuses_is_told_as_such(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    with pytest.raises(TransientError, match=r"^connection refused \(of the proxy\)$"):
        get(transport, AWAY)
    monkeypatch.delenv("HTTPS_PROXY")
    with pytest.raises(TransientError, match=r"^connection refused$"):
        get(transport, "https://127.0.0.1:1")


@pytest.mark.parametrize(
    "proxy",
    [
        "http://me:hush#sh@127.0.0.1:1",
        "http://me:hush/sh@127.0.0.1:1",
        "http://me:hush€@127.0.0.1:1",
        "http://me:hush@127.0.0.1:port",
        "me:hush@127.0.0.1:1",
        "http://",
    ],
)
def test_a_proxy_that_is_no_address_is_blamed_and_its_password_is_in_no_traceback(
    proxy: str, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(UnreachableError, match=r"HTTPS_PROXY .*escape special char") as caught:
        get(transport, AWAY)
    assert "hush" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_no_proxy_is_asked_for_this_machine(
    host: str, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with handling(well) as wire:
        assert get(transport, wire.url.replace("127.0.0.1", host)) == b"{}"


# TLS


@pytest.mark.parametrize(
    "text", ["", "hello\n", "-----BEGIN CERTIFICATE-----\nhello\n-----END CERTIFICATE-----\n"]
)
def test_a_ca_bundle_that_is_none_is_named_at_once(
    text: str, transport: Transport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(text)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    with (
        handling(well) as wire,
        pytest.raises(UnreachableError, match=r"bundle\.pem holds no certificate"),
    ):
        get(transport, wire.url.replace("http:", "https:"))


def test_a_tls_connection_that_breaks_is_not_the_fault_of_a_good_bundle(
    transport: Transport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(dated(tmp_path, "2000", "2100")))
    with serving(b"no TLS") as wire, pytest.raises(TransientError):
        get(transport, wire.url.replace("http:", "https:"))


@pytest.mark.parametrize(
    ("first", "last", "said"), [("2000", "2001", "expired"), ("2090", "2100", "not yet valid")]
)
def test_a_certificate_of_another_time_points_at_the_clock(  # noqa: PLR0913
    *,
    first: str,
    last: str,
    said: str,
    transport: Transport,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    certificate = dated(tmp_path, first, last)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with (
        handling(well, tls) as wire,
        pytest.raises(UnreachableError, match=f"certificate is {said}: check this machine's clock"),
    ):
        get(transport, wire.url)


def dated(folder: Path, first: str, last: str) -> Path:
    """Return a certificate, signed by itself, with its key, valid from one year to another."""
    settings = """
        [ca]
        default_ca=d
        [d]
        database=index
        serial=serial
        new_certs_dir=.
        default_md=sha256
        policy=p
        x509_extensions=e
        [p]
        commonName=supplied
        [e]
        subjectAltName=IP:127.0.0.1
        basicConstraints=CA:TRUE
    """
    (folder / "settings").write_text(textwrap.dedent(settings))
    (folder / "index").touch()
    (folder / "serial").write_text("01\n")
    request = "openssl req -newkey rsa:2048 -nodes -keyout key -subj /CN=localhost -out request"
    sign = "openssl ca -batch -config settings -selfsign -keyfile key -in request -notext"
    dates = f"-out certificate -startdate {first}0101000000Z -enddate {last}0101000000Z"
    for command in (request, f"{sign} {dates}"):
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    path = folder / "both.pem"
    path.write_bytes((folder / "key").read_bytes() + (folder / "certificate").read_bytes())
    return path
