r"""Bytes from the wire to valid JSON on one line.

Xero pretty-prints with CRLF, so slices of an answer cannot be copied into a RECORD line before
the white space between its tokens is gone; msgspec does that in C and checks the grammar on the
way. Two things that real senders produce are not valid for it and are mended: bytes that are no
UTF-8 become U+FFFD, and the backslash of a lone surrogate escape (`\ud83d` with no second half)
is stood in for by a character that Unicode reserves for such use, until `restore` puts the
backslash back on the way out. Should a text hold that character itself, it is escaped first, by
two such stand-ins.
"""

from __future__ import annotations

import codecs
import re

import msgspec

STAND_IN = "\U0010fffe".encode()
_PIECE = 1 << 14
_STAND_IN_ESCAPED = STAND_IN + b"udbff" + STAND_IN + b"udffe"
_STOOD_IN = re.compile(STAND_IN + rb"(?=u[dD][89a-fA-F][0-9a-fA-F]{2})")
_LONE_SURROGATE = re.compile(
    rb"""(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}  # a pair: keep
         |\\(?!u[dD][89a-fA-F])[\s\S])                               # another escape: keep
        |\\(u[dD][89a-fA-F][0-9a-fA-F]{2})""",
    re.VERBOSE,
)


def one_line(body: bytes) -> bytes:
    """Return the JSON document `body` without white space between its tokens.

    Raises ValueError when `body` is not one JSON document or nests too deep to be read.
    """
    text = body.removeprefix(codecs.BOM_UTF8)
    if _holds_stand_in(text):
        text = text.replace(STAND_IN, _STAND_IN_ESCAPED)
    try:
        line = _compact(text)
    except ValueError:
        mended = _LONE_SURROGATE.sub(_stand_in, text)
        if mended == text:
            raise
        line = _compact(mended)
    return _utf8(line)


def restore(line: bytes) -> bytes:
    """Undo the stand-ins of `one_line` in bytes about to be written."""
    return _STOOD_IN.sub(rb"\\", line) if _holds_stand_in(line) else line


def _holds_stand_in(text: bytes) -> bool:
    # One byte is found ten times as fast as four, and hardly any character begins with this one.
    return text.find(STAND_IN[:1]) >= 0 and text.find(STAND_IN) >= 0


def _compact(text: bytes) -> bytes:
    try:
        return msgspec.json.format(text, indent=-1)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error


def _utf8(line: bytes) -> bytes:
    try:
        _check_utf8(line)
    except UnicodeDecodeError:
        return line.decode(errors="replace").encode()
    return line


def _check_utf8(line: bytes) -> None:
    """Raise UnicodeDecodeError unless `line` is UTF-8; in pieces, which spares a text as large."""
    view, at = memoryview(line), 0
    while at < len(line):
        _, read = codecs.utf_8_decode(view[at : at + _PIECE], "strict", at + _PIECE >= len(line))
        at += read


def _stand_in(match: re.Match[bytes]) -> bytes:
    return match[1] or STAND_IN + match[2]
