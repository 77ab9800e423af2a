"""The organisations that a login reaches (GET /connections), and the choice of one.

Xero calls an organisation's id the tenant id. A connection has an id of its own, which the tap does
not use (xero-identity.yaml).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tap_xero.errors import AuthorizeError
from tap_xero.transport.error_answers import clean
from tap_xero.transport.retries import TransientError

if TYPE_CHECKING:
    from collections.abc import Sequence

ORGANISATION = "ORGANISATION"


@dataclass(frozen=True)
class Tenant:
    """A connection of the login; only an ORGANISATION has accounting data.

    type: such as ORGANISATION or PRACTICE, which belongs to another API of Xero.
    since: when it was connected, as Xero writes it; empty when Xero does not say.
    """

    tenant_id: str
    name: str
    type: str = ORGANISATION
    since: str = ""

    def __str__(self) -> str:
        """Return name and id for a person; the name is the organisation's own text."""
        return f"{clean(self.name)} ({clean(self.tenant_id)})"


def choose_tenant(
    connections: Sequence[Tenant], name: str | None, tenant_id: str | None = None
) -> Tenant:
    """Return the one organisation called `name`, or the only one when `name` is None.

    With `tenant_id` it must be the one with that id. Names are compared as written, then without
    regard to case. Raises AuthorizeError that lists the organisations when not exactly one fits.
    """
    if tenant_id and name:
        return _confirmed(connections, name, tenant_id)
    if name is None:
        if len(connections) == 1:
            return connections[0]
        raise AuthorizeError(f"{listed(connections)}; set tenant_id to the one to read")
    for key in (str, str.casefold):
        found = [each for each in connections if key(each.name) == key(name)]
        if len(found) == 1:
            return found[0]
        if found:
            break
    count = "several organisations are" if found else "no organisation is"
    raise AuthorizeError(f"{count} called {name!r}; {listed(connections)}; set tenant_id")


def _confirmed(connections: Sequence[Tenant], name: str, tenant_id: str) -> Tenant:
    for each in connections:
        if each.tenant_id == tenant_id and each.name.casefold() == name.casefold():
            return each
    raise AuthorizeError(
        f"no organisation has both the tenant_id {tenant_id} and the organization_name {name!r}; "
        f"{listed(connections)}; correct or remove one of them"
    )


def read_tenants(body: bytes) -> list[Tenant]:
    """Return all connections in the answer of GET /connections, of every type.

    Raises TransientError if the body is not a list.
    """
    try:
        rows = json.loads(body)
    except (ValueError, RecursionError):
        rows = None
    if not isinstance(rows, list):
        raise TransientError("the answer is not a list")
    return [
        Tenant(
            str(row["tenantId"]),
            str(row.get("tenantName") or ""),
            str(row.get("tenantType", ORGANISATION)).upper(),
            str(row.get("createdDateUtc") or ""),
        )
        for row in rows
        if isinstance(row, dict) and row.get("tenantId")
    ]


def listed(connections: Sequence[Tenant]) -> str:
    """Name the organisations that the login reaches, for the end of an error message."""
    if not connections:
        return "the login reaches no organisation"
    names = ", ".join(map(str, connections))
    return f"the login reaches {names}"
