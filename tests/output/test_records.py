"""What Xero wrote is what comes out: properties of raw bytes in and lines out."""

from __future__ import annotations

import json
import logging
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tap_xero.demo import DemoXero
from tap_xero.errors import StreamError
from tap_xero.output import conform, date_fields
from tap_xero.output.records import Records
from tap_xero.paging.endpoint import never_as_record
from tap_xero.paging.pages import Page
from tap_xero.streams.schema_files import stream_schema
from tap_xero.streams.table import LISTS
from tap_xero.transport.json_text import one_line
from tests.support import expected_records, raw_answers
from tests.support.raw_answers import EXAMPLES, Number
from tests.support.run_tap import sync

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.raw_answers import Tree

STREAMS_OF_MANY_KINDS = ["invoices", "contacts", "receipts", "budgets", "organisations", "journals"]


@EXAMPLES
@given(raw_answers.NUMBERS, st.sampled_from(raw_answers.GAPS))
@example(b"99999999999999.99", b"")
@example(b"0.0123456789", b"")
@example(b"46.00", b"")
@example(b"1e-7", b"")
@example(b"-0.0", b"")
@example(b"123456789012345678901234567890", b"")
@example(b"1e999", b"")
def test_a_number_keeps_its_digits_at_every_depth(number: bytes, gap: bytes) -> None:
    row: Tree = {
        "Total": number,
        "LineItems": [{"UnitAmount": number}],
        "Payments": [{"Amount": number, "Date": b'"/Date(0+0000)/"'}],
    }
    record = raw_answers.record(row, gap=gap)
    assert record["Total"] == Number(number.decode())
    assert record["LineItems"] == [{"UnitAmount": Number(number.decode())}]
    assert record["Payments"][0]["Amount"] == Number(number.decode())


@EXAMPLES
@given(raw_answers.texts(), st.sampled_from(raw_answers.GAPS))
@example(b'"/Date(1+0000)/ in a sentence"', b"")
@example(rb'"\ud83d \udc00 \ud83d\ude00 \\ud83d"', b"")
def test_a_text_stays_the_same_text_even_if_it_looks_like_a_date(text: bytes, gap: bytes) -> None:
    row: Tree = {
        "Reference": text,
        "LineItems": [{"Description": text}],
        "Payments": [{"Reference": text, "Date": b"null"}],
        "Unselected": text,
    }
    record = raw_answers.record(row, gap=gap)
    said = storable(json.loads(text))
    assert record["Reference"] == said
    assert record["LineItems"][0]["Description"] == said
    assert record["Payments"][0]["Reference"] == said


def storable(value: Any) -> Any:  # noqa: ANN401
    """Return a value with U+FFFD for the characters that no target can store."""
    if isinstance(value, dict):
        return {storable(name): storable(part) for name, part in value.items()}
    if isinstance(value, list):
        return [storable(part) for part in value]
    is_text = isinstance(value, str) and not isinstance(value, Number)
    return re.sub("[\ud800-\udfff\0]", "\ufffd", value) if is_text else value


@EXAMPLES
@given(raw_answers.MS, raw_answers.OFFSETS)
@example(0, "+0000")
@example(-86_400_000, "+0000")
@example(1_426_849_200_000, "+1300")
@example(-62_135_596_800_000, "+0000")
def test_a_moment_is_converted_to_the_millisecond_and_a_day_to_its_day(
    ms: int, offset: str
) -> None:
    literal = rb'"\/Date(%d%s)\/"' % (ms, offset.encode())
    record = raw_answers.record({"UpdatedDateUTC": literal, "Date": literal})
    moment = datetime(1970, 1, 1) + timedelta(milliseconds=ms)  # noqa: DTZ001
    assert record["UpdatedDateUTC"] == rfc3339(moment)
    sign = -1 if offset.startswith("-") else 1
    minutes = sign * (int(offset[1:3]) * 60 + int(offset[3:5])) if offset else 0
    try:
        day = rfc3339(moment + timedelta(minutes=minutes))
    except OverflowError:
        day = None
    assert record["Date"] == day


