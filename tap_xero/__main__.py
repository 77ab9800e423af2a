"""`tap-xero`, also as `python -m tap_xero`."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the tap; return its exit code. Ctrl-C ends it quietly even while modules are loading."""
    try:
        from tap_xero import cli

        return cli.main()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
