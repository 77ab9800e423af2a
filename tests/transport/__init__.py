"""Tests of one HTTP exchange."""
