"""Which room may import which. A stranger can read the architecture off this table.

A room is a package of tap_xero, or a module that stands at its root. A room may import the rooms
above it, and of those only the ones that its row names.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent.parent / "tap_xero"

MAY_IMPORT: dict[str, set[str]] = {
    # Words that all rooms share.
    "errors": set(),
    "clock": set(),
    "dates": set(),
    "config": {"errors"},
    "tenant_states": {"errors"},
    # One call to Xero.
    "transport": {"clock", "errors"},
    "login": {"clock", "config", "errors", "transport"},
    "client": {"clock", "config", "errors", "login", "transport"},
    # Which streams there are, and how to walk them.
    "paging": {"client", "dates", "errors"},
    "streams": {"client", "config", "dates", "errors", "paging"},
    "output": {"dates", "errors", "paging", "transport"},
    # What this run is to read, and from where.
    "discover": {"errors", "streams"},
    "selection": {"errors", "streams"},
    "state": {"config", "dates", "errors", "paging", "selection", "streams"},
    "coverage": {"config", "dates", "paging", "selection", "state", "streams"},
    "outcome": {"client", "errors", "selection"},
    "details": {
        "client",
        "config",
        "dates",
        "selection",
        "errors",
        "outcome",
        "output",
        "paging",
        "state",
        "streams",
    },
    # The loop, and the commands around it.
    "sync": {
        "coverage",
        "client",
        "config",
        "details",
        "selection",
        "errors",
        "outcome",
        "output",
        "paging",
        "state",
        "streams",
    },
    "organisations": {
        "client",
        "clock",
        "config",
        "dates",
        "errors",
        "outcome",
        "output",
        "paging",
        "selection",
        "state",
        "streams",
        "sync",
        "tenant_states",
    },
    "commands": {
        "coverage",
        "client",
        "clock",
        "config",
        "dates",
        "demo",
        "discover",
        "selection",
        "errors",
        "login",
        "organisations",
        "outcome",
        "output",
        "state",
        "streams",
        "sync",
        "tenant_states",
        "transport",
    },
    "cli": {"commands", "errors"},
}


def files_of(room: str) -> list[Path]:
    """Return the modules of a room: one at the root, all of a package."""
    alone = PACKAGE / f"{room}.py"
    return [alone] if alone.exists() else sorted((PACKAGE / room).rglob("*.py"))


def imported_modules(path: Path) -> set[str]:
    """Return what a module imports of the package, also for types only, as `room` or `room.x`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not node.module:
            continue
        if node.module == "tap_xero":
            found |= {alias.name for alias in node.names}
        elif node.module.startswith("tap_xero."):
            found.add(node.module.removeprefix("tap_xero."))
    return found - {"__version__"}


def imports(room: str) -> set[str]:
    """Return the other rooms that a room imports."""
    modules = {module for path in files_of(room) for module in imported_modules(path)}
    return {module.split(".")[0] for module in modules} - {room}


def rooms() -> list[str]:
    modules = [path.stem for path in PACKAGE.glob("*.py") if not path.stem.startswith("__")]
    packages = [path.parent.name for path in PACKAGE.glob("*/__init__.py")]
    return sorted([*modules, *packages])


def test_every_room_has_its_row() -> None:
    assert rooms() == sorted([*MAY_IMPORT, "demo"])


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_rooms_import_what_the_table_allows_and_no_less(room: str) -> None:
    assert imports(room) == MAY_IMPORT[room]


def test_imports_run_one_way() -> None:
    above = {"demo"}
    for room, imported in MAY_IMPORT.items():
        assert imported <= above, f"{room} imports a room below it"
        above.add(room)


def test_the_demo_needs_nothing_of_the_tap_and_only_the_command_knows_it() -> None:
    assert imports("demo") == set()
    assert [room for room in MAY_IMPORT if "demo" in imports(room)] == ["commands"]


def demo_modules() -> dict[str, set[str]]:
    """Return what each module of the demo imports of the demo, also for types only."""
    paths = {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
        for path in (PACKAGE / "demo").rglob("*.py")
        if path.stem != "__init__"
    }
    return {name: imported_names(path) & paths.keys() for name, path in paths.items()}


def imported_names(path: Path) -> set[str]:
    """Return `room.x` and `room.x.name` for each name that a module imports from `room.x`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tap_xero."):
            module = str(node.module).removeprefix("tap_xero.")
            found |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return found


def test_the_modules_of_the_demo_import_one_another_in_no_circle() -> None:
    left = demo_modules()
    while free := [name for name, imported in left.items() if not imported & left.keys()]:
        for name in free:
            del left[name]
    assert left == {}


def test_only_the_writer_touches_stdout() -> None:
    for path in (path for room in MAY_IMPORT for path in files_of(room)):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
        called = {function.id for function in calls if isinstance(function, ast.Name)}
        assert "print" not in called, path
        touched = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert "stdout" not in touched, path
