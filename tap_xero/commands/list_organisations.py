"""`--list-organisations`: which organisations the login reaches, in one call to /connections.

The list has every connection of the login, whatever `tenant_id` or `tenant_ids` say. A practice is
listed with its type, but no sync reads a practice.
"""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

from tap_xero import dates
from tap_xero.clock import Clock
from tap_xero.commands.inputs import refuse_placeholders
from tap_xero.commands.printing import print_text
from tap_xero.errors import AuthorizeError
from tap_xero.login.auth import XeroAuth
from tap_xero.login.connections import ORGANISATION
from tap_xero.transport.error_answers import clean
from tap_xero.transport.exchange import Transport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_xero.commands.inputs import Inputs
    from tap_xero.config import Config
    from tap_xero.login.connections import Tenant

_HEADINGS = ("tenant_id", "name", "type", "connected since")


def run(inputs: Inputs, *, as_json: bool) -> int:
    """Print the organisations as a table or as a JSON list; return the exit code.

    Raises AuthorizeError if the login reaches no organisation.
    """
    with inputs.config(needs_start_date=False) as config:
        refuse_placeholders(config)
        tenants = _ask(config)
        if tenants:
            print_text(_as_json(tenants) if as_json else _as_text(tenants))
        if all(tenant.type != ORGANISATION for tenant in tenants):
            raise AuthorizeError(
                f"the login reaches no organisation; {inputs.how_to_get_scopes(config)} and choose "
                "an organisation on Xero's page"
            )
    return 0


def _ask(config: Config) -> list[Tenant]:
    clock = Clock()
    with closing(Transport(config.user_agent, clock)) as transport:
        return XeroAuth(config, transport, clock).tenants()


def _as_json(tenants: Sequence[Tenant]) -> str:
    rows = [
        {
            "tenant_id": tenant.tenant_id,
            "name": tenant.name,
            "type": tenant.type,
            "connected_since": _moment(tenant.since),
        }
        for tenant in tenants
    ]
    return json.dumps(rows, indent=2) + "\n"


def _as_text(tenants: Sequence[Tenant]) -> str:
    rows = [
        _HEADINGS,
        *(
            (clean(each.tenant_id), clean(each.name), clean(each.type), _moment(each.since) or "")
            for each in tenants
        ),
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return "\n".join(lines) + "\n"


def _moment(text: str) -> str | None:
    """Return Xero's date, which has no zone, as RFC 3339 in UTC; None if the text is no date."""
    literal = dates.instant(json.dumps(text).encode())
    return json.loads(literal) if literal else None
