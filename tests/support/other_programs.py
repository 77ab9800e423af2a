"""Programs of others that the tests run, each installed from PyPI into an environment of its own.

They are kept outside the repository and made once, since their dependencies contradict ours.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CACHE = Path.home() / ".cache" / "tap-xero-tests"


def installed(name: str, *packages: str, python: str = sys.executable) -> Path:
    """Return the `bin` of an environment with these packages; skip the test where that fails."""
    folder = CACHE / name
    done = folder / "done"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        _run(python, "-m", "venv", str(folder))
        _run(str(folder / "bin" / "pip"), "install", "--quiet", *packages)
        done.touch()
    return folder / "bin"


def _run(*command: str) -> None:
    made = subprocess.run(command, capture_output=True, check=False, timeout=600)
    if made.returncode:
        pytest.skip(f"{' '.join(command)}: {made.stderr.decode()[-300:]}")
