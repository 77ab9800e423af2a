"""The state of many organisations: split into one state each, and joined again.

With `tenant_ids`, one state holds the bookmarks of several organisations, by stream and tenant:

    {"bookmarks": {"invoices": {"<tenant>": {"UpdatedDateUTC": …}}},
     "read_with": {"invoices": {"<tenant>": {"start_date": …}}},
     "completed": {"<tenant>": "2026-11-25T02:31:07Z"}}

Streams come first because some targets keep the bookmarks of each stream on their own. Between
`split` and `joined`, each organisation has a state of the shape that a run for it alone has. Every
other entry of that state, such as `completed`, is kept by tenant in the joined state.

Tenants are UUIDs (Xero OpenAPI, xero-identity.yaml, `tenantId`), written in lower case. This is how
`split` distinguishes a tenant from the name of a field or a stream.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

from tap_xero.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    States: TypeAlias = "dict[str, dict[str, Any]]"

# The parts of a state that hold an entry for each stream.
_BY_STREAM = ("bookmarks", "read_with")
_TENANT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def split(value: Mapping[str, Any], tenant_ids: Collection[str], source: str = "state") -> States:
    """Return the state of each organisation that `value` holds something of.

    `tenant_ids` are the organisations of this run. Organisations outside of it are returned too,
    so that `joined` keeps them. The state of a run for a single organisation is assigned to the
    tenant that its `read_with` names, or to the only tenant of this run. Raises InputError, naming
    `source`, if neither is known.
    """
    states: States = {}
    for part in _BY_STREAM:
        for stream, entry in _object(value.get(part)).items():
            by_tenant = _by_tenant(entry)
            rest = _without_tenants(entry)
            if rest:
                owner = _owner(_object(value.get("read_with")).get(stream), tenant_ids, source)
                by_tenant = {owner: rest} | by_tenant
            for tenant, of_tenant in by_tenant.items():
                states.setdefault(tenant, {}).setdefault(part, {})[stream] = of_tenant
    for name, entry in value.items():
        if name not in _BY_STREAM:
            for tenant, of_tenant in _by_tenant(entry).items():
                states.setdefault(tenant, {})[name] = of_tenant
    return states


def joined(states: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return one state for all organisations; entries without content are left out."""
    value: dict[str, Any] = {"bookmarks": {}}
    for tenant, state in states.items():
        for name, entry in state.items():
            if name not in _BY_STREAM:
                if entry is not None:
                    value.setdefault(name, {})[tenant.lower()] = entry
                continue
            for stream, of_stream in entry.items():
                if of_stream:
                    by_stream = value.setdefault(name, {})
                    by_stream.setdefault(stream, {})[tenant.lower()] = of_stream
    return value


def state_of_one(
    value: Mapping[str, Any], tenant_id: str | None, source: str = "state"
) -> dict[str, Any]:
    """Return what a run for a single organisation starts from: its part of `value`.

    A state of a single organisation is returned as it is. Raises InputError, naming `source`, if
    `value` is of many organisations and `tenant_id` is None.
    """
    entries = _object(value.get("bookmarks")).values()
    if not any(_by_tenant(entry) for entry in entries):
        return dict(value)
    if tenant_id is None:
        raise InputError(
            f"{source}: the state is of several organisations: give tenant_id in the config"
        )
    return split(value, [tenant_id], source).get(tenant_id.lower(), {})


def _by_tenant(entry: object) -> dict[str, Any]:
    return {
        name.lower(): of_tenant
        for name, of_tenant in _object(entry).items()
        if _TENANT.fullmatch(name)
    }


def _without_tenants(entry: object) -> object:
    """Return what a run for a single organisation wrote; an entry of tap-xero 2.x may be text."""
    if not isinstance(entry, dict):
        return entry
    return {name: part for name, part in entry.items() if not _TENANT.fullmatch(name)}


def _owner(read_with: object, tenant_ids: Collection[str], source: str) -> str:
    """Return the tenant of an entry that a run for a single organisation wrote."""
    entry = _object(read_with)
    places = (entry, *entry.values())  # details have an entry for each stream of documents
    named = {
        str(place["tenant_id"]).lower()
        for place in places
        if isinstance(place, dict) and place.get("tenant_id")
    }
    if len(named) != 1:
        named = {tenant.lower() for tenant in tenant_ids}
    if len(named) == 1:
        return named.pop()
    raise InputError(
        f"{source}: the state does not say to which organisation it belongs: run once with only "
        "the id of that organisation in tenant_ids, or start without this state"
    )


def _object(entry: object) -> dict[str, Any]:
    return entry if isinstance(entry, dict) else {}
