"""Who may import whom. A stranger can read the architecture off this table, top to bottom.

A module may import what stands above it, and of that only what its row names.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "tap_xero"

MAY_IMPORT: dict[str, set[str]] = {
    # Words that all share.
    "errors": set(),
    "clock": set(),
    "metrics": set(),
    "dates": set(),
    "wire": set(),
    # What the user gives.
    "config": {"errors"},
    "files": {"clock", "errors"},
    "tokens": {"clock", "config", "errors", "files"},
    # HTTP: one call, tried again, in turn, signed.
    "deadlines": set(),
    "retries": {"clock"},
    "transport": {"clock", "deadlines", "errors", "retries"},
    "problems": {"transport"},
    "limits": {"clock"},
    "auth": {"clock", "config", "errors", "problems", "retries", "tokens", "transport"},
    "client": {
        "auth",
        "clock",
        "config",
        "errors",
        "limits",
        "metrics",
        "problems",
        "retries",
        "transport",
        "wire",
    },
    # Lists and how to walk them.
    "lists": {"client", "dates", "errors"},
    "calendars": set(),
    "pagers": {"calendars", "dates", "errors", "lists"},
    "sweep": {"errors", "lists", "pagers"},
    "seek": {"errors", "lists", "pagers", "sweep"},
    # Streams: the table, their schemas, which are wanted.
    "budgets": {"calendars", "errors", "lists", "pagers"},
    "streams": {"budgets", "client", "config", "errors", "lists", "pagers", "seek", "sweep"},
    "schemas": {"errors"},
    "report_cells": {"errors", "lists"},
    "reports": {"calendars", "dates", "lists", "pagers", "report_cells", "seek", "streams"},
    "downloads": {"errors"},
    "details": {"dates", "downloads", "errors", "lists", "pagers", "streams"},
    "offered": {"details", "reports", "streams"},
    "line_tables": {"lists", "offered", "pagers", "schemas", "streams"},
    "singer_metadata": set(),
    "discover": {
        "details",
        "errors",
        "line_tables",
        "offered",
        "schemas",
        "singer_metadata",
        "streams",
    },
    "read_with": {"config", "dates", "pagers", "streams"},
    "state": {
        "calendars",
        "config",
        "dates",
        "details",
        "discover",
        "errors",
        "pagers",
        "read_with",
        "streams",
    },
    "turns": {"details", "errors", "pagers"},
    "detail_walks": {
        "client",
        "config",
        "dates",
        "details",
        "discover",
        "downloads",
        "errors",
        "pagers",
        "state",
        "streams",
    },
    # Out.
    "date_fields": {"dates"},
    "values": {"date_fields", "dates", "lists"},
    "records": {"date_fields", "dates", "lists", "pagers", "values", "wire"},
    "writer": {"errors"},
    # The loop, and the command around it.
    "reading": set(),
    "sync": {
        "client",
        "config",
        "detail_walks",
        "details",
        "discover",
        "errors",
        "line_tables",
        "lists",
        "pagers",
        "reading",
        "records",
        "state",
        "streams",
        "turns",
        "writer",
    },
    "report": {"client", "errors", "metrics", "state", "sync"},
    "progress": {"client", "sync"},
    "interrupts": set(),
    # The other commands.
    "organisation": {"client", "errors"},
    "loopback": {"errors"},
    "authorize": {
        "auth",
        "client",
        "clock",
        "config",
        "errors",
        "loopback",
        "organisation",
        "tokens",
        "transport",
    },
    "check": {
        "client",
        "config",
        "discover",
        "errors",
        "organisation",
        "state",
        "streams",
    },
    "about": {"config", "offered"},
}
# The top: it may import anything.
COMMAND = "cli"


def imports(module: str) -> set[str]:
    """Return the modules of the package that `module` imports, also for types only."""
    tree = ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or not node.module:
            continue
        if node.module == "tap_xero":
            found |= {alias.name for alias in node.names}
        elif node.module.startswith("tap_xero."):
            found.add(node.module.split(".")[1])
    return found - {"__version__"}


def modules() -> list[str]:
    files = PACKAGE.glob("*.py")
    return sorted(file.stem for file in files if not file.stem.startswith("__"))


def test_every_module_has_its_row() -> None:
    assert modules() == sorted([*MAY_IMPORT, COMMAND])


@pytest.mark.parametrize("module", MAY_IMPORT)
def test_modules_import_what_the_table_allows_and_no_less(module: str) -> None:
    assert imports(module) == MAY_IMPORT[module]


def test_imports_run_one_way() -> None:
    above: set[str] = set()
    for module, imported in MAY_IMPORT.items():
        assert imported <= above, f"{module} imports what stands below it"
        above.add(module)


def test_only_the_command_knows_the_demo() -> None:
    assert [module for module in modules() if "demo" in imports(module)] == [COMMAND]


def test_only_the_writer_touches_stdout() -> None:
    for module in modules():
        tree = ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))
        calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
        called = {function.id for function in calls if isinstance(function, ast.Name)}
        assert "print" not in called, module
        touched = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert "stdout" not in touched, module
