"""One endpoint of the Accounting API, and the ways to walk it."""
