"""Serve the demo Xero from a process of its own: `python -m tap_xero.demo --size 20000`.

Prints one line of JSON, {"url": …, "config": …}, and serves until stdin closes or SIGTERM.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys

from tap_xero.demo.behaviour import Behaviour
from tap_xero.demo.lists import ENDPOINTS
from tap_xero.demo.server import DemoXero


def main() -> int:
    """Run the command; return its exit code."""
    arguments = _parser().parse_args()
    behaviour = Behaviour(
        pretty=not arguments.compact,
        gzip=arguments.gzip,
        calls_per_minute=arguments.calls_per_minute,
        latency=arguments.latency,
    )
    with DemoXero(
        size=arguments.size,
        seed=arguments.seed,
        behaviour=behaviour,
        lines=arguments.lines,
        port=arguments.port,
    ) as xero:
        for name in arguments.render:
            xero.render_all(name)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        sys.stdout.write(json.dumps({"url": xero.url, "config": xero.config()}) + "\n")
        sys.stdout.flush()
        sys.stdin.read()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tap_xero.demo", description=__doc__)
    parser.add_argument("--size", type=int, default=300, help="number of invoices")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lines", type=int, help="lines of each invoice; mixed by default")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--gzip", action="store_true", help="compress for those who accept it")
    parser.add_argument("--compact", action="store_true", help="JSON without line breaks")
    parser.add_argument("--calls-per-minute", type=int, help="enforce this limit")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds that each call takes")
    parser.add_argument(
        "--render",
        nargs="*",
        choices=sorted(ENDPOINTS),
        default=["Invoices"],
        metavar="LIST",
        help="lists to render ahead of time; Invoices by default",
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
