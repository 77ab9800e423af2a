"""Tests of tokens and organisations."""
