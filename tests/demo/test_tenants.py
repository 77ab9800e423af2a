"""Many organisations in one demo: books, limits and treatment of each one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_xero.demo import Behaviour, DemoXero, Tenant, many_tenants
from tests.support.demo_client import TIMEOUT, Login

if TYPE_CHECKING:
    from collections.abc import Iterable

    import requests


def serve(tenants: Iterable[Tenant], app_calls_per_minute: int | None = None) -> DemoXero:
    organisations = tuple(tenants)
    return DemoXero(
        size=3,
        clock=lambda: 1_800_000_000.0,
        behaviour=Behaviour(organisations=organisations, app_calls_per_minute=app_calls_per_minute),
    )


def ask(login: Login, tenant: Tenant, path: str = "Accounts") -> requests.Response:
    login.session.headers["xero-tenant-id"] = tenant.tenant_id
    return login.get(path)


def test_each_tenant_has_books_of_its_own() -> None:
    tenants = many_tenants(20)
    with serve(tenants) as xero, Login(xero) as login:
        served = {each: ask(login, each, "Invoices").json()["Invoices"] for each in tenants}
        names = {
            ask(login, each, "Organisation").json()["Organisations"][0]["Name"] for each in tenants
        }
        for tenant, invoices in served.items():
            ids = {each["InvoiceID"] for each in invoices}
            assert ids == xero.books(tenant).table("Invoices").rows.keys()
        assert len({each["InvoiceID"] for rows in served.values() for each in rows}) == 40
        assert names == {each.name for each in tenants}


def test_each_tenant_has_limits_of_its_own() -> None:
    one, two = many_tenants(2)
    one = one._replace(calls_per_day=2)
    with serve([one, two]) as xero, Login(xero) as login:
        answers = [ask(login, one) for _ in range(3)]
        assert [each.status_code for each in answers] == [200, 200, 429]
        assert answers[2].headers["X-Rate-Limit-Problem"] == "day"
        assert ask(login, two).status_code == 200
        used = xero.allowance(one)
        assert (used.calls, used.refused, used.minute.most, used.most_at_once) == (2, 1, 2, 1)


def test_all_tenants_share_the_minute_of_the_app() -> None:
    one, two = many_tenants(2)
    with serve([one, two], app_calls_per_minute=3) as xero, Login(xero) as login:
        listed = login.session.get(xero.url + "/connections", timeout=TIMEOUT)
        assert listed.headers["X-AppMinLimit-Remaining"] == "2"
        assert ask(login, one).headers["X-AppMinLimit-Remaining"] == "1"
        assert ask(login, two).status_code == 200
        refused = ask(login, one)
        assert (refused.status_code, refused.content) == (429, b"")
        assert refused.headers["X-Rate-Limit-Problem"] == "appminute"
        assert refused.headers["Retry-After"] == "60"
        again = login.session.get(xero.url + "/connections", timeout=TIMEOUT)
        assert again.headers["X-Rate-Limit-Problem"] == "appminute"


def test_a_tenant_may_be_revoked_or_failing_or_a_practice() -> None:
    gone, broken, practice, well = many_tenants(4)
    gone = gone._replace(treatment="revoked")
    broken = broken._replace(treatment="failing")
    practice = practice._replace(type="PRACTICE")
    with serve([gone, broken, practice, well]) as xero, Login(xero) as login:
        statuses = [ask(login, each).status_code for each in (gone, broken, practice, well)]
        assert statuses == [403, 500, 403, 200]


def test_connections_lists_types_and_duplicates() -> None:
    one, two = many_tenants(2)
    two = two._replace(type="PRACTICE")
    with serve([one, two, one]) as xero, Login(xero) as login:
        rows = login.session.get(xero.url + "/connections", timeout=TIMEOUT).json()
        listed = [(each["tenantId"], each["tenantType"]) for each in rows]
        assert listed == [(each.tenant_id, each.type) for each in (one, two, one)]
        assert len({each["id"] for each in rows}) == 3
