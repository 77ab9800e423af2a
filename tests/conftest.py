"""Fixtures of many test files. A file that needs another kind of demo Xero defines its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tap_xero.demo import DemoXero

if TYPE_CHECKING:
    from collections.abc import Iterator

INVOICES = 30


@pytest.fixture
def xero(request: pytest.FixtureRequest) -> Iterator[DemoXero]:
    """Serve a demo Xero to one test; the mark `invoices` says how many invoices, if not 30."""
    mark = request.node.get_closest_marker("invoices")
    with DemoXero(size=mark.args[0] if mark else INVOICES) as demo:
        yield demo
