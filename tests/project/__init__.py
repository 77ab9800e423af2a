"""Tests of the project itself: architecture, documents, packaging, other programs."""
