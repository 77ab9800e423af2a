"""The Meltano project in the repository: its plugin says what the tap takes, and it runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tap_xero.commands.about import CAPABILITIES
from tap_xero.config import CONFIG_SCHEMA
from tap_xero.demo import DemoXero
from tap_xero.discover import catalog
from tests.support.other_programs import installed

ROOT = Path(__file__).parent.parent.parent
KINDS = {
    "string": "string",
    "boolean": "boolean",
    "integer": "integer",
    "number": "decimal",
    "array": "array",
}
PACKED = ("meltano.yml", "setup.py", "pyproject.toml", "README.md", "tap_xero", "schemas")


def plugin() -> dict[str, Any]:
    project = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
    found: dict[str, Any] = project["plugins"]["extractors"][0]
    return found


def test_the_plugin_has_the_settings_that_the_tap_has() -> None:
    settings = {setting["name"]: setting for setting in plugin()["settings"]}
    assert list(settings) == list(CONFIG_SCHEMA["properties"])
    for name, schema in CONFIG_SCHEMA["properties"].items():
        setting = settings[name]
        kind = "date_iso8601" if name == "start_date" else KINDS[schema["type"]]
        assert setting["kind"] == kind, name
        assert setting.get("sensitive", False) is schema.get("secret", False), name
        assert setting["description"] == schema["description"], name
        if name != "user_agent":  # its default names the version
            assert setting.get("value") == schema.get("default"), name


def test_the_plugin_claims_what_about_claims() -> None:
    assert sorted(plugin()["capabilities"]) == sorted(CAPABILITIES)


def test_the_selected_streams_and_fields_exist() -> None:
    streams = {entry["tap_stream_id"]: entry for entry in catalog()["streams"]}
    for pattern in plugin()["select"]:
        stream, _, field = pattern.removeprefix("!").partition(".")
        assert stream in streams
        assert field == "*" or field in streams[stream]["schema"]["properties"]


@pytest.mark.targets
def test_meltano_runs_the_tap_and_keeps_state_and_token(tmp_path: Path) -> None:
    folder = installed("meltano", "meltano")
    later = 0.0
    for name in PACKED:
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, tmp_path / name)
    (tmp_path / "output").mkdir()

    with DemoXero(size=120, clock=lambda: time.time() + later) as xero:
        keys = xero.config(start_date="2020-01-01T00:00:00Z")
        environment = {f"TAP_XERO_{key.upper()}": str(value) for key, value in keys.items()}

        def meltano(*arguments: str) -> str:
            run = subprocess.run(
                [str(folder / "meltano"), *arguments],
                capture_output=True,
                check=False,
                timeout=300,
                cwd=tmp_path,
                env=os.environ | environment | {"MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false"},
            )
            assert run.returncode == 0, run.stderr.decode()[-3000:]
            return run.stdout.decode()

        meltano("install")
        about = json.loads(meltano("invoke", "tap-xero", "--about", "--format=json"))
        assert about["name"] == "tap-xero"
        messages = [json.loads(line) for line in meltano("invoke", "tap-xero").splitlines()]
        invoices = [each for each in messages if each.get("stream") == "invoices"]
        assert sum(each["type"] == "RECORD" for each in invoices) == 120

        meltano("run", "tap-xero", "target-jsonl")
        assert len(invoices_in(tmp_path)) == 120
        assert not [row for row in rows_in(tmp_path, "contacts") if "BankAccountDetails" in row]

        later = 3600.0  # Xero now refuses every token but the last
        edited = xero.edit("Invoices", invoices_in(tmp_path)[0]["InvoiceID"], Reference="changed")
        meltano("run", "tap-xero", "target-jsonl")
        assert 120 < len(invoices_in(tmp_path)) < 125, "the second run reads what has changed"
        assert invoices_in(tmp_path)[-1]["InvoiceID"] == edited
        assert invoices_in(tmp_path)[-1]["Reference"] == "changed"


def rows_in(project: Path, stream: str) -> list[dict[str, Any]]:
    lines = (project / "output" / f"{stream}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def invoices_in(project: Path) -> list[dict[str, Any]]:
    return rows_in(project, "invoices")
