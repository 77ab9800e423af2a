"""Use of a refresh token as a run does, also for scripts that tests run as processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_xero.login.refresh_token import RefreshToken
from tests.support.fake_clock import FakeTime

if TYPE_CHECKING:
    from tap_xero.config import Config


def rotate(config: Config, new: str) -> str:
    """Use the token once, as a run does; return the one that was spent."""
    token = RefreshToken(config, FakeTime().clock)
    with token.exclusive():
        spent = token.value
        token.replace(new)
    assert spent is not None
    return spent
