"""The demo's lists over HTTP: filters, order, pages, summaries, and each knob of `Behaviour`."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from tap_xero.demo import Behaviour, Call, DemoXero
from tap_xero.demo.lists import ENDPOINTS
from tests.support.demo_client import Login

if TYPE_CHECKING:
    from collections.abc import Iterator

SECOND = 1_700_000_000_000  # 2023-11-14T22:13:20Z
SINCE = "2023-11-14T22:13:20"


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[DemoXero, Login]]:
    """Serve one organisation for tests that change nothing."""
    with DemoXero(size=240) as xero, Login(xero) as login:
        yield xero, login


def stamped(*stamps: int | None) -> list[dict[str, Any]]:
    return [
        {"InvoiceID": f"{number:04d}", "UpdatedDateUTC": stamp}
        for number, stamp in enumerate(stamps)
    ]


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["InvoiceID"] for row in rows]


@pytest.mark.parametrize("path", list(ENDPOINTS))
def test_every_list_is_served(shared: tuple[DemoXero, Login], path: str) -> None:
    xero, login = shared
    rows = login.rows(path, page=1, pageSize=1000, includeArchived="true", includeDeleted="true")
    expected = xero.organisation.rows(path)
    if path.startswith("Journals"):
        expected = expected[:100]
    assert len(rows) == len(expected) > 0


def test_answers_look_like_xeros(shared: tuple[DemoXero, Login]) -> None:
    _, login = shared
    response = login.get("Invoices", page=1)
    text = response.content
    assert text.startswith(b'{\r\n  "Id": "')
    assert b'"UpdatedDateUTC": "\\/Date(' in text
    assert b'"Status": "OK"' in text
    answer = response.json()
    assert response.headers["Xero-Correlation-Id"] == answer["Id"]
    assert response.headers["X-DayLimit-Remaining"] == "4999"
    assert answer["pagination"] == {"page": 1, "pageSize": 100, "pageCount": 3, "itemCount": 240}


def test_money_keeps_its_digits(shared: tuple[DemoXero, Login]) -> None:
    xero, login = shared
    sent = login.rows("Invoices", page=1, pageSize=1000, unitdp=4)
    known = {row["InvoiceID"]: row for row in xero.organisation.rows("Invoices")}
    for row in sent:
        for line, whole in zip(row["LineItems"], known[row["InvoiceID"]]["LineItems"], strict=True):
            assert str(line["UnitAmount"]) == str(whole["UnitAmount"])
            assert str(line["LineAmount"]) == str(whole["LineAmount"])


def test_unit_prices_are_cut_without_unitdp(shared: tuple[DemoXero, Login]) -> None:
    _, login = shared
    prices = [
        line["UnitAmount"] for row in login.rows("Invoices", page=1) for line in row["LineItems"]
    ]
    assert all(price.as_tuple().exponent == -2 for price in prices)


def test_a_page_has_100_rows_unless_asked(shared: tuple[DemoXero, Login]) -> None:
    _, login = shared
    assert len(login.rows("Invoices", page=1)) == 100
    assert len(login.rows("Invoices", page=3)) == 40
    assert login.rows("Invoices", page=4) == []
    assert len(login.rows("Invoices", page=1, pageSize=5000)) == 240
    assert login.answer("Invoices", page=1, pageSize=5000)["pagination"]["pageSize"] == 1000
    assert len(login.rows("Invoices", page=1, pageSize=0)) == 1


def test_without_a_page_all_come_as_summaries(shared: tuple[DemoXero, Login]) -> None:
    _, login = shared
    answer = login.answer("Invoices")
    assert len(answer["Invoices"]) == 240
    assert "pagination" not in answer
    assert all(row["LineItems"] == [] for row in answer["Invoices"])
    assert all(row["JournalLines"] == [] for row in login.rows("ManualJournals"))
    assert not any("Balances" in row for row in login.rows("Contacts"))
    assert any("Balances" in row for row in login.rows("Contacts", page=1))


def test_archived_contacts_and_deleted_transfers_come_on_request(
    shared: tuple[DemoXero, Login],
) -> None:
    _, login = shared
    states = {row["ContactStatus"] for row in login.rows("Contacts", page=1)}
    assert states == {"ACTIVE"}
    every = login.rows("Contacts", page=1, includeArchived="true")
    assert {row["ContactStatus"] for row in every} == {"ACTIVE", "ARCHIVED"}
    assert {row["Status"] for row in login.rows("BankTransfers")} == {"AUTHORISED"}
    every = login.rows("BankTransfers", includeDeleted="true")
    assert {row["Status"] for row in every} == {"AUTHORISED", "DELETED"}
    names = {
        option["Name"]
        for category in login.rows("TrackingCategories")
        for option in category["Options"]
    }
    assert "North" in names
    assert "Offshore" not in names


def test_journals_come_by_offset(shared: tuple[DemoXero, Login]) -> None:
    xero, login = shared
    numbers: list[int] = []
    while rows := login.rows("Journals", offset=numbers[-1] if numbers else 0):
        assert len(rows) <= 100
        numbers += [row["JournalNumber"] for row in rows]
    assert numbers == [row["JournalNumber"] for row in xero.organisation.rows("Journals")]


def test_one_row_can_be_read_by_its_id(shared: tuple[DemoXero, Login]) -> None:
    xero, login = shared
    key = xero.organisation.rows("Invoices")[5]["InvoiceID"]
    [row] = login.rows(f"Invoices/{key}")
    assert row["InvoiceID"] == key
    assert row["LineItems"]
    assert login.get("Invoices/nothing").status_code == 404


def test_unknown_paths_and_employees_are_gone(shared: tuple[DemoXero, Login]) -> None:
    _, login = shared
    assert login.get("Employees").status_code == 404


def test_without_accept_json_the_answer_is_xml(shared: tuple[DemoXero, Login]) -> None:
    _, login = shared
    login.session.headers["Accept"] = "*/*"
    assert login.get("Currencies").text.startswith("<Response")
    login.session.headers["Accept"] = "application/json"


def test_documented_order_is_by_stamp_then_id(shared: tuple[DemoXero, Login]) -> None:
    _, login = shared
    for path, key in (("Invoices", "InvoiceID"), ("Payments", "PaymentID")):
        rows = login.rows(path, page=1, pageSize=1000)
        order = [(int(row["UpdatedDateUTC"][6:-7]), row[key]) for row in rows]
        assert order == sorted(order)
    rows = login.rows("Prepayments", page=1, order="UpdatedDateUTC DESC")
    order = [(int(row["UpdatedDateUTC"][6:-7]), row["PrepaymentID"]) for row in rows]
    assert order == sorted(order, reverse=True)


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (Behaviour(), "2345"),
        (Behaviour(ims_inclusive=False), "345"),
        (Behaviour(ims_precision="minute"), "12345"),
        (Behaviour(ims_precision="minute", ims_truncates_both=True, ims_inclusive=False), "5"),
        (Behaviour(ims_precision="second", ims_truncates_both=True, ims_inclusive=False), "45"),
        (Behaviour(ims_precision="day"), "12345"),
        (Behaviour(ims_ignored=True), "012345"),
    ],
)
def test_each_reading_of_modified_since(behaviour: Behaviour, expected: str) -> None:
    stamps = (SECOND - 86_400_000, SECOND - 1, SECOND, SECOND + 1, SECOND + 1000, SECOND + 60_000)
    with DemoXero(size=0, behaviour=behaviour) as xero, Login(xero) as login:
        xero.replace("Invoices", stamped(*stamps))
        assert (
            "".join(key[-1] for key in ids(login.rows("Invoices", since=SINCE, page=1))) == expected
        )


def test_rows_without_a_stamp_are_always_there() -> None:
    with DemoXero(size=0) as xero, Login(xero) as login:
        xero.replace("Invoices", stamped(SECOND - 1, None, SECOND))
        assert ids(login.rows("Invoices", since=SINCE, page=1)) == ["0001", "0002"]


def test_other_forms_of_modified_since(shared: tuple[DemoXero, Login]) -> None:
    _, login = shared
    far = len(login.rows("Invoices", since="2000-01-01T00:00:00", page=1, pageSize=1000))
    assert far == 240
    for text in (
        "2100-01-01T00:00:00",
        "2100-01-01T00:00:00.000Z",
        "2100-01-01T00:00:00+13:00",
        "Fri, 01 Jan 2100 00:00:00 GMT",
    ):
        assert login.rows("Invoices", since=text, page=1) == [], text
    assert len(login.rows("Invoices", since="2100-01-01", page=1)) == 100


def test_nothing_newer_may_be_answered_304() -> None:
    with DemoXero(size=3, behaviour=Behaviour(answers_304=True)) as xero, Login(xero) as login:
        response = login.get("Invoices", since="2100-01-01T00:00:00", page=1)
        assert (response.status_code, response.content) == (304, b"")


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("documented", ["c", "a", "b"]),
        ("id", ["a", "b", "c"]),
        ("insertion", ["b", "c", "a"]),
        ("desc", ["b", "a", "c"]),
    ],
)
def test_each_order_of_a_list(order: str, expected: list[str]) -> None:
    behaviour = Behaviour(list_order=order, honours_order=False)
    with DemoXero(size=0, behaviour=behaviour) as xero, Login(xero) as login:
        stamps = {"b": 30, "c": 10, "a": 20}
        xero.replace("Invoices", [{"InvoiceID": k, "UpdatedDateUTC": v} for k, v in stamps.items()])
        assert ids(login.rows("Invoices", page=1, order="UpdatedDateUTC ASC")) == expected


def test_ties_may_come_in_another_order_each_call() -> None:
    behaviour = Behaviour(list_order="shuffled_ties")
    with DemoXero(size=0, behaviour=behaviour) as xero, Login(xero) as login:
        xero.replace("Invoices", stamped(*[SECOND] * 40, SECOND + 1))
        first, second = (ids(login.rows("Invoices", page=1)) for _ in range(2))
        assert first != second
        assert sorted(first) == sorted(second)
        assert first[-1] == second[-1] == "0040"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("missing", None),
        ("too_small", {"page": 1, "pageSize": 10, "pageCount": 1, "itemCount": 10}),
        ("too_big", {"page": 1, "pageSize": 10, "pageCount": 8, "itemCount": 75}),
        ("garbage", {"page": 0, "pageSize": -1, "pageCount": "many", "itemCount": None}),
    ],
)
def test_pagination_can_be_wrong(kind: str, expected: object) -> None:
    with DemoXero(size=25, behaviour=Behaviour(pagination=kind)) as xero, Login(xero) as login:
        assert login.answer("Invoices", page=1, pageSize=10).get("pagination") == expected


def test_page_size_can_be_clamped_or_ignored() -> None:
    with DemoXero(size=120) as xero, Login(xero) as login:
        xero.behaviour.page_size_cap = 7
        assert len(login.rows("Invoices", page=1, pageSize=1000)) == 7
        xero.behaviour.ignores_page_size = True
        assert len(login.rows("Invoices", page=1, pageSize=1000)) == 100


def test_pages_can_repeat_or_hold_everything() -> None:
    behaviour = Behaviour(
        repeats_page=frozenset({2}), everything_on_every_page=frozenset({"ManualJournals"})
    )
    with DemoXero(size=240, behaviour=behaviour) as xero, Login(xero) as login:
        first, second, third = (ids(login.rows("Invoices", page=page)) for page in (1, 2, 3))
        assert first == second
        assert len(third) == 40
        pages = [login.rows("ManualJournals", page=page, pageSize=2) for page in (1, 2)]
        assert pages[0] == pages[1]
        assert len(pages[0]) > 2


def test_partial_journals_still_give_all() -> None:
    with DemoXero(size=60, behaviour=Behaviour(partial_journals=True)) as xero:
        numbers: list[int] = []
        with Login(xero) as login:
            sizes = []
            while rows := login.rows("Journals", offset=numbers[-1] if numbers else 0):
                sizes.append(len(rows))
                numbers += [row["JournalNumber"] for row in rows]
        assert min(sizes[:-1]) < 100
        assert len(numbers) == len(xero.organisation.rows("Journals"))


def test_odd_ways_to_write_nothing() -> None:
    behaviour = Behaviour(nulls_as_empty_lists=True, empty_list_as_null=True, pretty=False)
    with DemoXero(size=5, behaviour=behaviour) as xero, Login(xero) as login:
        assert any(row["BatchPayment"] == [] for row in login.rows("Payments", page=1))
        response = login.get("Invoices", page=9)
        assert response.content.endswith(b'"Invoices":null}')


def test_page_numbers_lose_rows_when_rows_are_edited_between_calls() -> None:
    """The danger that the tap is built against must be real here."""

    def edit_a_row_already_read(xero: DemoXero, call: Call) -> None:
        if call.params.get("page") == "2":
            xero.edit("Invoices", "0003", Reference="edited")

    with DemoXero(size=0) as xero, Login(xero) as login:
        xero.before_call = edit_a_row_already_read
        xero.replace("Invoices", stamped(*range(SECOND, SECOND + 30_000, 1000)))
        seen = [
            key for page in (1, 2, 3) for key in ids(login.rows("Invoices", page=page, pageSize=10))
        ]
        assert "0010" not in seen
        assert seen[-1] == "0003"


def test_a_large_unpaged_read_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tap_xero.demo.lists.HIGH_VOLUME", 3)
    with DemoXero(size=5) as xero, Login(xero) as login:
        response = login.get("Invoices")
        assert response.status_code == 400
        assert response.json()["Type"] == "HighVolumeException"
        assert login.get("Invoices", page=1).status_code == 200


def test_gzip_is_for_those_who_accept_it() -> None:
    with DemoXero(size=20, behaviour=Behaviour(gzip=True)) as xero, Login(xero) as login:
        response = login.get("Invoices", page=1)
        assert response.headers["Content-Encoding"] == "gzip"
        assert len(response.json()["Invoices"]) == 20
        login.session.headers["Accept-Encoding"] = "identity"
        assert "Content-Encoding" not in login.get("Invoices", page=1).headers


def test_calls_are_recorded_in_order() -> None:
    with DemoXero(size=5) as xero, Login(xero) as login:
        response = login.get("Invoices", page=1)
        call = xero.calls[-1]
        assert [(each.kind, each.number) for each in xero.calls] == [("token", 1), ("data", 1)]
        assert (call.path, call.params, call.status) == ("Invoices", {"page": "1"}, 200)
        assert call.bytes == len(response.content)
        assert call.finished is not None
        assert call.finished >= call.at


def test_clients_are_served_side_by_side() -> None:
    with DemoXero(size=5, behaviour=Behaviour(latency=0.05)) as xero, Login(xero) as login:
        headers = dict(login.session.headers)

        def read() -> None:
            with Login(xero) as other:
                other.session.headers.update(headers)
                other.rows("Invoices", page=1)

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        calls = [call for call in xero.calls if call.kind == "data"]
        assert max(call.at for call in calls) < min(call.finished or 0 for call in calls)
