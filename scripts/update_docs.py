"""Write the parts of the docs that mirror code: tables of streams and settings, catalog.json.

In a document, a generated part is between `<!-- begin NAME -->` and `<!-- end NAME -->`.
With `--check` nothing is written, and the exit code says whether something would be.
"""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

from tap_xero import discover
from tap_xero.config import CONFIG_SCHEMA, allowed
from tap_xero.streams.available import available_streams
from tap_xero.streams.table import STREAMS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_xero.streams.stream import Stream

ROOT = Path(__file__).parent.parent


def main(*, check: bool) -> int:
    """Bring every generated part up to date, or only say which are not."""
    stale = {path: text for path, text in generated().items() if _read(path) != text}
    for path, text in stale.items():
        print(f"{'stale' if check else 'written'}: {path.relative_to(ROOT)}")
        if not check:
            path.write_text(text, encoding="utf-8")
    return 1 if check and stale else 0


def generated() -> dict[Path, str]:
    """Return each file that has generated parts, as it should be."""
    files = {ROOT / "catalog.json": discover.as_json()}
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        files[path] = _filled(_read(path))
    return files


def _filled(text: str) -> str:
    for name, table in TABLES.items():
        begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
        before, found, rest = text.partition(begin)
        if found:
            text = before + begin + table() + end + rest.partition(end)[2]
    return text


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _stream_names() -> str:
    chosen = [f"`{stream.tap_stream_id}`" for stream in STREAMS if stream.selected_by_default]
    others = [f"`{stream.tap_stream_id}`" for stream in STREAMS if not stream.selected_by_default]
    return f"Selected by default: {_wrapped(chosen)}.\n\nOn demand: {_wrapped(others)}.\n"


def _wrapped(names: list[str]) -> str:
    return "\n".join(wrap(", ".join(names), 118))


def _tree() -> str:
    """Return the modules of each package, with the first line of their docstrings."""
    package = ROOT / "tap_xero"
    lines = ["```text", "tap_xero/"]
    lines += [_tree_line(path, 1) for path in _modules(package)]
    for room in sorted(path.parent for path in package.glob("*/__init__.py")):
        lines.append(f"  {f'{room.name}/':<24} {_first_line(room / '__init__.py')}")
        lines += [_tree_line(path, 2) for path in _modules(room)]
    return "\n".join([*lines, "```", ""])


def _modules(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.py") if not path.name.startswith("__"))


def _tree_line(path: Path, depth: int) -> str:
    return f"{'  ' * depth}{path.name:<{26 - 2 * depth}} {_first_line(path)}"


def _first_line(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0]


def _stream_details() -> str:
    head = ["stream", "path", "key", "method", "granular scope", "broad scope", "not seen"]
    rows = [
        [
            f"`{stream.tap_stream_id}`",
            f"`/{stream.path}`",
            _code(*stream.key_properties),
            _replication(stream),
            _scope(stream.read_scope, stream.second_scope),
            _scope(stream.broad_scope + stream.read_scope.removeprefix(stream.scope)),
            stream.unseen,
        ]
        for stream in STREAMS
    ]
    return _table(head, rows)


def _line_tables() -> str:
    rows = [
        [f"`{stream.tap_stream_id}`", f"`{stream.parent}`", _code(*stream.key_properties)]
        for stream in (each.stream for each in available_streams(line_tables=True))
        if stream.parent
    ]
    return _table(["table", "made from", "key"], rows)


def _config_table() -> str:
    rows = []
    for key, schema in CONFIG_SCHEMA["properties"].items():
        default = _code(json.dumps(schema["default"])) if "default" in schema else ""
        required = " **Required.**" if key in CONFIG_SCHEMA["required"] else ""
        rows.append([f"`{key}`", schema["description"] + required, allowed(schema), default])
    return _table(["key", "meaning", "value", "default"], rows)


def _replication(stream: Stream) -> str:
    if stream.replication_key:
        return f"incremental by `{stream.replication_key}`"
    return "full table"


def _scope(*names: str) -> str:
    return _code(*filter(None, names)) or "that of the document"


def _code(*names: str) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


TABLES: dict[str, Callable[[], str]] = {
    "stream names": _stream_names,
    "stream details": _stream_details,
    "line tables": _line_tables,
    "config": _config_table,
    "tree": _tree,
}

if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
