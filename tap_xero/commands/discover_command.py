"""`--discover`: print the catalog. It calls nobody and needs no login."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_xero import discover
from tap_xero.commands.printing import print_text

if TYPE_CHECKING:
    from collections.abc import Collection

    from tap_xero.commands.inputs import Inputs


def run(inputs: Inputs, select: Collection[str] | None) -> int:
    """Print the catalog as JSON; return the exit code.

    `select` is as in `discover.catalog`. Raises InputError for a wrong config or an unknown stream.
    """
    line_tables, with_tenant = _settings(inputs)
    print_text(discover.as_json(line_tables=line_tables, with_tenant=with_tenant, select=select))
    return 0


def _settings(inputs: Inputs) -> tuple[bool, bool]:
    """Return whether the config, if there is one, asks for line tables and for TenantID."""
    if not inputs.config_files:
        return False, False
    with inputs.config(needs_start_date=False) as config:
        return config.line_tables, config.tenant_ids is not None
