r"""Convert Xero's dates to RFC 3339 in UTC, and back to the form that Xero accepts.

Xero writes a moment as `/Date(ms+hhmm)/`: milliseconds since 1970 in UTC. The offset does not
change the moment. A field whose name does not end in UTC holds a calendar day, as midnight of the
organisation's day. Old answers give this midnight in UTC, with the organisation's offset after it.
Only for these days the offset must be added to find the day. Newer fields hold ISO text without a
zone, which is a moment in UTC or a day by the same rule.

Only a string that is a date from its first to its last character is converted. The result is None
for other text and for years outside 1 to 9999; the caller decides what to do with None.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

MS_A_DAY = 86_400_000
_MILLISECOND = timedelta(milliseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_EPOCH_DAY = _EPOCH.toordinal()
_FIRST_MS = (date.min.toordinal() - _EPOCH_DAY) * MS_A_DAY
_LAST_MS = (date.max.toordinal() - _EPOCH_DAY + 1) * MS_A_DAY - 1

# Formatting bytes from bytes is several times as fast as from numbers.
_TWO_DIGITS = [b"%02d" % number for number in range(60)]
_THREE_DIGITS = [b"%03d" % number for number in range(1000)]
_MINUTES = [b"%s:%s" % (hour, minute) for hour in _TWO_DIGITS[:24] for minute in _TWO_DIGITS]

_MIDNIGHT = b"00:00:00.000000"

_MS_DATE = re.compile(rb'"\\?/Date\((-?[0-9]{1,15})(?:([+-])([0-9]{2})([0-9]{2}))?\)\\?/"')
_ISO_DATE = re.compile(
    rb'"([0-9]{4}-[0-9]{2}-[0-9]{2})'
    rb"(?:[Tt ]((?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]+)?)?))?"
    rb'(?:[Zz]|([+-])([0-9]{2}):?([0-9]{2}))?"'
)


def instant(literal: bytes) -> bytes | None:
    """Convert a JSON string literal that holds a moment to one in RFC 3339, in UTC."""
    match = _MS_DATE.fullmatch(literal)
    if match:
        return _format_ms(int(match[1]))
    return _from_iso(literal, instant, offset_sign=-1)


def calendar_day(literal: bytes) -> bytes | None:
    """Convert a JSON string literal that holds a day to that day's midnight in RFC 3339.

    A time of day after the day is kept.
    """
    match = _MS_DATE.fullmatch(literal)
    if match:
        return _format_ms(int(match[1]) + _offset_ms(match, 2))
    return _from_iso(literal, calendar_day, offset_sign=0)


def to_ms(literal: bytes) -> int | None:
    """Return the moment in a JSON string literal as milliseconds since 1970 in UTC."""
    match = _MS_DATE.fullmatch(literal)
    if match:
        ms = int(match[1])
        return ms if _FIRST_MS <= ms <= _LAST_MS else None
    text = instant(literal)
    return from_rfc3339(text[1:-1].decode()) if text else None


def from_rfc3339(text: str) -> int:
    """Return a bookmark such as `2026-07-16T01:02:03.004000Z` as milliseconds since 1970.

    Text without a zone is UTC. Raises ValueError when it is not a date.
    """
    literal = instant(b'"%s"' % text.encode())
    if literal is None:
        raise ValueError(f"not a date: {text!r}")
    moment = datetime.strptime(literal[1:-2].decode(), "%Y-%m-%dT%H:%M:%S.%f")  # noqa: DTZ007
    return to_ms_of(moment.replace(tzinfo=timezone.utc))


def to_rfc3339(ms: int) -> str:
    """Return milliseconds since 1970 in the form of a bookmark."""
    return (_format_ms(ms) or b'"0001-01-01T00:00:00.000000Z"')[1:-1].decode()


def to_header(ms: int) -> str:
    """Return milliseconds since 1970 for If-Modified-Since: whole seconds, UTC, no zone.

    Xero misreads other forms, or ignores them without an error (xero-ruby issue 24,
    Xero-Java issue 166).
    """
    return to_rfc3339(max(ms, _FIRST_MS))[:19]


def to_ms_of(moment: datetime) -> int:
    """Return an aware datetime as milliseconds since 1970."""
    return (moment - _EPOCH) // _MILLISECOND


def now_text(moment: datetime) -> str:
    """Return an aware datetime in the form of Singer's `time_extracted`."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _format_ms(ms: int) -> bytes | None:
    day, rest = divmod(ms, MS_A_DAY)
    day_text = _day_text(day)
    if day_text is None:
        return None
    minute, rest = divmod(rest, 60_000)
    second, millisecond = divmod(rest, 1000)
    return b'"%sT%s:%s.%s000Z"' % (
        day_text,
        _MINUTES[minute],
        _TWO_DIGITS[second],
        _THREE_DIGITS[millisecond],
    )


@lru_cache(maxsize=8192)
def _day_text(day: int) -> bytes | None:
    try:
        return date.fromordinal(_EPOCH_DAY + day).isoformat().encode()
    except (ValueError, OverflowError):
        return None


def _from_iso(
    literal: bytes, convert: Callable[[bytes], bytes | None], *, offset_sign: int
) -> bytes | None:
    match = _ISO_DATE.fullmatch(literal)
    if match is None:
        plain = _unescaped(literal)
        return convert(plain) if plain not in (None, literal) else None
    day, clock, sign = match.group(1, 2, 3)
    if not _is_day(day):
        return None
    clock = clock or b""
    text = b"%sT%s" % (day, (clock + _MIDNIGHT[len(clock) :])[: len(_MIDNIGHT)])
    if sign and offset_sign:
        text = _shifted(text, offset_sign * _offset_ms(match, 3))
    return b'"%sZ"' % text if text else None


@lru_cache(maxsize=8192)
def _is_day(text: bytes) -> bool:
    try:
        date.fromisoformat(text.decode())
    except ValueError:
        return False
    return True


def _shifted(text: bytes, ms: int) -> bytes:
    try:
        moment = datetime.fromisoformat(text.decode()) + timedelta(milliseconds=ms)
    except OverflowError:
        return b""
    return moment.isoformat(timespec="microseconds").encode()


def _offset_ms(match: re.Match[bytes], group: int) -> int:
    """Return the offset in ms; sign, hours and minutes are the three groups from `group` on."""
    if match[group] is None:
        return 0
    minutes = int(match[group + 1]) * 60 + int(match[group + 2])
    return minutes * (-60_000 if match[group] == b"-" else 60_000)


def _unescaped(literal: bytes) -> bytes | None:
    r"""Undo escapes such as `\u002f`, so that an escaped date is found too."""
    if b"\\" not in literal:
        return None
    try:
        return b'"%s"' % msgspec.json.decode(literal, type=str).encode()
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None
