"""Endpoints without pages: a part of a list is no list, nor is an answer that holds none."""

from __future__ import annotations

import json
from functools import partial

import pytest

from tap_xero.demo import Call, DemoXero, Fault
from tests.support.fake_clock import FakeTime
from tests.support.run_tap import Output, catalog_of, sync

JSON = {"Content-Type": "application/json"}


KEYS = {"bank_transfers": ("BankTransferID", "BankTransfers"), "items": ("ItemID", "Items")}


def page(number: int, of: int, stream: str) -> Fault:
    """Return page `number` of a list of 250 rows in `of` pages of 100."""
    key, path = KEYS[stream]
    rows = [
        {key: f"{at:036}", "UpdatedDateUTC": f"/Date({1_700_000_000_000 + at * 60_000}+0000)/"}
        for at in range((number - 1) * 100, min(number * 100, 250))
    ]
    pagination = {"page": number, "pageSize": 100, "pageCount": of, "itemCount": 250}
    body = json.dumps({"Status": "OK", "pagination": pagination, path: rows})
    return Fault.status(200, JSON, body.encode())


def asks_for(number: int, call: Call) -> bool:
    return call.params.get("page", "1") == str(number)


@pytest.mark.parametrize("stream", ["bank_transfers", "items"])
def test_a_list_that_xero_begins_to_page_is_read_to_its_end(stream: str) -> None:
    with DemoXero(size=0) as xero:
        for number in (1, 2, 3):
            xero.fail(page(number, 3, stream), on=partial(asks_for, number), times=None)
        output = sync(xero, [stream])
    assert output.error is None
    assert len(output.records(stream)) == 250


@pytest.mark.parametrize("stream", ["bank_transfers", "items"])
def test_a_part_of_a_list_is_an_error_and_never_the_whole(stream: str) -> None:
    with DemoXero(size=0) as xero:
        xero.fail(page(1, 3, stream), times=None)
        output = sync(xero, [stream])
    check_failed(stream, output)


@pytest.mark.parametrize("stream", ["bank_transfers", "items"])
def test_a_list_that_is_shorter_than_its_count_is_an_error(stream: str) -> None:
    with DemoXero(size=0) as xero:
        xero.fail(page(1, 3, stream), on=partial(asks_for, 1), times=None)
        output = sync(xero, [stream])
    check_failed(stream, output)


# Answers that hold no list, or not all of it; NAME is the list's name, ROW one of its rows.
ODD_ANSWERS = [
    "{}",
    '{"Status": "OK"}',
    '{"Status": "OK", "NAMES": [ROW]}',
    '{"Status": "OK", "name": [ROW]}',
    '{"Status": "OK", "NAME": null}',
    '{"Status": "OK", "NAME": {}}',
    '{"Status": "OK", "NAME": ROW}',
    '{"Status": "OK", "NAME": "text"}',
    '{"Status": "OK", "NAME": 7}',
    '{"Status": "OK", "NAME": [null]}',
    '{"Status": "OK", "NAME": ["text"]}',
    '{"Status": "OK", "NAME": [ROW, null]}',
    '{"Status": "OK", "NAME": [], "pagination": COUNT}',
    '{"Status": "ERROR", "NAME": null}',
    '{"Status": "ERROR", "NAME": []}',
    '{"Status": "ERROR", "NAME": [ROW]}',
]


@pytest.mark.parametrize("stream", ["bank_transfers", "items"])
@pytest.mark.parametrize("odd", ODD_ANSWERS)
def test_an_answer_that_holds_no_whole_list_is_an_error_and_empties_no_table(
    stream: str, odd: str
) -> None:
    with DemoXero(size=0) as xero:
        xero.fail(raw(odd, stream), times=None, on=partial(is_of, KEYS[stream][1]))
        output = sync(xero, [stream], clock=FakeTime().clock)
    check_failed(stream, output)


def test_a_full_table_in_pages_is_not_emptied_while_xero_counts_records() -> None:
    whole = catalog_of(["invoices"], replication_method="FULL_TABLE")
    count = '{"page": 1, "pageSize": 1000, "pageCount": 1, "itemCount": 5}'
    body = f'{{"Status": "OK", "Invoices": [], "pagination": {count}}}'
    with DemoXero(size=0) as xero:
        xero.fail(Fault.status(200, JSON, body.encode()), times=None)
        output = sync(xero, catalog=whole)
    check_failed("invoices", output)


def test_an_empty_list_empties_a_table() -> None:
    with DemoXero(size=0) as xero:
        xero.fail(raw('{"Status": "OK", "NAME": []}', "bank_transfers"), times=None)
        output = sync(xero, ["bank_transfers"])
    assert output.error is None
    assert output.types("bank_transfers") == ["SCHEMA", "ACTIVATE_VERSION"]


def raw(template: str, stream: str) -> Fault:
    """Return the answer that `template` describes, for the list of `stream`."""
    key, path = KEYS[stream]
    row = json.dumps({key: "a", "UpdatedDateUTC": "/Date(1700000000000+0000)/"})
    count = '{"page": 1, "pageSize": 100, "pageCount": 1, "itemCount": 5}'
    named = template.replace("NAME", path).replace('"name"', f'"{path.lower()}"')
    return Fault.status(200, JSON, named.replace("ROW", row).replace("COUNT", count).encode())


def is_of(path: str, call: Call) -> bool:
    return call.path == path


def check_failed(stream: str, output: Output) -> None:
    assert [bool(run.error) for run in output.runs] == [True]
    assert "ACTIVATE_VERSION" not in output.types(stream)
    assert stream not in output.state.get("bookmarks", {})
