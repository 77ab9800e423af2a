"""Why streams failed, in one line that a person can act on.

Several streams often fail for one reason: the login lacks scopes. These streams share one part of
the line, with the command that asks for all the scopes. Of the other reasons the line names the
first few; the log has a line for each stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tap_xero.errors import MissingScopeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_xero.errors import StreamError
    from tap_xero.streams.stream import Stream

_MOST_REASONS = 3


class Failure(NamedTuple):
    """A stream that is not complete; `error` is None if the run did not reach the stream."""

    stream: Stream
    error: StreamError | None

    @property
    def name(self) -> str:
        """The stream's tap_stream_id."""
        return self.stream.tap_stream_id

    @property
    def missing_scope(self) -> str:
        """The scope that the login lacks for the stream; empty if another thing is wrong."""
        return self.stream.read_scope if isinstance(self.error, MissingScopeError) else ""


def reasons(failures: Sequence[Failure], get_scopes: str) -> str:
    """Return why the streams failed; `get_scopes` says how to get scopes that are missing."""
    unscoped = [each for each in failures if each.missing_scope]
    not_reached = [each.name for each in failures if each.error is None]
    others = [each for each in failures if each.error and not each.missing_scope]
    parts = [f"{each.name}: {each.error}" for each in others[:_MOST_REASONS]]
    if unscoped:
        parts.insert(0, _missing_scopes(unscoped, get_scopes))
    if others[_MOST_REASONS:]:
        names = ", ".join(each.name for each in others[_MOST_REASONS:])
        parts.append(f"for other reasons, which the log names: {names}")
    if not_reached:
        parts.append(f"not reached: {', '.join(not_reached)}")
    return "; ".join(parts)


def _missing_scopes(failures: Sequence[Failure], get_scopes: str) -> str:
    scopes = sorted({each.missing_scope for each in failures})
    names = ", ".join(each.name for each in failures)
    noun = "scope" if len(scopes) == 1 else "scopes"
    return f"the login lacks the {noun} {' '.join(scopes)} (for {names}): {get_scopes}"
