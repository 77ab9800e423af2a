"""Find, load and resolve the bundled JSON schemas.

The schema of a stream is `<tap_stream_id>.json`. Parts that several streams use are in `shared/`. A
reference such as `{"$ref": "shared/contact.json"}` is relative to the folder of the schemas. This
folder is in the installed package, but at the top level of a checkout, so the tap looks in both.

Xero's documents refer to each other without end: an invoice has payments, a payment has its
invoice. So a document inside a record is whole (`shared/invoice.json`), and a document inside that
one is a summary (`shared/invoice_summary.json`). A circle of references is an error.

After the keys and the replication key, fields are in the order in which Xero sends them: msgspec
decodes fields in the expected order fastest.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tap_xero.errors import InputError

Schema = dict[str, Any]

_PACKAGE = Path(__file__).parent.parent


def schema_folder() -> Path:
    """Return the folder of the bundled schemas. Raises InputError if there is none."""
    for folder in (_PACKAGE / "schemas", _PACKAGE.parent / "schemas"):
        if folder.is_dir():
            return folder
    raise InputError(f"no schemas beside {_PACKAGE}: the installation is damaged, reinstall it")


def stream_schema(tap_stream_id: str) -> Schema:
    """Return the stream's JSON schema (draft 4) with every reference resolved.

    Equal parts are one object, so callers must not change it. Raises InputError, naming the file,
    if a file is missing, is not JSON or refers to itself.
    """
    return resolve(schema_folder(), f"{tap_stream_id}.json")


def resolve(folder: Path, name: str) -> Schema:
    """Return the schema in `folder / name` with every `$ref` replaced by the file it names."""
    resolved: dict[str, Schema | None] = {}

    def file(name: str) -> Schema:
        if name not in resolved:
            resolved[name] = None  # a file that meets this None refers to itself
            resolved[name] = node(_load(folder / name))
        schema = resolved[name]
        if schema is None:
            raise InputError(f"schema {folder / name} refers to itself: cut the circle of $ref")
        return schema

    def node(value: Any) -> Any:  # noqa: ANN401 - any part of a JSON document
        if isinstance(value, dict):
            if "$ref" in value:
                return file(value["$ref"])
            return {key: node(part) for key, part in value.items()}
        return value

    return file(name)


def _load(path: Path) -> Schema:
    try:
        schema = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"schema {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"schema {path} is not valid JSON: {error}") from error
    if not isinstance(schema, dict):
        raise InputError(f"schema {path} is not a JSON object")
    return schema
