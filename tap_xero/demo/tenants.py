"""The organisations that a login reaches: who each one is, its books, and how Xero treats it."""

from __future__ import annotations

from typing import NamedTuple

TENANT_ID = "fe79f7dd-b6d4-4a92-ba7b-538af6289c58"


class Tenant(NamedTuple):
    """One row of /connections.

    type: "ORGANISATION" or "PRACTICE"; a practice has no accounting data, so its calls get 403.
    size, seed: the tenant has books of its own, with this many invoices; None for the books that
        all tenants without a size share.
    calls_per_minute, calls_per_day, calls_at_once: limits of this tenant; None for those of
        Behaviour.
    treatment: "" (served), "revoked" (listed, but each data call gets 403) or "failing" (each data
        call gets 500).
    """

    tenant_id: str
    name: str
    type: str = "ORGANISATION"
    size: int | None = None
    seed: int = 1
    calls_per_minute: int | None = None
    calls_per_day: int | None = None
    calls_at_once: int | None = None
    treatment: str = ""


def many_tenants(count: int, size: int = 2) -> tuple[Tenant, ...]:
    """Make tenants with books of their own; those of number n are made from the seed n."""
    return tuple(
        Tenant(
            f"00000000-0000-4000-8000-{number:012d}",
            f"Client {number} Ltd",
            "ORGANISATION",
            size,
            number,
        )
        for number in range(1, count + 1)
    )
