"""Every error that the tap raises on purpose. Each class is named by the reaction to it.

    TapError                  one CRITICAL line, exit code 1
    ├── InputError            the user corrects a file or an argument
    ├── AuthorizeError        the user runs `tap-xero --authorize` or corrects the app's credentials
    ├── StopRunError          no other call would succeed either: the run ends, state kept
    │   ├── UnreachableError  ... until Xero can be reached again
    │   └── OrganisationError ... for this organisation: a run over many continues with the others
    │       └── DayLimitError ... until Xero lifts the limit on calls a day
    ├── OutputError           stdout cannot be written: a full disk, a target that died
    └── StreamError           this stream ends, the others continue
        ├── SkipStreamError   ... because this login may not read it (plan or role)
        │   └── MissingScopeError  ... because it lacks a scope that it can ask for
        ├── GoneError         ... unless the caller accepts that Xero does not have the document
        └── SlowAnswerError   ... unless the caller asks for smaller pages and succeeds

The user sees the message. It names the thing, the cause and the next step, and never contains a
secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class TapError(Exception):
    """Root of the tree; its text is the line that the user sees."""


class InputError(TapError):
    """A config, catalog, state or argument that the user must correct."""


class AuthorizeError(TapError):
    """Xero refused the credentials, or they do not reach the organisation of the config."""


class StopRunError(TapError):
    """A fault that would make every other call fail too."""


class UnreachableError(StopRunError):
    """No call succeeded in all the tries."""


class OrganisationError(StopRunError):
    """No other call for this organisation would succeed; other organisations can be read."""


class DayLimitError(OrganisationError):
    """The organisation's calls of the day are used up, until `lifts_at` (aware UTC) if known."""

    def __init__(self, message: str, lifts_at: datetime | None = None) -> None:
        super().__init__(message)
        self.lifts_at = lifts_at


class OutputError(TapError):
    """stdout could not be written."""


class StreamError(TapError):
    """One stream cannot continue; the others can."""


class SkipStreamError(StreamError):
    """Xero does not let this login read the stream."""


class MissingScopeError(SkipStreamError):
    """The login lacks the scope that the stream needs."""


class GoneError(StreamError):
    """Xero does not have the requested document or path."""


class SlowAnswerError(StreamError):
    """Xero was too slow several times for a page that can be requested in smaller pages."""
