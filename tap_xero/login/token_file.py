"""The file that keeps the refresh token: the config, or `token_file`.

A `token_file` keeps each token under a fingerprint of the config's token that it descends from. So
a token that the user puts into the config later counts at once, and several configs may share one
`token_file`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tap_xero.config import read_object
from tap_xero.errors import InputError
from tap_xero.login.locked_file import locked, write

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Mapping

    from typing_extensions import Self

    from tap_xero.clock import Clock
    from tap_xero.config import Config

KEY = "refresh_token"
ORIGIN_KEY = "descends_from"
# Tokens of other logins, by the token that they descend from.
OTHERS_KEY = "other_refresh_tokens"


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

    def check_writable(self, token: str | None) -> None:
        """Write the file as it is, to see that it can be written; a new one gets `token`."""
        content = self._content()
        write(self.path, content or (self._with({}, token, None) if token else {}))

    def save(self, token: str, spent: str | None = None) -> None:
        """Write the new token; in place of `spent`, wherever the file holds that."""
        write(self.path, self._with(self._content(), token, spent))

    def _content(self) -> dict[str, Any]:
        try:
            return _content(self.path)
        except InputError as error:
            raise InputError(str(error) if self.is_config else f"token_file: {error}") from None

    def _descent(self, content: Mapping[str, Any]) -> str:
        """Return the key of our token in the file.

        Without a token in the config it is "" if the file has such an entry, else the last used.
        """
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
