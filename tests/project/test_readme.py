"""The documents say what the code does: generated parts are fresh, commands exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tap_xero import __version__

ROOT = Path(__file__).parent.parent.parent


def test_generated_tables_and_the_catalog_are_up_to_date() -> None:
    command = [sys.executable, "scripts/update_docs.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode() + "run `make docs`"


def test_the_readme_begins_with_the_two_commands_of_a_newcomer() -> None:
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert blocks[:2] == ["make demo\n", "make test\n"]


def test_every_make_target_that_is_mentioned_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for name in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / name).read_text()
        mentioned = re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE)
        assert mentioned
        assert set(mentioned) <= targets


def test_the_changelog_knows_this_version() -> None:
    assert f"## {__version__} " in (ROOT / "CHANGELOG.md").read_text()
