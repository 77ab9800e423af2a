"""`--list-organisations`: every organisation of the login, in one call."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tap_xero.cli import main
from tap_xero.demo import Behaviour, DemoXero
from tap_xero.demo.tenants import many_tenants
from tests.support.run_tap import log_left_as_it_is

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tap_xero.demo.tenants import Tenant

SINCE = "2024-07-09T23:40:30.183313Z"


@pytest.fixture
def xero() -> Iterator[DemoXero]:
    one, two, three = many_tenants(3)
    practice = three._replace(type="PRACTICE", name="Ledger & Co")
    with DemoXero(behaviour=Behaviour(organisations=(one, two, practice))) as demo:
        yield demo


def listing(
    tmp_path: Path,
    xero: DemoXero,
    *arguments: str,
    reached: tuple[Tenant, ...] | None = None,
    **changes: Any,  # noqa: ANN401
) -> int:
    """Run the command with a config without start_date and return its exit code.

    With `reached`, these are the connections of the login.
    """
    config = xero.config(tenant_id=None, **changes)
    del config["start_date"]
    if reached is not None:
        xero.behaviour.organisations = reached
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    with log_left_as_it_is():
        return main(["--config", str(path), "--list-organisations", *arguments])


def row_of(tenant: Tenant) -> dict[str, str]:
    return {
        "tenant_id": tenant.tenant_id,
        "name": tenant.name,
        "type": tenant.type,
        "connected_since": SINCE,
    }


@pytest.mark.parametrize("tenant_ids", [None, "all", ["00000000-0000-4000-8000-000000000002"]])
def test_a_program_reads_every_connection_from_one_call(
    tmp_path: Path,
    xero: DemoXero,
    capfd: pytest.CaptureFixture[str],
    tenant_ids: str | list[str] | None,
) -> None:
    assert listing(tmp_path, xero, "--format", "json", tenant_ids=tenant_ids) == 0
    expected = [row_of(tenant) for tenant in xero.behaviour.organisations]
    assert json.loads(capfd.readouterr().out) == expected
    assert [call.kind for call in xero.calls if call.kind != "token"] == ["connections"]


def test_a_person_reads_a_table(
    tmp_path: Path, xero: DemoXero, capfd: pytest.CaptureFixture[str]
) -> None:
    assert listing(tmp_path, xero) == 0
    head, first, _, last = capfd.readouterr().out.splitlines()
    assert head.split("  ")[0] == "tenant_id"
    assert first.split() == [
        *("00000000-0000-4000-8000-000000000001", "Client", "1", "Ltd", "ORGANISATION", SINCE),
    ]
    assert last.split()[1:] == ["Ledger", "&", "Co", "PRACTICE", SINCE]
    assert first.index("ORGANISATION") == last.index("PRACTICE") == head.index("type")


def test_a_name_cannot_write_to_the_terminal(
    tmp_path: Path, xero: DemoXero, capfd: pytest.CaptureFixture[str]
) -> None:
    (tenant,) = many_tenants(1)
    reached = (tenant._replace(name="Evil\nrow\x1b[31m"),)
    assert listing(tmp_path, xero, reached=reached) == 0
    out = capfd.readouterr().out
    assert len(out.splitlines()) == 2
    assert "\x1b" not in out


def test_no_organisation_is_an_error_in_one_line(
    tmp_path: Path, xero: DemoXero, capfd: pytest.CaptureFixture[str]
) -> None:
    assert listing(tmp_path, xero, reached=()) == 1
    out, log = capfd.readouterr()
    assert not out
    (line,) = [line for line in log.splitlines() if line.startswith("CRITICAL")]
    assert "the login reaches no organisation; run tap-xero --authorize --config" in line


def test_a_practice_alone_is_listed_but_is_no_organisation(
    tmp_path: Path, xero: DemoXero, capfd: pytest.CaptureFixture[str]
) -> None:
    assert listing(tmp_path, xero, reached=xero.behaviour.organisations[-1:]) == 1
    out, log = capfd.readouterr()
    assert "PRACTICE" in out
    assert "the login reaches no organisation" in log


def test_a_placeholder_is_refused_before_any_call(
    tmp_path: Path, xero: DemoXero, capfd: pytest.CaptureFixture[str]
) -> None:
    assert listing(tmp_path, xero, client_id="YOUR_CLIENT_ID") == 1
    assert "client_id is still the placeholder" in capfd.readouterr().err
    assert not xero.calls
