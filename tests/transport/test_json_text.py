"""Bytes from the wire become valid JSON on one line."""

from __future__ import annotations

import json

import msgspec
import pytest

from tap_xero.transport import json_text


def test_white_space_between_tokens_goes_and_inside_texts_stays() -> None:
    body = b'\xef\xbb\xbf{\r\n  "a" : [ 1.00 ,\t"b  c" ]\r\n}\r\n'
    assert json_text.one_line(body) == b'{"a":[1.00,"b  c"]}'


@pytest.mark.parametrize("body", [b"", b" ", b"{", b"{}{}", b"<html>", b'{"a":1,}', b'{"a":"\n"}'])
def test_what_is_not_one_json_document_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        json_text.one_line(body)


def test_a_lone_surrogate_comes_out_as_it_came_in() -> None:
    body = rb'{"\udc00":"\ud83d \ud83d\ude00 \\ud83d \\\ud83d"}'
    assert json_text.restore(json_text.one_line(body)) == body


def test_the_character_that_stands_in_comes_through_as_well() -> None:
    line = json_text.one_line('["\U0010fffeud83d", "\\ud83d"]'.encode())
    assert json_text.restore(line) == rb'["\udbff\udffeud83d","\ud83d"]'


def test_that_character_survives_being_read_and_written_on_the_way() -> None:
    for body in ('["x\U0010fffe"]', '["x\U0010fffey"]', '["x\\udbff\\udffe"]'):
        again = msgspec.json.encode(msgspec.json.decode(json_text.one_line(body.encode())))
        assert json.loads(json_text.restore(again)) == json.loads(body)


def test_bytes_that_are_no_utf8_are_replaced_wherever_they_stand() -> None:
    filler = b"x" * 70_000
    body = b'["%s\xff","\xc3","%s\xe2\x82\xac"]' % (filler, filler)
    assert json_text.one_line(body) == body.decode(errors="replace").encode()
    assert json_text.one_line(b'["%s\xe2\x82\xac"]' % (b"x" * 65_533)).endswith(b'\xe2\x82\xac"]')
