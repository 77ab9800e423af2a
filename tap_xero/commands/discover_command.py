"""`--discover`: print the catalog. It calls nobody and needs no login."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_xero import discover
from tap_xero.commands.printing import print_text

if TYPE_CHECKING:
    from tap_xero.commands.inputs import Inputs


def run(inputs: Inputs) -> int:
    """Print the catalog as JSON; return the exit code. Raises InputError for a wrong config."""
    print_text(discover.as_json(line_tables=_line_tables(inputs)))
    return 0


def _line_tables(inputs: Inputs) -> bool:
    """Whether the config, if there is one, asks for line tables."""
    if not inputs.config_files:
        return False
    with inputs.config(needs_start_date=False) as config:
        return config.line_tables
