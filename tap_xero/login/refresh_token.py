"""The refresh token, and the file in which each new one is kept.

Xero replaces the refresh token on every use, so losing the new one means a new login. Whoever
wants to use it therefore takes a lock on its file, reads the file again (another run may have
replaced the token), proves that the file can be written, and only then spends the token; the new
one is on disk before the lock is given back. A token is spent without a file only where there is
none by nature (a pipe, the environment) or where the config is read-only, and a warning says so.

The file is the config, or `token_file`. That one keeps each token under a fingerprint of the
config's token it descends from: when the user puts another token into the config, that one counts,
and several configs may share a `token_file` without losing one another's tokens.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tap_xero.config import read_object
from tap_xero.errors import AuthorizeError, InputError, StopRunError
from tap_xero.login.locked_file import CLOSED, locked, write

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
# A config that may not be written, by its mode or since a folder stands where its lock should be.
READ_ONLY = (*CLOSED, errno.EISDIR)


def update_file(path: str, values: Mapping[str, Any], clock: Clock) -> None:
    """Set `values` in the JSON object in the file `path`, under its lock, and keep all else.

    A file that does not exist is made, readable by its owner only. Raises OSError when it cannot
    be written, InputError when it holds something else.
    """
    target = Path(path).resolve()
    with locked(target, clock):
        write(target, {**_content(target), **values})


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
        return locked(self.path, clock)

    def token(self) -> str | None:
        """Return the newest token that descends from the config's; None where there is none."""
        content = self._content()
        return _tokens(content).get(self._descent(content))

    def prove(self, token: str | None) -> None:
        """Write the file as it is, to see that it can be written; a new one gets `token`."""
        content = self._content()
        write(self.path, content or (self._with({}, token, None) if token else {}))

    def keep(self, token: str, spent: str | None = None) -> None:
        """Write the new token; in place of `spent`, wherever the file holds that."""
        write(self.path, self._with(self._content(), token, spent))

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
