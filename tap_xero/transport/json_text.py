r"""The bytes of an answer as valid JSON on one line.

Xero pretty-prints its answers with CRLF. A RECORD line may hold no line break, so white space
between tokens is removed; msgspec does this in C and checks the grammar on the way.

Three kinds of text cannot be stored by a target, and each becomes U+FFFD: bytes that are not
UTF-8, half of a surrogate pair (`\ud83d` without its second half), and the character U+0000.
"""

from __future__ import annotations

import codecs
import re

import msgspec

REPLACEMENT = "\ufffd".encode()
_PIECE = 1 << 14
_ZERO = rb"\u0000"
# An escape that can be stored is the group of the pattern; any other escape is not.
_ESCAPE = re.compile(
    rb"""(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}  # a whole pair
         |\\(?!u0000|u[dD][89a-fA-F])[\s\S])                         # no surrogate, not U+0000
        |\\u(?:0000|[dD][89a-fA-F][0-9a-fA-F]{2})""",
    re.VERBOSE,
)


def one_line(body: bytes) -> bytes:
    """Return the JSON document `body` without white space between its tokens.

    Raises ValueError when `body` is not one JSON document or is nested too deeply to be read.
    """
    text = body.removeprefix(codecs.BOM_UTF8)
    if _ZERO in text:
        text = _storable(text)
    try:
        line = _compact(text)
    except ValueError:
        # The parser refuses half of a surrogate pair.
        replaced = _storable(text)
        if replaced == text:
            raise
        line = _compact(replaced)
    return _utf8(line)


def _storable(text: bytes) -> bytes:
    """Replace the escapes of U+0000 and of half surrogate pairs."""
    return _ESCAPE.sub(lambda match: match[1] or REPLACEMENT, text)


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
    """Raise UnicodeDecodeError unless `line` is UTF-8.

    It decodes piece by piece, so that no second copy of the line is held in memory.
    """
    view, at = memoryview(line), 0
    while at < len(line):
        _, read = codecs.utf_8_decode(view[at : at + _PIECE], "strict", at + _PIECE >= len(line))
        at += read
