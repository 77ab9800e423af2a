"""The refresh token, and the file in which each new one is kept.

Xero replaces the refresh token on every use, so losing the new one means a new login. Whoever
wants to use it therefore takes a lock on its file, reads the file again (another run may have
replaced the token), proves that the file can be written, and only then spends the token; the new
one is on disk before the lock is given back. The file is replaced in one step, so a kill at any
moment leaves the old one or the new one, whole. The lock is a file beside it, since a lock on
the file itself would stay with the copy that was replaced.

The file is the config, or `token_file`. That one also keeps a fingerprint of the config's token
it descends from: when the user puts another token into the config, that one counts.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import logging
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tap_xero.config import read_object
from tap_xero.errors import AuthorizeError, StopRunError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tap_xero.clock import Clock
    from tap_xero.config import Config

LOGGER = logging.getLogger(__name__)

KEY = "refresh_token"
ORIGIN_KEY = "descends_from"
LOCK_POLL_SECONDS = 0.2
LOCK_WAIT_SECONDS = 600.0


def update_file(path: str, values: Mapping[str, Any], clock: Clock) -> None:
    """Set `values` in the JSON object in the file `path`, under its lock, and keep all else.

    A file that does not exist is made, readable by its owner only. Raises OSError when it cannot
    be written, InputError when it holds something else.
    """
    target = _target(path)
    with _locked(target, clock):
        _write(target, {**_content(target), **values})


class RefreshToken:
    """The refresh token as this process knows it; shared with other processes by its file.

    Not thread-safe: the caller lets one thread at a time take a turn.
    """

    def __init__(self, config: Config, clock: Clock) -> None:
        self._clock = clock
        self._path = _store(config)
        self._origin = _fingerprint(config.refresh_token) if config.token_file else None
        self._known_in_file = None if config.token_file else config.refresh_token
        self._is_saved = False
        self._is_warned = False
        self.value = config.refresh_token
        self._read_again()

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Have the token to oneself: inside the block `value` is the newest, and may be spent.

        Where the file cannot be written a warning says so, and the turn is taken without it.
        Raises StopRunError when another process does not end its turn.
        """
        with contextlib.ExitStack() as stack:
            self._is_saved = self._prepare(stack)
            yield

    def replace(self, value: str) -> None:
        """Keep the token that Xero gave for the one spent; to be called inside a turn.

        Raises AuthorizeError when it cannot be saved although that seemed possible.
        """
        self.value = value
        if not self._is_saved or self._path is None:
            return
        try:
            self._save()
        except OSError as error:
            raise AuthorizeError(
                f"{self._path}: the new refresh token could not be saved: {error.strerror}. Make "
                "room and run again within 30 minutes, while Xero still takes the old one; "
                "after that run tap-xero --authorize"
            ) from error

    def _prepare(self, stack: contextlib.ExitStack) -> bool:
        """Lock, read again and write the file; whether the new token can be kept."""
        if self._path is None:
            self._warn("the config does not come from a file")
            return False
        try:
            stack.enter_context(_locked(self._path, self._clock))
            self._read_again()
            self._save()
        except OSError as error:
            self._read_again()
            self._warn(f"{self._path} cannot be written ({error.strerror})")
            return False
        return True

    def _read_again(self) -> None:
        """Take over a token that somebody else has put into the file."""
        content = _content(self._path) if self._path else {}
        stored = content.get(KEY)
        if not stored or (self._origin and content.get(ORIGIN_KEY) != self._origin):
            return
        if stored != self._known_in_file:
            self.value = self._known_in_file = str(stored)

    def _save(self) -> None:
        if self._path is None or self.value is None:
            return
        values = {KEY: self.value}
        if self._origin:
            values[ORIGIN_KEY] = self._origin
        _write(self._path, {**_content(self._path), **values})
        self._known_in_file = self.value

    def _warn(self, reason: str) -> None:
        if not self._is_warned:
            LOGGER.warning(
                "%s, so the next refresh token is lost when this run ends and another run may "
                "need tap-xero --authorize; set token_file to a path that can be written",
                reason,
            )
            self._is_warned = True


def _store(config: Config) -> Path | None:
    """Return the file for the token; None where there is none that could be replaced (a pipe)."""
    if config.token_file:
        return _target(config.token_file)
    if config.path and Path(config.path).is_file():
        return _target(config.path)
    return None


def _target(path: str) -> Path:
    """Return the file itself, where `path` is a link, so that the link stays."""
    return Path(path).expanduser().resolve()


def _fingerprint(token: str | None) -> str | None:
    return hashlib.sha256(token.encode()).hexdigest()[:16] if token else None


def _content(path: Path) -> dict[str, Any]:
    return read_object(str(path)) if path.exists() else {}


@contextlib.contextmanager
def _locked(path: Path, clock: Clock) -> Iterator[None]:
    """Hold the lock of `path`. Raises OSError when it cannot be made, StopRunError after 10 min."""
    lock = path.with_name(f"{path.name}.lock")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(descriptor, lock, clock)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, lock: Path, clock: Clock) -> None:
    limit = clock.monotonic() + LOCK_WAIT_SECONDS
    is_told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if clock.monotonic() > limit:
                raise StopRunError(
                    f"{lock}: another run has held this lock for {LOCK_WAIT_SECONDS / 60:.0f} "
                    "minutes; end it and try again"
                ) from None
            if not is_told:
                LOGGER.info("%s: waiting for another run to renew its token", lock)
                is_told = True
            clock.sleep(LOCK_POLL_SECONDS)
        else:
            return


def _write(path: Path, content: Mapping[str, Any]) -> None:
    """Replace the file `path` in one step, and see it on disk."""
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, "the file is read-only", str(path))
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)  # left by a run that was killed here
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2, ensure_ascii=False)
        file.write("\n")
        file.flush()
        _keep_owner_and_mode(path, descriptor)
        os.fsync(descriptor)
    draft.replace(path)
    _sync_directory(path.parent)


def _keep_owner_and_mode(path: Path, descriptor: int) -> None:
    try:
        old = path.stat()
    except FileNotFoundError:
        return
    if (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
        with contextlib.suppress(PermissionError):
            os.fchown(descriptor, old.st_uid, old.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode))


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