def rfc3339(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds") + "Z"


@EXAMPLES
@given(
    st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)),  # noqa: DTZ001
    st.sampled_from("T "),
    st.integers(0, 9),
    st.sampled_from(["", "Z"]),
)
def test_iso_dates_with_up_to_nine_decimals_are_read(
    moment: datetime, separator: str, decimals: int, zone: str
) -> None:
    digits = f"{moment.microsecond:06d}000"[:decimals]
    text = moment.replace(microsecond=0).isoformat(sep=separator) + (f".{digits}" if digits else "")
    literal = f'"{text}{zone}"'.encode()
    record = raw_answers.record({"UpdatedDateUTCString": literal, "DueDateString": literal})
    wanted = rfc3339(moment.replace(microsecond=int(digits.ljust(6, "0")[:6])))
    assert record == {"UpdatedDateUTCString": wanted, "DueDateString": wanted}


@pytest.mark.parametrize("stream", STREAMS_OF_MANY_KINDS)
def test_looking_at_every_value_changes_nothing_in_a_record_that_fits(stream: str) -> None:
    properties = stream_schema(stream)["properties"]
    reported: list[str] = []

    def report(path: str, *_: bytes) -> None:
        reported.append(path)

    convert_dates = date_fields.converter(properties)
    repairs = conform.repairs_for(properties, report)

    @EXAMPLES
    @given(raw_answers.objects({"properties": properties}))
    def same(tree: Tree) -> None:
        record = one_line(raw_answers.write(tree))
        row = msgspec.json.decode(record, type=dict[str, msgspec.Raw])
        conform.repair(row, repairs)
        assert msgspec.json.encode(row) == convert_dates(record)

    same()
    assert reported == []


@pytest.mark.parametrize("stream", STREAMS_OF_MANY_KINDS)
def test_a_record_that_has_to_be_opened_gives_the_bytes_of_one_that_goes_as_it_came(
    stream: str,
) -> None:
    properties = stream_schema(stream)["properties"]

    @EXAMPLES
    @given(raw_answers.objects({"properties": properties}))
    def same(tree: Tree) -> None:
        assert isinstance(tree, dict)
        known = {name: part for name, part in tree.items() if name in properties}
        plain = raw_answers.lines(raw_answers.answer([known], stream), stream)
        assert (
            raw_answers.lines(raw_answers.answer([{**known, "Unheard": b"1"}], stream), stream)
            == plain
        )

    same()


@pytest.mark.parametrize("stream", STREAMS_OF_MANY_KINDS)
def test_a_row_that_was_looked_at_when_read_is_the_same_as_one_that_was_not(stream: str) -> None:
    schema = stream_schema(stream)
    names = st.sampled_from([*sorted(schema["properties"]), "Unheard"])
    any_row = st.dictionaries(names, raw_answers.ANYTHING, max_size=6)
    records = raw_answers.compiled(stream)

    @EXAMPLES
    @given(st.lists(any_row | raw_answers.objects(schema), max_size=3))
    def same(rows: list[Tree]) -> None:
        body = raw_answers.answer(rows, stream)
        looked_at = raw_answers.page(body, stream, records.as_record)
        as_sent = raw_answers.page(body, stream, never_as_record)
        assert looked_at.stamps == as_sent.stamps
        assert looked_at.ids == as_sent.ids
        written = records.lines(Page(looked_at.rows, looked_at))
        assert b"".join(written) == b"".join(records.lines(Page(as_sent.rows, as_sent)))

    same()


@pytest.mark.parametrize("stream", [stream.tap_stream_id for stream in LISTS])
def test_ordinary_answers_need_no_second_look(stream: str) -> None:
    properties = stream_schema(stream)["properties"]
    convert_dates = date_fields.converter(properties)
    fitting = conform.decoder(properties)
    fixture = Path(__file__).parent.parent / "fixtures" / f"{stream}.json"
    rows = next(
        part for part in json.loads(fixture.read_bytes()).values() if isinstance(part, list)
    )
    for row in rows:
        known = {name: part for name, part in row.items() if name in properties and part != []}
        assert fitting(convert_dates(one_line(json.dumps(known).encode())))


