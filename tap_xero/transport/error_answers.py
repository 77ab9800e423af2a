"""What Xero says about a call that failed, read from bodies and headers that follow no one form.

A body may be JSON with keys in any case, HTML, plain text or nothing; a header may be missing,
odd or misspelt. Nothing here raises on what it reads.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from tap_xero.transport.exchange import Reply

TOO_MANY = 429
UNAVAILABLE = 503
LONGEST_TEXT = 300

# The FAQ on granular scopes misspells the error; xero-node #320 shows the Detail.
_SCOPE_SIGNS = re.compile(r"insuffici?ent_scope|AuthorizationUnsuccessful", re.IGNORECASE)
_TENANT_SIGN = re.compile(r"AuthenticationUnsuccessful", re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
# A proxy's error page may show the request, token and all.
_TOKENS = re.compile(r"(?i:bearer|basic)\s+[\w.~+/=-]+|eyJ[\w-]+\.[\w.-]+")


def lacks_scope(reply: Reply) -> bool:
    """Whether a 401 is about a scope the token does not have, so that a new one would not help."""
    challenge = reply.headers.get("WWW-Authenticate", "")
    return bool(_SCOPE_SIGNS.search(challenge) or _SCOPE_SIGNS.search(_detail(reply)))


def refuses_tenant(reply: Reply) -> bool:
    """Whether a 403 is about the organisation as a whole rather than this path."""
    return bool(_TENANT_SIGN.search(_detail(reply)))


def _detail(reply: Reply) -> str:
    return str(_fields(reply.body).get("detail") or "")


def explanation(reply: Reply) -> str:
    """Xero's own words on one line, with the correlation id its support asks for."""
    words = _words(reply)
    correlation = reply.headers.get("Xero-Correlation-Id") or _fields(reply.body).get("instance")
    number = f" (Xero correlation id {clean(str(correlation))})" if correlation else ""
    return f"{words or 'no explanation'}{number}"


def _words(reply: Reply) -> str:
    if 300 <= reply.status < 400:  # noqa: PLR2004
        return "a redirect, which is not followed"
    fields = _fields(reply.body)
    if fields:
        said = [fields.get(key) for key in ("type", "message", "detail", "error")]
        texts = [text for text in said if isinstance(text, str)] or [str(fields.get("title", ""))]
        return clean(": ".join(dict.fromkeys([*texts, *_validation_errors(fields)])))
    text = reply.body[:10_000].decode("utf-8", "replace")
    title = _TITLE.search(text)
    if title:
        return f"an HTML page, {clean(title[1])!r}"
    return "an HTML page" if "<html" in text.lower() else clean(text)


def _validation_errors(fields: Mapping[str, Any]) -> Iterator[str]:
    """Messages from `Elements[].ValidationErrors[].Message`."""
    for element in _list(fields.get("elements")):
        for fault in _list(_lowered(element).get("validationerrors")):
            message = _lowered(fault).get("message")
            if isinstance(message, str):
                yield message


def _fields(body: bytes) -> dict[str, Any]:
    """Return the top level of a JSON object, keys in lower case; empty where the body is none."""
    try:
        return _lowered(json.loads(body))
    except (ValueError, RecursionError):
        return {}


def _lowered(value: object) -> dict[str, Any]:
    return {key.lower(): item for key, item in value.items()} if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def clean(text: str) -> str:
    """Printable, on one line, not too long, without anything that looks like a token."""
    line = " ".join(_TOKENS.sub("***", text).split())
    line = "".join(character for character in line if character.isprintable())
    return line if len(line) <= LONGEST_TEXT else f"{line[:LONGEST_TEXT]}…"


@dataclass(frozen=True)
class RateLimit:
    """Which limit was hit; `after` is Xero's Retry-After in seconds, None when it sent none."""

    kind: Literal["day", "minute", "appminute", "concurrent", "unknown"]
    after: float | None


# Prefixes, since the spelling has changed: minute, Daily, DayLimit …
_KINDS: tuple[tuple[str, Literal["day", "minute", "appminute", "concurrent"]], ...] = (
    ("day", "day"),
    ("dai", "day"),
    ("min", "minute"),
    ("app", "appminute"),
    ("conc", "concurrent"),
)
# No minute limit lasts this long, so a longer wait is for the day's.
LONGEST_MINUTE = 900.0
# No limit of Xero lasts this long, so what is longer is no wait in seconds.
LONGEST_DAY = 172_800.0


def rate_limit(reply: Reply, now: datetime) -> RateLimit | None:
    """Return the limit that a reply reports; None when it reports none. `now` is aware."""
    name = reply.headers.get("X-Rate-Limit-Problem", "").strip().lower()
    if reply.status != TOO_MANY and not (reply.status == UNAVAILABLE and name):
        return None
    after = retry_after(reply.headers, now)
    kind = next((kind for prefix, kind in _KINDS if name.startswith(prefix)), None)
    spent = kind is None and reply.headers.get("X-DayLimit-Remaining", "").strip() == "0"
    if spent or (after is not None and after > LONGEST_MINUTE):
        return RateLimit("day", after)
    return RateLimit(kind or "unknown", after)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds to wait by the header Retry-After, a number or a date; None where it is odd."""
    text = headers.get("Retry-After", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = max(0.0, (parsedate_to_datetime(text) - now).total_seconds())
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    return seconds if 0 <= seconds <= LONGEST_DAY else None


def is_passing(status: int) -> bool:
    """Say whether another try may not meet this status.

    Redirects count too: they come from proxies that want a login, and the tap never follows them.
    """
    if status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY):
        return True
    is_redirect = HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST
    is_server_fault = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return is_redirect or (is_server_fault and status != HTTPStatus.NOT_IMPLEMENTED)
