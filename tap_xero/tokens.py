"""The refresh token, and the file in which each new one is kept.

Xero replaces the refresh token on every use, so losing the new one means a new login. Whoever
wants to use it therefore takes a lock on its file, reads the file again (another run may have
replaced the token), proves that the file can be written, and only then spends the token; the new
one is on disk before the lock is given back. A token is spent without a file only where there is
none by nature (a pipe, the environment) or where the config is read-only, and a warning says so.

The file is replaced in one step, so a kill at any moment leaves the old one or the new one, whole.
Where its folder does not allow that (a file mounted by itself, a folder of somebody else) it is
written in place. The lock is a file beside it, since a lock on the file itself would stay with the
copy that was replaced; the file itself is locked where none can be put beside it.

The file is the config, or `token_file`. That one keeps each token under a fingerprint of the
config's token it descends from: when the user puts another token into the config, that one counts,
and several configs may share a `token_file` without losing one another's tokens.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import hashlib
import json
import logging
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tap_xero.config import read_object
from tap_xero.errors import AuthorizeError, InputError, StopRunError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from typing_extensions import Self

    from tap_xero.clock import Clock
    from tap_xero.config import Config

LOGGER = logging.getLogger(__name__)

KEY = "refresh_token"
ORIGIN_KEY = "descends_from"
# Tokens of other logins, by what they descend from.
OTHERS_KEY = "other_refresh_tokens"
LOCK_POLL_SECONDS = 0.2
LOCK_WAIT_SECONDS = 600.0

CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS)
# A folder in the place of the lock closes the file to root as well.
READ_ONLY = (*CLOSED, errno.EISDIR)
# The file may be open though its folder is not; one that is a mount of its own is never replaced.
NOT_REPLACEABLE = (*CLOSED, errno.EBUSY)
# EBADF: some network file systems lock only what is open for writing.
NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF)
NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, *CLOSED)


def update_file(path: str, values: Mapping[str, Any], clock: Clock) -> None:
    """Set `values` in the JSON object in the file `path`, under its lock, and keep all else.

    A file that does not exist is made, readable by its owner only. Raises OSError when it cannot
    be written, InputError when it holds something else.
    """
    target = Path(path).resolve()
    with _locked(target, clock):
        _write(target, {**_content(target), **values})


class TokenFile:
    """The file that keeps the token of one config; a `token_file` may keep others' beside it.

    `path` is the file itself, behind any link, so that the link stays. All methods raise
    InputError when it holds something else; those that write raise OSError.
    """

    def __init__(self, path: Path, origin: str | None, *, is_config: bool) -> None:
        self.path = path
        self.is_config = is_config
        self.name = str(path) if is_config else f"token_file: {path}"
        self._origin = origin

    @classmethod
    def of(cls, config: Config) -> Self | None:
        """Return the file for a config's token; None where there is none (a pipe, ENV).

        Raises InputError for a `token_file` that is no path.
        """
        is_file = config.path and Path(config.path).is_file()
        own = Path(config.path).resolve() if config.path and is_file else None
        if not config.token_file:
            return cls(own, None, is_config=True) if own else None
        path = _token_file_path(config.token_file)
        if path == own:
            return cls(path, None, is_config=True)
        return cls(path, _fingerprint(config.refresh_token), is_config=False)

    def locked(self, clock: Clock) -> contextlib.AbstractContextManager[None]:
        """Have the file to oneself inside the block.

        Raises OSError when there can be no lock, StopRunError when another process holds it for
        10 minutes.
        """
        return _locked(self.path, clock)

    def token(self) -> str | None:
        """Return the newest token that descends from the config's; None where there is none."""
        content = self._content()
        return _tokens(content).get(self._descent(content))

    def prove(self, token: str | None) -> None:
        """Write the file as it is, to see that it can be written; a new one gets `token`."""
        content = self._content()
        _write(self.path, content or (self._with({}, token, None) if token else {}))

    def keep(self, token: str, spent: str | None = None) -> None:
        """Write the new token; in place of `spent`, wherever the file holds that."""
        _write(self.path, self._with(self._content(), token, spent))

    def _content(self) -> dict[str, Any]:
        try:
            return _content(self.path)
        except InputError as error:
            raise InputError(str(error) if self.is_config else f"token_file: {error}") from None

    def _descent(self, content: Mapping[str, Any]) -> str:
        """Return what our token is filed under: without an origin, what was or else what is so."""
        last = str(content.get(ORIGIN_KEY) or "")
        return self._origin or ("" if "" in _tokens(content) else last)

    def _with(self, content: Mapping[str, Any], token: str, spent: str | None) -> dict[str, Any]:
        """Return what to write: our token, which is the last one used, and the others' tokens."""
        descent = self._descent(content)
        others = {
            origin: other
            for origin, other in _tokens(content).items()
            if origin != descent and not other == spent != token
        }
        kept = {key: content[key] for key in content if key not in (ORIGIN_KEY, OTHERS_KEY)}
        kept[KEY] = token
        if descent:
            kept[ORIGIN_KEY] = descent
        if others:
            kept[OTHERS_KEY] = others
        return kept


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
    def turn(self) -> Iterator[None]:
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
            self._file.keep(value, spent)
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
            self._file.prove(self.value)
        except OSError as error:
            if error.errno not in READ_ONLY or not self._file.is_config:
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


