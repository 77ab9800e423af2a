"""Every error the tap raises on purpose, named by what the code or person that gets it does next.

    TapError                  one CRITICAL line, exit code 1
    ├── InputError            the user corrects a file or an argument
    ├── AuthorizeError        the user runs `tap-xero --authorize` or corrects the app's credentials
    ├── StopRunError          no other call would succeed either: the run ends, state kept
    │   ├── UnreachableError  ... until Xero can be reached again
    │   └── OrganisationError ... for this organisation: a run over many goes on with the others
    │       └── DayLimitError ... until Xero lifts the limit on calls a day
    ├── OutputError           stdout cannot be written: a full disk, a target that died
    └── StreamError           this stream ends, the others go on
        ├── SkipStreamError   ... because this login may not read it (plan or role)
        │   └── MissingScopeError  ... for lack of a scope that can be asked for
        ├── GoneError         ... unless the caller can do without what Xero does not have
        └── SlowAnswerError   ... unless the caller asks for smaller pages and succeeds

The message is what the user sees: it names the thing, the cause and the next step, and never
holds a secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class TapError(Exception):
    """Root of the tree; its text is the one line that the user gets."""


class InputError(TapError):
    """A config, catalog, state or argument that the user must correct."""


class AuthorizeError(TapError):
    """Xero refused the credentials, or they do not reach the organisation that was asked for."""


class StopRunError(TapError):
    """A fault that every further call would meet as well."""


class UnreachableError(StopRunError):
    """No call has succeeded for as long as we retry."""


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
    """One stream cannot go on; the others can."""


class SkipStreamError(StreamError):
    """Xero does not let this login read the stream."""


class MissingScopeError(SkipStreamError):
    """The login lacks the scope that opens the stream."""


class GoneError(StreamError):
    """Xero does not have what was asked for."""


class SlowAnswerError(StreamError):
    """Xero took too long, repeatedly, over a page that could be asked for in smaller pieces."""
