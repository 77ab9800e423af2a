"""What the tap is and takes: `--about`, as text or in the form that Meltano's hub reads."""

from __future__ import annotations

import json
from typing import Any

from tap_xero import __version__
from tap_xero.commands.printing import print_text
from tap_xero.config import CONFIG_SCHEMA, allowed
from tap_xero.streams.table import STREAMS

CAPABILITIES = ("about", "catalog", "discover", "properties", "state", "activate-version")


def run(form: str) -> int:
    """Print the settings and streams as `form`, "text" or "json"; return the exit code."""
    print_text(as_json() if form == "json" else as_text())
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
        default = f" (default {schema['default']})" if "default" in schema else ""
        lines += [f"  {key}{default}", f"      {schema['description']}", f"      {allowed(schema)}"]
    lines += ["", "Streams:", *(f"  {name}" for name in facts["streams"])]
    return "\n".join(lines) + "\n"


def _settings() -> dict[str, Any]:
    return {
        **CONFIG_SCHEMA,
        "properties": {
            key: {name: value for name, value in schema.items() if name != "allowed"}
            for key, schema in CONFIG_SCHEMA["properties"].items()
        },
    }
