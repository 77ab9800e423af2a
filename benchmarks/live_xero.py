"""Serve a demo Xero whose invoices have the shape of live ones: `live_xero.py --size 20000`.

Recorded answers of live organisations differ from the demo in two ways: each invoice has an empty
InvoicePaymentServices, and the tracking of a line in a list has empty Options and no
TrackingOptionID. With `--tomorrow` each invoice also has a field that no schema knows.

Prints one line of JSON, {"config": …}, and serves until stdin closes or SIGTERM.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from typing import TYPE_CHECKING, Any

from tap_xero.demo import Behaviour, DemoXero

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> int:
    """Run the command; return its exit code."""
    arguments = _parser().parse_args()
    extra = {"AddedByXeroTomorrow": "A text of usual length"} if arguments.tomorrow else {}
    behaviour = Behaviour(gzip=arguments.gzip)
    with DemoXero(arguments.size, behaviour=behaviour, lines=arguments.lines) as xero:
        for row in xero.organisation.table("Invoices").rows.values():
            if row.make is None:
                raise TypeError(f"the demo no longer makes invoice {row.key} on demand")
            row.make = (_live_invoice, (*row.make, extra))
        xero.render_all("Invoices")
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        print(json.dumps({"config": xero.config()}), flush=True)
        sys.stdin.read()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="live_xero.py", description=__doc__)
    parser.add_argument("--size", type=int, required=True, help="number of invoices")
    parser.add_argument("--lines", type=int, default=5, help="lines of each invoice")
    parser.add_argument("--gzip", action="store_true", help="compress for those who accept it")
    parser.add_argument("--tomorrow", action="store_true", help="add a field that no schema knows")
    return parser


def _live_invoice(
    make: Callable[..., dict[str, Any]], arguments: tuple[object, ...], extra: dict[str, str]
) -> dict[str, Any]:
    """Return the invoice that `make` returns, in the shape of a live one."""
    invoice = make(*arguments)
    lines = [
        {**line, "Tracking": [_live_tracking(each) for each in line["Tracking"]]}
        for line in invoice["LineItems"]
    ]
    return {**invoice, "LineItems": lines, "InvoicePaymentServices": [], **extra}


def _live_tracking(tracking: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in tracking.items() if name != "TrackingOptionID"}
    return {**kept, "Options": []}


if __name__ == "__main__":
    raise SystemExit(main())
