"""Tests of the demo Xero."""
