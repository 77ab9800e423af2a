"""Tests of history and attachments."""
