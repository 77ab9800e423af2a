"""A demo Xero with 30 invoices, for each choice of details."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.details import Books, books
from tests.support.rows import spread

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def history() -> Iterator[Books]:
    yield from books("invoices", "history", stamps=spread(30))


@pytest.fixture
def attached() -> Iterator[Books]:
    yield from books("invoices", "attachments", stamps=spread(30))


@pytest.fixture
def both() -> Iterator[Books]:
    yield from books("invoices", "history", "attachments", stamps=spread(30))
