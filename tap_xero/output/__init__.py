"""Rows to Singer messages on stdout."""
