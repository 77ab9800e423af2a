"""Small pieces of English that several commands print."""

from __future__ import annotations


def count(number: int, noun: str) -> str:
    """Return the number with its noun: "1 row", "2,000 rows"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
