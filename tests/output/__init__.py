"""Tests of rows to Singer messages."""
