"""Bytes from the wire become valid JSON on one line."""

from __future__ import annotations

import json

import pytest

from tap_xero.transport import json_text


def test_white_space_between_tokens_goes_and_inside_texts_stays() -> None:
    body = b'\xef\xbb\xbf{\r\n  "a" : [ 1.00 ,\t"b  c" ]\r\n}\r\n'
    assert json_text.one_line(body) == b'{"a":[1.00,"b  c"]}'


@pytest.mark.parametrize("body", [b"", b" ", b"{", b"{}{}", b"<html>", b'{"a":1,}', b'{"a":"\n"}'])
def test_what_is_not_one_json_document_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        json_text.one_line(body)


def test_half_a_surrogate_pair_becomes_the_replacement_character() -> None:
    body = rb'{"\udc00":"\ud83d \ud83d\ude00 \\ud83d \\\ud83d"}'
    said = json.loads(json_text.one_line(body))
    assert said == {"\ufffd": "\ufffd \U0001f600 \\ud83d \\\ufffd"}


def test_the_character_zero_becomes_the_replacement_character() -> None:
    body = rb'["\u0000", "a\u0000\u0001", "\\u0000", "\\\u0000"]'
    assert json.loads(json_text.one_line(body)) == [
        "\ufffd",
        "a\ufffd\x01",
        "\\u0000",
        "\\\ufffd",
    ]


def test_bytes_that_are_no_utf8_are_replaced_wherever_they_stand() -> None:
    filler = b"x" * 70_000
    body = b'["%s\xff","\xc3","%s\xe2\x82\xac"]' % (filler, filler)
    assert json_text.one_line(body) == body.decode(errors="replace").encode()
    assert json_text.one_line(b'["%s\xe2\x82\xac"]' % (b"x" * 65_533)).endswith(b'\xe2\x82\xac"]')