# What the file holds


def _token_file_path(text: str) -> Path:
    try:
        return Path(text).expanduser().resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(
            f"token_file: {text} is no path here ({getattr(error, 'strerror', None) or error}): "
            "give the whole path, beginning with /"
        ) from None


def _fingerprint(token: str | None) -> str | None:
    return hashlib.sha256(token.encode()).hexdigest()[:16] if token else None


def _content(path: Path) -> dict[str, Any]:
    """Return the JSON object in the file, an empty one if there is no file; raises InputError."""
    try:
        path.stat()
    except FileNotFoundError:
        return {}
    except OSError:
        pass  # said by what reads it
    return read_object(str(path))


def _tokens(content: Mapping[str, Any]) -> dict[str, str]:
    """Return the tokens in a file by what they descend from, "" where that is not known."""
    others = content.get(OTHERS_KEY)
    found = dict(others) if isinstance(others, dict) else {}
    found[str(content.get(ORIGIN_KEY) or "")] = content.get(KEY)
    tokens = {origin: str(token or "").strip() for origin, token in found.items()}
    return {origin: token for origin, token in tokens.items() if token}


# One process at a time


@contextlib.contextmanager
def _locked(path: Path, clock: Clock) -> Iterator[None]:
    """Hold the lock of `path`, whose folder is made where it is missing.

    Raises OSError when that cannot be, StopRunError when another process holds it for 10 minutes.
    """
    if not path.parent.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    is_held = False
    while not is_held:
        lock, descriptor = _open_lock(path)
        try:
            _take(descriptor, lock, clock)
            # Who held it may have replaced it meanwhile.
            is_held = lock.exists() and os.path.samestat(lock.stat(), os.fstat(descriptor))
            if is_held:
                yield
        finally:
            os.close(descriptor)


def _open_lock(path: Path) -> tuple[Path, int]:
    """Open the lock beside `path`, or `path` itself where its folder is closed or not shared."""
    if os.path.ismount(path):  # other containers have it in folders of their own
        return path, _open_existing(path)
    lock = path.with_name(f"{path.name}.lock")
    try:
        return lock, _open_or_make(lock, path)
    except OSError as error:
        if error.errno not in CLOSED or not path.exists():
            raise
    return path, _open_existing(path)


def _open_or_make(lock: Path, path: Path) -> int:
    """Open a lock that belongs to whoever has `path`, also when root is the first to run."""
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return _open_existing(lock)
    with contextlib.suppress(OSError):  # a lock of another mode still locks
        _make_alike(descriptor, path if path.exists() else path.parent, 0o666)
    return descriptor


def _open_existing(lock: Path) -> int:
    try:
        return os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        if error.errno not in CLOSED:
            raise
    return os.open(lock, os.O_RDONLY | os.O_CLOEXEC)


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
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            _warn_of_no_lock(lock, os.strerror(error.errno))
            return
        else:
            return


@functools.cache  # so that it is said once
def _warn_of_no_lock(lock: Path, reason: str) -> None:
    LOGGER.warning("%s cannot be locked (%s): see that no other run uses it at once", lock, reason)


# Written whole


def _write(path: Path, content: Mapping[str, Any]) -> None:
    """Write the file `path`, in one step where its folder allows that, and see it on disk."""
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, "the file is read-only", str(path))
    text = f"{json.dumps(content, indent=2, ensure_ascii=False)}\n".encode()
    try:
        _replace(path, text)
    except OSError as error:
        if error.errno not in NOT_REPLACEABLE or not path.exists():
            raise
        _overwrite(path, text)


def _replace(path: Path, text: bytes) -> None:
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)  # left by a run that was killed here
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
            file.flush()
            if path.exists():
                _make_alike(descriptor, path, 0o7777)
            os.fsync(descriptor)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)  # it holds secrets
        raise
    _sync_directory(path.parent)


def _overwrite(path: Path, text: bytes) -> None:
    """Write into the file itself; blanks behind the JSON keep it whole at each moment.

    They also take the room that a longer text needs, before anything of the old one is gone.
    """
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.write(b" " * (len(text) - size))
        file.flush()
        file.seek(0)
        file.write(text.ljust(size))
        file.flush()
        file.truncate(len(text))
        os.fsync(file.fileno())


def _make_alike(descriptor: int, model: Path, bits: int) -> None:
    """Give a new file the owner, group and `bits` of the mode that `model` has.

    Who may not give it away keeps it, in the model's group; or else no group may read it.
    """
    old = model.stat()
    mode = stat.S_IMODE(old.st_mode) & bits
    try:
        os.fchown(descriptor, old.st_uid, old.st_gid)
    except OSError:
        try:
            os.fchown(descriptor, -1, old.st_gid)
        except OSError:
            mode &= ~stat.S_IRWXG
    os.fchmod(descriptor, mode)


def _sync_directory(directory: Path) -> None:
    """See a new name on disk, where the file system can."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in NO_SYNC:
            raise
