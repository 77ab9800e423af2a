"""What the tap is and takes: `--about`, as text, Markdown or the JSON that Meltano's hub reads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tap_xero import __version__
from tap_xero.commands.printing import print_text
from tap_xero.config import CONFIG_SCHEMA, allowed
from tap_xero.streams.table import STREAMS

if TYPE_CHECKING:
    from collections.abc import Mapping

CAPABILITIES = ("about", "catalog", "discover", "properties", "state", "activate-version")


def run(form: str) -> int:
    """Print settings and streams as `form`, a key of FORMS; return the exit code."""
    print_text(FORMS[form]())
    return 0


def about() -> dict[str, Any]:
    """Return name, version, capabilities, settings (a JSON schema) and streams."""
    return {
        "name": "tap-xero",
        "description": "Singer tap for the Xero Accounting API",
        "version": __version__,
        "sdk_version": None,
        "supported_python_versions": ["3.10", "3.11", "3.12", "3.13"],
        "capabilities": list(CAPABILITIES),
        "settings": _settings(),
        "streams": [stream.tap_stream_id for stream in STREAMS],
    }


def as_json() -> str:
    """Return the same as JSON."""
    return json.dumps(about(), indent=2) + "\n"


def as_text() -> str:
    """Return the same for people."""
    facts = about()
    lines = [f"{facts['name']} {facts['version']}: {facts['description']}", "", "Settings:"]
    for key, schema in CONFIG_SCHEMA["properties"].items():
        lines += [
            f"  {key}{_required_or_default(key, schema)}",
            f"      {schema['description']}",
            f"      {allowed(schema)}",
        ]
    lines += ["", "Streams:", *(f"  {name}" for name in facts["streams"])]
    return "\n".join(lines) + "\n"


def as_markdown() -> str:
    """Return the same as a page of Markdown, in the order of SDK taps."""
    facts = about()
    lines = [f"# `{facts['name']}` {facts['version']}", "", facts["description"], ""]
    lines += ["## Capabilities", "", *(f"* `{name}`" for name in facts["capabilities"]), ""]
    lines += ["## Settings", "", "| Setting | Required | Default | Description |"]
    lines += ["|:--------|:--------:|:-------:|:------------|"]
    for key, schema in CONFIG_SCHEMA["properties"].items():
        required = "yes" if key in CONFIG_SCHEMA["required"] else "no"
        default = f"`{json.dumps(schema['default'])}`" if "default" in schema else ""
        meaning = f"{schema['description']} ({allowed(schema)})".replace("|", "\\|")
        lines.append(f"| {key} | {required} | {default} | {meaning} |")
    lines += ["", "## Streams", "", *(f"* `{name}`" for name in facts["streams"])]
    return "\n".join(lines) + "\n"


def _required_or_default(key: str, schema: Mapping[str, Any]) -> str:
    if key in CONFIG_SCHEMA["required"]:
        return " (required)"
    return f" (default {schema['default']})" if "default" in schema else ""


def _settings() -> dict[str, Any]:
    return {
        **CONFIG_SCHEMA,
        "properties": {
            key: {name: value for name, value in schema.items() if name != "allowed"}
            for key, schema in CONFIG_SCHEMA["properties"].items()
        },
    }


FORMS = {"text": as_text, "json": as_json, "markdown": as_markdown}
