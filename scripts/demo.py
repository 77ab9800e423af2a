"""`make demo`: sync the demo organisation through a real target and show what arrived."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path


def main(target: str, folder: str) -> int:
    """Pipe `tap-xero --demo` into the JSONL target `target`, which writes into `folder`."""
    output = Path(folder)
    output.mkdir(exist_ok=True)
    for file in output.glob("*.jsonl"):
        file.unlink()
    config = output / "target-config.json"
    config.write_text(json.dumps({"destination_path": folder, "do_timestamp_file": False}))
    began = time.monotonic()
    tap = subprocess.Popen(
        [sys.executable, "-m", "tap_xero", "--demo"],
        stdout=subprocess.PIPE,
        stderr=(output / "tap.log").open("wb"),
    )
    load = subprocess.run(
        [target, "--config", str(config)], stdin=tap.stdout, capture_output=True, check=False
    )
    (output / "target.log").write_bytes(load.stderr)
    if tap.wait() or load.returncode:
        print(f"tap exit {tap.returncode}, target exit {load.returncode}: see {folder}/*.log")
        return 1
    _show(output, time.monotonic() - began)
    return 0


def _show(output: Path, seconds: float) -> None:
    counts = {file.stem: _lines(file) for file in sorted(output.glob("*.jsonl"))}
    width = max(map(len, counts), default=0)
    print(f"{'stream':{width}}  rows")
    for stream, rows in counts.items():
        print(f"{stream:{width}}  {rows:>4}")
    print(f"{sum(counts.values())} rows of {len(counts)} streams in {seconds:.1f} s: {output}/")


def _lines(file: Path) -> int:
    with file.open("rb") as lines:
        return sum(1 for _ in lines)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