@pytest.mark.parametrize("stream", STREAMS_OF_MANY_KINDS)
def test_whatever_xero_sends_the_lines_are_valid_and_fit_the_schema(stream: str) -> None:
    schema = stream_schema(stream)
    names = sorted(schema["properties"])
    dates = names_of_dates(schema)
    row = st.dictionaries(st.sampled_from([*names, "Unheard"]), raw_answers.ANYTHING, max_size=6)

    @EXAMPLES
    @given(st.lists(row, max_size=3), st.randoms(use_true_random=False))
    def holds(rows: list[dict[str, Tree]], random: Any) -> None:  # noqa: ANN401
        body = raw_answers.answer([*rows], stream, lambda: random.choice(raw_answers.GAPS))
        records = raw_answers.records(body, stream)
        assert len(records) == len(rows)
        for before, after in zip(rows, records, strict=True):
            assert after.keys() == before.keys() & schema["properties"].keys()
            assert_close(
                storable(raw_answers.meaning(before)), after, {"type": ["object"], **schema}, dates
            )

    holds()


def names_of_dates(schema: dict[str, Any]) -> set[str]:
    properties = schema.get("properties", {})
    inner = [*properties.values(), schema.get("items", {})]
    own = {name for name, part in properties.items() if part.get("format") == "date-time"}
    return own.union(*(names_of_dates(part) for part in inner if part))


def as_number(before: object) -> object:
    literal = re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", str(before))
    return Number(literal[0]) if literal else None


def as_text(before: object) -> object:
    if isinstance(before, bool):
        return str(before).lower()
    return str(before) if isinstance(before, Number) else None


CONVERTED: dict[str, Callable[[object], object]] = {
    "string": as_text,
    "number": as_number,
    "integer": lambda before: as_number(before) if str(before).lstrip("-").isdigit() else None,
    "boolean": lambda before: {"true": True, "false": False}.get(str(before).lower()),
}


def assert_close(before: Any, after: Any, schema: dict[str, Any], dates: set[str]) -> None:  # noqa: ANN401
    """Check that `after` is `before`, except for dates, and null where it does not fit."""
    types = schema.get("type", [])
    if schema.get("format") == "date-time":
        assert after is None or (isinstance(after, str) and after.endswith("Z"))
    elif not any(_IS[name](before) for name in types):
        wanted = [CONVERTED[name](before) for name in types if name in CONVERTED]
        assert after in [*wanted, None]
    elif isinstance(before, dict) and "properties" in schema:
        assert after.keys() <= before.keys()
        for name in after:
            part = schema["properties"].get(name)
            if part:
                assert_close(before[name], after[name], part, dates)
            else:
                assert_passed({name: before[name]}, {name: after[name]}, dates)
    elif isinstance(before, list) and "items" in schema:
        for old, new in zip(before, after, strict=True):
            assert_close(old, new, schema["items"], dates)
    else:
        assert_passed(before, after, dates)


def assert_passed(before: Any, after: Any, dates: set[str]) -> None:  # noqa: ANN401
    """Check that what the schema does not know has passed, its dates perhaps converted."""
    if isinstance(before, dict):
        assert after.keys() == before.keys()
        for name, part in before.items():
            if name in dates and isinstance(part, str) and part != after[name]:
                assert after[name] == expected_records.date(part, name)
            else:
                assert_passed(part, after[name], dates)
    elif isinstance(before, list):
        for old, new in zip(before, after, strict=True):
            assert_passed(old, new, dates)
    else:
        assert after == before


