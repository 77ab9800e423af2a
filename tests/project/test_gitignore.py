"""Files that the documented commands write are not offered to git."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

WRITTEN = [
    *("config.json", "config.json.lock", "config.json.new", ".env"),
    *(".tap-xero-token.json", ".tap-xero-token.json.lock", "token.json", "tokens.json"),
    *("state.json", "state.new", "states.jsonl", "states.new", "output.jsonl", "my-catalog.json"),
    *("tap.log", "target.log", "output/invoices.jsonl", ".meltano/meltano.db"),
]


def git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = ["/usr/bin/env", "git", *arguments]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True)


@pytest.mark.parametrize("name", WRITTEN)
def test_what_the_documented_commands_write_is_ignored(name: str) -> None:
    assert git("check-ignore", name).returncode == 0


def test_no_tracked_file_is_ignored() -> None:
    assert git("ls-files", "--cached", "--ignored", "--exclude-standard").stdout == b""
