"""Tests of the streams and their schemas."""
