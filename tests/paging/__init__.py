"""Tests of the ways to walk an endpoint."""
