"""The package installs from a wheel and an sdist and runs with nothing else around."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tap_xero.streams.table import DETAILS, LISTS, REPORTS

pytestmark = pytest.mark.packaging

ROOT = Path(__file__).parent.parent.parent


def run(*command: str | Path, cwd: Path) -> bytes:
    done = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sdist, and the wheel from it, out of a copy of what git tracks."""
    folder = tmp_path_factory.mktemp("build")
    files = run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    for name in files.decode().splitlines():
        if not name.startswith("tests/") and (ROOT / name).is_file():
            copy = folder / "source" / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes((ROOT / name).read_bytes())
    options = ("--no-isolation", "--outdir", folder / "dist")
    run(sys.executable, "-m", "build", *options, folder / "source", cwd=folder)
    return folder / "dist"


def test_a_wheel_in_an_empty_venv_discovers_and_syncs_the_demo(dist: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    wheel = next(dist.glob("*.whl"))
    pip = (tmp_path / "venv/bin/pip", "--quiet", "--disable-pip-version-check")
    run(*pip, "install", wheel, cwd=tmp_path)
    tap = tmp_path / "venv/bin/tap-xero"
    catalog = json.loads(run(tap, "--discover", cwd=tmp_path))
    assert len(catalog["streams"]) == len(LISTS) + len(REPORTS) + len(DETAILS)
    lines = run(tap, "--demo", cwd=tmp_path).splitlines()
    kinds = {json.loads(line)["type"] for line in lines}
    assert kinds == {"SCHEMA", "RECORD", "STATE", "ACTIVATE_VERSION"}


def test_the_sdist_holds_the_schemas(dist: Path, tmp_path: Path) -> None:
    run("tar", "xf", next(dist.glob("*.tar.gz")), cwd=tmp_path)
    unpacked = next(tmp_path.iterdir())
    catalog = json.loads(run(sys.executable, "-m", "tap_xero", "--discover", cwd=unpacked))
    assert len(catalog["streams"]) == len(LISTS) + len(REPORTS) + len(DETAILS)


def test_a_bare_checkout_runs_from_any_folder(tmp_path: Path) -> None:
    command = f"import sys; sys.path.insert(0, {str(ROOT)!r}); sys.argv = ['t', '--discover']"
    command += "; from tap_xero.cli import main; sys.exit(main())"
    catalog = json.loads(run(sys.executable, "-c", command, cwd=tmp_path))
    assert len(catalog["streams"]) == len(LISTS) + len(REPORTS) + len(DETAILS)
