"""Write the parts of the docs that mirror code: tables of streams and settings, catalog.json.

In a document a generated part stands between `<!-- begin NAME -->` and `<!-- end NAME -->`.
With `--check` nothing is written, and the exit code says whether something would be.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
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


def _stream_table() -> str:
    head = ["stream", "from", "key", "replication", "selected by default"]
    rows = [
        [
            f"`{stream.tap_stream_id}`",
            stream.path,
            _code(*stream.key_properties),
            _replication(stream),
            "yes" if stream.selected_by_default else "no",
        ]
        for stream in STREAMS
    ]
    return _table(head, rows)


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
    "streams": _stream_table,
    "stream details": _stream_details,
    "line tables": _line_tables,
    "config": _config_table,
}

if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
