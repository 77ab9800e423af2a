"""Singer metrics, in the very lines that singer-python writes.

Only the lines: importing singer-python would cost a run more CPU than a thousand records do.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from logging import Logger


def log(logger: Logger, kind: str, metric: str, value: float, tags: Mapping[str, object]) -> None:
    """Log a `counter` or a `timer` (in seconds), such as `record_count` of an endpoint."""
    point = {"type": kind, "metric": metric, "value": value, "tags": tags}
    logger.info("METRIC: %s", json.dumps(point))


def status(*, failed: bool) -> str:
    """Return the word for how something ended, for the tag `status`."""
    return "failed" if failed else "succeeded"
