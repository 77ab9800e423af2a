"""A PostgreSQL server of its own for a test."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def postgres_server() -> Iterator[dict[str, Any]]:
    """Yield host, port, user and database of a PostgreSQL; skip the test without one."""
    found = shutil.which("initdb") or next(
        (str(path) for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")), None
    )
    if found is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    with (
        tempfile.TemporaryDirectory() as folder,
        _server(Path(found).resolve().parent, folder) as at,
    ):
        yield at


@contextmanager
def _server(binaries: Path, folder: str) -> Iterator[dict[str, Any]]:
    """Run a server in `folder`; as root it is given to the user postgres, since it refuses root."""
    runs_as: list[str] = []
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
        runs_as = ["runuser", "-u", "postgres", "--"]
    data, port = f"{folder}/data", _free_port()
    settings = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
    control = [*runs_as, str(binaries / "pg_ctl"), "-D", data, "-w", "-l", f"{folder}/log"]

    def run(*command: str) -> None:
        subprocess.run(command, stdout=subprocess.DEVNULL, cwd=folder, check=True)

    initdb = [*runs_as, str(binaries / "initdb"), "-D", data, "-A", "trust", "-U", "tap", "-N"]
    run(*initdb)
    run(*control, "-o", f"{settings} -c fsync=off", "start")
    try:
        yield {"host": "127.0.0.1", "port": port, "user": "tap", "database": "postgres"}
    finally:
        run(*control, "-m", "immediate", "stop")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
