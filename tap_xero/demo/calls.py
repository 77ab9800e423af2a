"""What the demo remembers of each call, for tests to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass
class Call:
    """One request: `number` counts from 1 within its kind; times are the demo clock's seconds.

    `kind` is "data", "token", "connections" or "authorize"; header names are in lower case;
    `status` is 0 until answered and stays so where a fault left no answer; `finished` is the
    moment the answer was about to be complete, `bytes` the length of its body on the wire.
    """

    number: int
    kind: str
    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    at: float
    status: int = 0
    finished: float | None = None
    bytes: int = 0


@dataclass(frozen=True)
class Reply:
    """An answer before it is written: header names as they go out, length and date are added."""

    status: int
    headers: Mapping[str, str]
    body: bytes
