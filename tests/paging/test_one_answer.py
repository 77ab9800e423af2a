"""Endpoints without pages: what happens when Xero sends a part of the list after all."""

from __future__ import annotations

import json
from functools import partial

import pytest

from tap_xero.demo import Call, DemoXero, Fault
from tests.support.run_tap import Output, sync

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


def check_failed(stream: str, output: Output) -> None:
    assert [bool(run.error) for run in output.runs] == [True]
    assert "ACTIVATE_VERSION" not in output.types(stream)
    assert stream not in output.state.get("bookmarks", {})
