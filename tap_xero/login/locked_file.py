"""JSON files that several processes read and write: one at a time, and whole at each moment.

A file is replaced in one step, so a kill leaves the old one or the new one. Where its folder does
not allow that (a file mounted by itself, a folder of somebody else) it is written in place. The
lock is a file beside it, since a lock on the file itself would stay with the copy that was
replaced; the file itself is locked where none can be put beside it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import logging
import os
import stat
from typing import TYPE_CHECKING, Any

from tap_xero.errors import StopRunError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tap_xero.clock import Clock

LOGGER = logging.getLogger(__name__)

_LOCK_POLL_SECONDS = 0.2
_LOCK_WAIT_SECONDS = 600.0

# A file or folder that may not be written.
CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS)
# The file may be open though its folder is not; one that is a mount of its own is never replaced.
_NOT_REPLACEABLE = (*CLOSED, errno.EBUSY)
# EBADF: some network file systems lock only what is open for writing.
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF)
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, *CLOSED)


# One process at a time


@contextlib.contextmanager
def locked(path: Path, clock: Clock) -> Iterator[None]:
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
    limit = clock.monotonic() + _LOCK_WAIT_SECONDS
    is_told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if clock.monotonic() > limit:
                raise StopRunError(
                    f"{lock}: another run has held this lock for {_LOCK_WAIT_SECONDS / 60:.0f} "
                    "minutes; end it and try again"
                ) from None
            if not is_told:
                LOGGER.info("%s: waiting for another run to renew its token", lock)
                is_told = True
            clock.sleep(_LOCK_POLL_SECONDS)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            reason = os.strerror(error.errno)
            LOGGER.warning("%s cannot be locked (%s): see that no other run uses it", lock, reason)
            return
        else:
            return


# Written whole


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write the file `path`, in one step where its folder allows that, and see it on disk."""
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, "the file is read-only", str(path))
    text = f"{json.dumps(content, indent=2, ensure_ascii=False)}\n".encode()
    try:
        _replace(path, text)
    except OSError as error:
        if error.errno not in _NOT_REPLACEABLE or not path.exists():
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
    """Write into the file itself; spaces behind the JSON keep it whole at each moment.

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
        if error.errno not in _NO_SYNC:
            raise
