"""The refresh token of this process, shared with other processes by the file that holds it.

Xero replaces the refresh token on every use, so a lost token means a new login. A process that
wants to spend the token takes a lock on the file and reads the file again, since another run may
have replaced the token. It then checks that the file can be written, and only now spends the token.
The new token is on disk before the lock is released. The token is spent without a file only where
there is no file (the config comes from a pipe or the environment) or where the config is read-only;
a warning then says so.
"""

from __future__ import annotations

import contextlib
import errno
import logging
from typing import TYPE_CHECKING

from tap_xero.errors import AuthorizeError, StopRunError
from tap_xero.login.locked_file import CLOSED
from tap_xero.login.token_file import TokenFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_xero.clock import Clock
    from tap_xero.config import Config

LOGGER = logging.getLogger(__name__)

# The config may not be written: by its mode, or because a folder has the name of its lock.
READ_ONLY_ERRORS = (*CLOSED, errno.EISDIR)


class RefreshToken:
    """The refresh token as this process knows it; shared with other processes by its file.

    Not thread-safe: the caller lets one thread at a time take a turn. Raises InputError when its
    file cannot be read.
    """

    def __init__(self, config: Config, clock: Clock) -> None:
        self._clock = clock
        self._file = TokenFile.of(config)
        self._known_in_file = None if config.token_file else config.refresh_token
        self._can_be_kept = False
        self._is_warned = False
        self.value = config.refresh_token
        self._read_again()

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Have the token to oneself: inside the block `value` is the newest, and may be spent.

        Where there is no file for it, or the config is read-only, a warning says so, and the turn
        is taken without. Raises StopRunError when the file cannot be written for another reason,
        or another process does not end its turn.
        """
        with contextlib.ExitStack() as stack:
            self._can_be_kept = self._prepare(stack)
            yield

    def replace(self, value: str) -> None:
        """Keep the token that Xero gave for the one spent; to be called inside a turn.

        Raises AuthorizeError when it cannot be saved although that seemed possible.
        """
        spent, self.value = self.value, value
        if not self._can_be_kept or self._file is None:
            return
        try:
            self._file.save(value, spent)
        except OSError as error:
            raise AuthorizeError(
                f"{self._file.name}: the new refresh token could not be saved: {error.strerror}. "
                "Make room and run again within 30 minutes, while Xero still takes the old one; "
                "after that run tap-xero --authorize"
            ) from error
        self._known_in_file = value

    def _prepare(self, stack: contextlib.ExitStack) -> bool:
        """Lock, read again and write the file; whether the new token can be kept."""
        if self._file is None:
            self._warn("the config does not come from a file")
            return False
        try:
            stack.enter_context(self._file.locked(self._clock))
            self._read_again()
            self._file.check_writable(self.value)
        except OSError as error:
            if error.errno not in READ_ONLY_ERRORS or not self._file.is_config:
                raise StopRunError(
                    f"{self._file.name} cannot be written ({error.strerror}), so the refresh token "
                    "is not spent: correct that, or set token_file to another path, and run again"
                ) from error
            self._read_again()
            self._warn(f"{self._file.name} cannot be written ({error.strerror})")
            return False
        return True

    def _read_again(self) -> None:
        """Take over a token that somebody else has put into the file."""
        stored = self._file.token() if self._file else None
        if stored and stored != self._known_in_file:
            self.value = self._known_in_file = stored

    def _warn(self, reason: str) -> None:
        if not self._is_warned:
            LOGGER.warning(
                "%s, so the next refresh token is lost when this run ends and another run may "
                "need tap-xero --authorize; set token_file to a path that can be written",
                reason,
            )
            self._is_warned = True
