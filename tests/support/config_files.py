"""Configs for tests, made the way a user makes them: from a file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tap_xero.config import Config, load_config
from tests.support.fake_clock import START

if TYPE_CHECKING:
    from pathlib import Path


def write_config(path: Path, **keys: Any) -> Path:  # noqa: ANN401
    path.write_text(json.dumps({"start_date": "2024-01-01", **keys}, indent=4), encoding="utf-8")
    return path


def make_config(directory: Path, **keys: Any) -> Config:  # noqa: ANN401
    """Return the config of `directory`/config.json, written from `keys`."""
    return load_config([str(write_config(directory / "config.json", **keys))], {}, START)
