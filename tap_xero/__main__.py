"""`python -m tap_xero` is the same as `tap-xero`."""

import sys

from tap_xero.cli import main

if __name__ == "__main__":
    sys.exit(main())
