"""Dates as text, literal by literal; the properties over whole answers are in test_exact."""

from __future__ import annotations

import pytest

from tap_xero import dates


@pytest.mark.parametrize(
    ("literal", "moment", "day"),
    [
        (rb'"\/Date(1541176592690+0000)\/"', "2018-11-02T16:36:32.690000Z", None),
        (b'"/Date(1541176592690)/"', "2018-11-02T16:36:32.690000Z", None),
        (b'"/Date(0+0000)/"', "1970-01-01T00:00:00.000000Z", None),
        (b'"/Date(-86400000+0000)/"', "1969-12-31T00:00:00.000000Z", None),
        (b'"/Date(-62135596800000+0000)/"', "0001-01-01T00:00:00.000000Z", None),
        (
            b'"/Date(1426849200000+1300)/"',
            "2015-03-20T11:00:00.000000Z",
            "2015-03-21T00:00:00.000000Z",
        ),
        (b'"2018-01-25T00:00:00"', "2018-01-25T00:00:00.000000Z", None),
        (b'"2018-01-25 00:00:00"', "2018-01-25T00:00:00.000000Z", None),
        (b'"2018-01-25"', "2018-01-25T00:00:00.000000Z", None),
        (b'"2026-07-16T01:02:03Z"', "2026-07-16T01:02:03.000000Z", None),
        (b'"2019-07-09T23:40:30.1833130"', "2019-07-09T23:40:30.183313Z", None),
        (
            b'"2018-01-25T00:00:00+13:00"',
            "2018-01-24T11:00:00.000000Z",
            "2018-01-25T00:00:00.000000Z",
        ),
        (rb'"\u002fDate(0)\/"', "1970-01-01T00:00:00.000000Z", None),
    ],
)
def test_every_form_that_xero_writes_is_read(literal: bytes, moment: str, day: str | None) -> None:
    assert dates.instant(literal) == f'"{moment}"'.encode()
    assert dates.calendar_day(literal) == f'"{day or moment}"'.encode()
    converted = f'"{moment}"'.encode()
    assert dates.instant(converted) == dates.calendar_day(converted) == converted


@pytest.mark.parametrize(
    "literal",
    [
        b'""',
        b"null",
        b"0",
        b'"/Date(1+0000)/ in a sentence"',
        b'" /Date(1+0000)/"',
        b'"/Date()/"',
        b'"/Date(9999999999999999)/"',
        b'"/Date(253402300800000)/"',
        b'"25 February 2018"',
        b'"2018-02-30T00:00:00"',
        b'"0000-01-01T00:00:00"',
        b'"2018-01-25T24:00:00"',
        b'"2018-01-25T00:00:60"',
        b'"0001-01-01T00:00:00+13:00"',
        b'"2018-01-25T00:00:00\n"',
    ],
)
def test_what_is_no_date_is_none(literal: bytes) -> None:
    assert dates.instant(literal) is None


def test_a_bookmark_reads_back_as_the_same_moment() -> None:
    for ms in (0, 1, 1_541_176_592_690, -86_400_000, -62_135_596_800_000, 253_402_300_799_999):
        assert dates.from_rfc3339(dates.to_rfc3339(ms)) == ms
    assert dates.from_rfc3339("2018-01-25") == dates.from_rfc3339("2018-01-25T00:00:00+00:00")
    with pytest.raises(ValueError, match="not a date"):
        dates.from_rfc3339("yesterday")


def test_if_modified_since_is_floored_to_whole_seconds_without_a_zone() -> None:
    assert dates.to_header(1_541_176_592_690) == "2018-11-02T16:36:32"
    assert dates.to_header(-(10**15)) == "0001-01-01T00:00:00"
