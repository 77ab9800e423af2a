"""Tests of the tap: the real one, against the demo Xero over HTTP."""
