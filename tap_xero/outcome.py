"""What came of one stream in a run: this is all that the log, the summary and the display see."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from tap_xero.client import Usage
    from tap_xero.errors import StreamError
    from tap_xero.selection import Selection

LOGGER = logging.getLogger(__name__)


@dataclass
class Outcome:
    """The figures and the end of one stream.

    `counted` is how many records Xero says there are, if it says so. `usages` count the calls, one
    for each endpoint. `server_start` is when the stream began by Xero's clock (ms since 1970),
    `first_newest` the newest stamp in its first answer.
    `continues` says that the next run reads on where this one stopped.
    """

    selection: Selection
    usages: list[Usage] = field(default_factory=list)
    pages: int = 0
    rows: int = 0
    counted: int | None = None
    server_start: int | None = None
    first_newest: int | None = None
    began: datetime | None = None
    ended: datetime | None = None
    complete: bool = False
    continues: bool = False
    error: StreamError | None = None

    @property
    def name(self) -> str:
        """The stream's tap_stream_id."""
        return self.selection.stream.tap_stream_id

    @property
    def calls(self) -> int:
        """Calls that were made for the stream."""
        return sum(usage.calls for usage in self.usages)

    @property
    def size(self) -> int:
        """Bytes of the answers, as packed on the wire."""
        return sum(usage.size for usage in self.usages)

    @property
    def is_under_way(self) -> bool:
        """Whether the stream has neither completed nor failed, begun or not."""
        return not (self.complete or self.error)

    @property
    def is_optional(self) -> bool:
        """Whether the run may succeed without it: no catalog asks for it, and Xero refuses it."""
        return self.selection.may_fail_with(self.error)

    @property
    def in_words(self) -> str:
        """How the stream ended, for a person."""
        if self.complete:
            return "to be continued" if self.continues else "complete"
        return f"{'skipped' if self.is_optional else 'not complete'}: {self.error or 'not reached'}"

    def fail(self, error: StreamError) -> None:
        """Note and log the error that ends the stream."""
        self.error = error
        level = logging.WARNING if self.is_optional else logging.ERROR
        LOGGER.log(level, "%s: %s", self.name, error)