_IS = {
    "null": lambda value: value is None,
    "string": lambda value: isinstance(value, str) and not isinstance(value, Number),
    "number": lambda value: isinstance(value, Number),
    "integer": lambda value: isinstance(value, Number) and value.lstrip("-").isdigit(),
    "boolean": lambda value: isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
}


@EXAMPLES
@given(st.binary(max_size=60))
def test_bytes_of_any_kind_inside_a_text_do_no_harm(noise: bytes) -> None:
    noise = bytes(byte for byte in noise if byte >= 0x20 and byte not in b'"\\')
    body = b'{"Invoices":[{"Reference":"%s","Total":1.50},{"Total":2.50}]}' % noise
    first, second = raw_answers.records(body)
    assert first == {"Reference": noise.decode(errors="replace"), "Total": Number("1.50")}
    assert second == {"Total": Number("2.50")}


@EXAMPLES
@given(st.binary(max_size=200))
def test_bytes_of_any_kind_are_json_or_a_value_error(body: bytes) -> None:
    try:
        line = one_line(body)
    except ValueError:
        return
    assert not {b"\n", b"\r"} & {line[at : at + 1] for at in range(len(line))}
    assert line.decode()


def test_a_wrong_type_is_null_and_named_once_for_its_field(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rows: list[Tree] = [
        {
            "Total": b'"much"',
            "Reference": b"{}",
            "Contact": b"[]",
            "LineItems": [{"Quantity": b"true", "LineAmount": b"7.10"}, b'"odd"', b"null"],
            "DueDate": b'"tomorrow"',
        }
    ] * 2
    with caplog.at_level(logging.WARNING):
        first, second = raw_answers.records(raw_answers.answer(rows), made=raw_answers.compiled())
    assert first == second
    assert first == {
        "Total": None,
        "Reference": None,
        "Contact": None,
        "LineItems": [{"Quantity": None, "LineAmount": "7.10"}, None, None],
        "DueDate": None,
    }
    fields = sorted(message.partition(":")[0] for message in caplog.messages)
    assert fields == [
        "invoices.DueDate",
        "invoices.LineItems[]",
        "invoices.LineItems[].Quantity",
        "invoices.Reference",
        "invoices.Total",
    ]
    assert "tomorrow" in caplog.text


@pytest.mark.parametrize("stream", [stream.tap_stream_id for stream in LISTS])
def test_every_date_in_the_schema_is_converted_however_deep(stream: str) -> None:
    dates_alone = only_dates(stream_schema(stream))
    assert isinstance(dates_alone, dict)
    (line,) = raw_answers.lines(raw_answers.answer([dates_alone], stream), stream)
    assert line.count(b"1970-01-01T00:00:00.000000Z") == raw_answers.write(dates_alone).count(
        b"Date(0)"
    )
    assert b"Date(" not in line


def only_dates(schema: Any) -> Tree:  # noqa: ANN401
    """Return a value that fits the schema and holds nothing but dates."""
    if schema.get("format") == "date-time":
        return b'"/Date(0)/"'
    if "items" in schema:
        item = only_dates(schema["items"])
        return [item] if item else []
    properties = schema.get("properties", {})
    parts = {name: only_dates(part) for name, part in properties.items()}
    return {name: part for name, part in parts.items() if part}


def test_dates_beside_an_odd_item_are_still_converted() -> None:
    row: Tree = {"Payments": [b"3", {"Date": b'"/Date(0+0000)/"'}, b"null"]}
    payments = raw_answers.record(row)["Payments"]
    assert payments == [None, {"Date": "1970-01-01T00:00:00.000000Z"}, None]


def test_a_date_is_found_under_a_name_written_with_escapes() -> None:
    body = rb'{"Invoices":[{"Contact":{"Updated\u0044ateUTC":"\/Date(0)\/"}}]}'
    (record,) = raw_answers.records(body)
    assert record == {"Contact": {"UpdatedDateUTC": "1970-01-01T00:00:00.000000Z"}}


def test_what_is_missing_stays_missing_and_null_stays_null() -> None:
    row: Tree = {"Total": b"null", "Date": b"null", "Contact": b"null", "LineItems": b"null"}
    assert raw_answers.record(row) == {
        "Total": None,
        "Date": None,
        "Contact": None,
        "LineItems": None,
    }
    assert raw_answers.record({}) == {}


def test_a_field_of_two_types_passes_as_either() -> None:
    for literal, number in ((b'"12"', "12"), (b"12", "12"), (b"12.50", "12.50"), (b"[]", None)):
        record = raw_answers.record({"ReceiptNumber": literal}, "receipts")
        assert record == {"ReceiptNumber": number}


def test_unknown_fields_are_left_out_at_the_top_and_named_once_but_pass_further_down(
    caplog: pytest.LogCaptureFixture,
) -> None:
    moment = b'"/Date(0+0000)/"'
    row: Tree = {"New": b"1", "Contact": {"NewDate": moment, "UpdatedDateUTC": moment}}
    with caplog.at_level(logging.WARNING):
        first, second = raw_answers.records(
            raw_answers.answer([row, row]), made=raw_answers.compiled()
        )
    assert first == second
    assert first["Contact"]["NewDate"] == "/Date(0+0000)/", "the schema knows no such date"
    assert first["Contact"]["UpdatedDateUTC"] == "1970-01-01T00:00:00.000000Z"
    assert "New" not in first
    (warning,) = caplog.messages
    assert "New" in warning


def test_fields_that_are_not_selected_are_left_out_without_a_word(
    caplog: pytest.LogCaptureFixture,
) -> None:
    body = raw_answers.answer([{"InvoiceID": b'"a"', "Total": b"1.0", "Reference": b"5"}])
    made = raw_answers.compiled(selected=frozenset({"InvoiceID", "Total"}))
    (line,) = raw_answers.lines(body, made=made)
    assert raw_answers.parse(line)["record"] == {"InvoiceID": "a", "Total": "1.0"}
    assert not caplog.messages


def test_a_message_names_stream_time_and_version() -> None:
    body = raw_answers.answer([{"InvoiceID": b'"a"'}])
    (line,) = raw_answers.lines(body, made=raw_answers.compiled(version=7))
    assert json.loads(line) == {
        "type": "RECORD",
        "stream": "invoices",
        "record": {"InvoiceID": "a"},
        "version": 7,
        "time_extracted": "2026-11-22T09:30:00.000000Z",
    }
    assert "version" not in json.loads(raw_answers.lines(body)[0])


def test_a_date_beside_the_schema_is_the_same_in_a_record_that_does_not_fit() -> None:
    beside: Tree = {"Date": b'"2000-01-01T00:00:00"'}
    fitting, odd = raw_answers.records(
        raw_answers.answer([{"Contact": beside}, {"Contact": beside, "Total": b'"odd"'}])
    )
    assert odd == {**fitting, "Total": None}
    assert fitting == {"Contact": {"Date": "2000-01-01T00:00:00.000000Z"}}


def test_of_two_fields_of_one_name_the_last_counts() -> None:
    body = b'{"Invoices":[{"Total":"x","Total":1.10,"Payments":[{"Date":3,"Date":null}]}]}'
    assert raw_answers.records(body) == [{"Total": "1.10", "Payments": [{"Date": None}]}]


def test_an_answer_with_a_row_that_is_no_record_is_refused() -> None:
    for odd in (b"null", b"7", b'"x"', b"[]"):
        with pytest.raises(StreamError, match="not a list of records"):
            raw_answers.records(b'{"Invoices":[{"InvoiceID":"a"},%s]}' % odd)


def test_rows_without_a_key_are_told_apart_by_what_they_hold() -> None:
    body = b'{"Invoices":[{"Total":1},{"Total":2},{"InvoiceID":5},{"InvoiceID":"5"}]}'
    for ready in (raw_answers.compiled().as_record, never_as_record):
        assert len(set(raw_answers.page(body, "invoices", ready).ids)) == 4


def test_an_absurd_date_header_leaves_the_clock_to_the_answer() -> None:
    body = b'{"DateTimeUTC":"/Date(1000)/","Invoices":[]}'
    odd = "Mon, 06 Nov 99999999999999999999 08:00:00 GMT"
    assert raw_answers.page(body, "invoices", never_as_record, Date=odd).server_ms == 1000


def test_an_answer_without_rows_gives_no_lines() -> None:
    for body in (b"{}", b'{"Invoices":[]}', b'{"Invoices":[],"Status":"OK"}'):
        assert raw_answers.lines(body) == []


@pytest.mark.parametrize("depth", [50, 400, 100_000])
def test_deep_nesting_is_passed_on_or_refused_but_never_crashes(depth: int) -> None:
    deep = b"[" * depth + b"]" * depth
    body = b'{"Invoices":[{"Contact":{"Unheard":%s,"UpdatedDateUTC":null}}]}' % deep
    try:
        line = one_line(body)
    except ValueError:
        assert depth > 400
        return
    assert line == body
    assert raw_answers.lines(body)[0].count(b"[") == depth


def test_the_whole_tap_writes_what_xero_wrote() -> None:
    body = (
        b'{\r\n  "Invoices": [\r\n    {\r\n      "InvoiceID": "a",\r\n      "Total": 46.00,\r\n'
        rb'      "Reference": "\/Date(1+0000)\/ \ud83d",' + b"\r\n"
        rb'      "UpdatedDateUTC": "\/Date(1541176592690+0000)\/",' + b"\r\n"
        b'      "AmountDue": "odd",\r\n      "Contact": []\r\n    }\r\n  ]\r\n}'
    )
    with DemoXero(answers={"Invoices": body}) as xero:
        output = sync(xero, ["invoices"], start_date="2010-01-01")
    assert output.error is None
    line = next(line for line in output.raw.split(b"\n") if b'"type":"RECORD"' in line)
    assert raw_answers.parse(line)["record"] == {
        "InvoiceID": "a",
        "Total": Number("46.00"),
        "Reference": "/Date(1+0000)/ \ufffd",
        "UpdatedDateUTC": "2018-11-02T16:36:32.690000Z",
        "AmountDue": None,
        "Contact": None,
    }
    assert output.state["bookmarks"]["invoices"]["UpdatedDateUTC"] == "2018-11-02T16:36:32.690000Z"


NUMBER_FIELDS = st.sampled_from(["Total", "AmountDue", "CurrencyRate"])


@EXAMPLES
@given(NUMBER_FIELDS, raw_answers.NUMBERS)
@example("Total", b"49.90")
@example("Total", b"99999999999999.9900")
def test_a_number_that_came_as_text_keeps_its_digits(field: str, number: bytes) -> None:
    row: Tree = {field: b'"%s"' % number, "LineItems": [{"UnitAmount": b'"%s"' % number}]}
    assert raw_answers.record(row) == {
        field: Number(number.decode()),
        "LineItems": [{"UnitAmount": Number(number.decode())}],
    }


@EXAMPLES
@given(raw_answers.NUMBERS)
def test_a_text_that_came_as_a_number_keeps_its_digits(number: bytes) -> None:
    record = raw_answers.record({"Reference": number})
    assert record == {"Reference": number.decode()}
    assert not isinstance(record["Reference"], Number)


@pytest.mark.parametrize(
    ("sent", "written"), [('"true"', True), ('"False"', False), ('"yes"', None), ("1", None)]
)
def test_a_boolean_that_came_as_text_is_a_boolean(sent: str, written: object) -> None:
    assert raw_answers.record({"HasAttachments": sent.encode()}) == {"HasAttachments": written}


def test_a_value_that_is_converted_is_named_once_for_its_field(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rows: list[Tree] = [{"Total": b'"49.90"', "Reference": b"12"}] * 3
    with caplog.at_level(logging.WARNING):
        raw_answers.records(raw_answers.answer(rows), made=raw_answers.compiled())
    reference, total = sorted(caplog.messages)
    assert reference.startswith("invoices.Reference: ")
    assert total == (
        'invoices.Total: a value that the schema does not allow is converted, the first is "49.90"'
    )


def test_characters_that_cannot_be_stored_are_replaced_with_one_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rows: list[Tree] = [{"Reference": rb'"half \ud83d, zero \u0000"'}] * 2
    with caplog.at_level(logging.WARNING):
        records = raw_answers.records(raw_answers.answer(rows), made=raw_answers.compiled())
    assert records == [{"Reference": "half \ufffd, zero \ufffd"}] * 2
    (warning,) = caplog.messages
    assert "U+FFFD" in warning


UNKNOWN_VALUES = ("[]", "{}", "1", '"a,}"', r'"a\"b"', "null", '[{"Unheard":[]}]', '{"a":1}')


@pytest.mark.parametrize("value", UNKNOWN_VALUES)
def test_a_row_with_an_unknown_field_is_not_decoded_again(value: str) -> None:
    made = raw_answers.compiled()
    row = f'{{"InvoiceID":"a","Unheard":{value},"Total":1.50}}'.encode()
    as_record = made.as_record(msgspec.Raw(row))
    assert as_record
    assert as_record[0] == b'{"InvoiceID":"a","Total":1.50}'


@pytest.mark.parametrize(
    "row",
    [
        '{"Unheard":1,"InvoiceID":"a"}',
        '{"InvoiceID":"a","Unheard":1,"Unheard":2}',
        '{"Unheard":1,"InvoiceID":"a","Unheard":2}',
        r'{"InvoiceID":"a","\u0055nheard":2}',
        '{"InvoiceID":"a","Contact":{"Name":"n"},"Unheard":2}',
    ],
)
def test_an_unknown_field_is_left_out_however_it_is_written(row: str) -> None:
    (record,) = raw_answers.records(b'{"Invoices":[%s]}' % row.encode())
    assert record.keys() <= {"InvoiceID", "Contact"}
    assert record["InvoiceID"] == "a"


@pytest.mark.parametrize(
    "row",
    [
        '{"Unheard":1,"InvoiceID":"a","Contact":{"Name":"n","Unheard":1}}',
        r'{"InvoiceID":"a","Contact":{"Name":"n","Unheard":1},"\u0055nheard":1}',
        '{"InvoiceID":"a","Contact":{"Name":"n","Unheard":1},"Unheard":1}',
        '{"InvoiceID":"a","Contact":{"Name":"n","Unheard":1}}',
        '{"InvoiceID":"a","Contact":{"Name":"n","Unheard":12},"Unheard":1}',
    ],
)
def test_a_nested_field_with_the_name_of_an_unknown_one_stays(row: str) -> None:
    made = raw_answers.compiled()
    first = b'{"InvoiceID":"b","Unheard":1}'
    body = b'{"Invoices":[%s,%s]}' % (first, row.encode())
    _, record = raw_answers.records(body, made=made)
    assert record["Contact"].keys() == {"Name", "Unheard"}
    assert record.keys() == {"InvoiceID", "Contact"}


def test_many_unknown_fields_are_left_out_too(caplog: pytest.LogCaptureFixture) -> None:
    unknown = {f"Unheard{at}": b"1" for at in range(12)}
    rows: list[Tree] = [{**unknown, "Total": b"1"}] * 2
    with caplog.at_level(logging.WARNING):
        records = raw_answers.records(raw_answers.answer(rows), made=raw_answers.compiled())
    assert records == [{"Total": "1"}] * 2
    assert len(caplog.messages) == 12


def test_a_record_without_fields_has_its_tenant_alone() -> None:
    schema = stream_schema("invoices")
    made = Records("invoices", schema, selected=frozenset(schema["properties"]), tenant_id="t")
    (line,) = raw_answers.lines(b'{"Invoices":[{}]}', made=made)
    assert json.loads(line)["record"] == {"TenantID": "t"}
