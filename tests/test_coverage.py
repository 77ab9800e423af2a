"""Wanting more later brings what earlier runs left out, with one warning that names it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tap_xero.demo import DemoXero
from tests.support.fake_clock import FakeTime
from tests.support.run_tap import catalog_of, flat_catalog_of, sync

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.run_tap import Output

INVOICES = 6


@pytest.fixture
def xero() -> Iterator[DemoXero]:
    """Serve books that nobody edits, an hour after their last edit."""
    time = FakeTime()
    with DemoXero(size=INVOICES, clock=lambda: time.now().timestamp()) as server:
        yield server


def run(
    xero: DemoXero,
    catalog: dict[str, Any],
    before: Output | None = None,
    **config: Any,  # noqa: ANN401
) -> Output:
    state = before.state if before else {}
    return sync(xero, catalog=catalog, state=state, clock=FakeTime().clock, **config)


def without(catalog: dict[str, Any], *fields: str) -> dict[str, Any]:
    """Deselect fields of all streams of a catalog."""
    for entry in catalog["streams"]:
        for item in entry["metadata"]:
            if item["breadcrumb"] and item["breadcrumb"][1] in fields:
                item["metadata"]["selected"] = False
    return catalog


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [each.message for each in caplog.records if "from the start" in each.message]
    return [message.partition("now wants more: ")[2] for message in found]


def test_a_field_that_is_selected_later_comes_in_every_record(
    xero: DemoXero, caplog: pytest.LogCaptureFixture
) -> None:
    first = run(xero, without(catalog_of(["invoices"]), "Reference", "Total"))
    second = run(xero, without(catalog_of(["invoices"]), "Total"), first)
    third = run(xero, without(catalog_of(["invoices"]), "Total"), second)

    assert not [row for row in first.records("invoices") if "Reference" in row]
    assert len(second.records("invoices")) == INVOICES
    assert [row for row in second.records("invoices") if "Reference" in row]
    assert len(third.records("invoices")) < INVOICES
    assert warnings(caplog) == ["invoices (the field Reference)"]


def test_a_field_that_was_left_out_for_a_while_comes_in_every_record(xero: DemoXero) -> None:
    first = run(xero, catalog_of(["invoices"]))
    second = run(xero, without(catalog_of(["invoices"]), "Total"), first)
    third = run(xero, catalog_of(["invoices"]), second)

    assert len(second.records("invoices")) < INVOICES
    assert len(third.records("invoices")) == INVOICES


def test_line_tables_that_are_switched_on_later_have_the_lines_of_every_document(
    xero: DemoXero, caplog: pytest.LogCaptureFixture
) -> None:
    tables = flat_catalog_of(["invoices", "invoice_line_items"])
    first = run(xero, catalog_of(["invoices"]))
    second = run(xero, tables, first, line_tables=True)
    third = run(xero, tables, second, line_tables=True)

    lines = [line for row in first.records("invoices") for line in row["LineItems"]]
    assert len(second.records("invoice_line_items")) == len(lines)
    assert len(third.records("invoice_line_items")) < len(lines)
    assert warnings(caplog) == ["invoices (the line table invoice_line_items)"]


def test_a_line_table_that_is_selected_later_has_the_lines_of_every_document(
    xero: DemoXero, caplog: pytest.LogCaptureFixture
) -> None:
    whole = run(xero, flat_catalog_of(["contacts", "contact_phones"]), line_tables=True)
    first = run(xero, flat_catalog_of(["contacts"]), line_tables=True)
    second = run(xero, flat_catalog_of(["contacts", "contact_phones"]), first, line_tables=True)

    assert whole.records("contact_phones")
    assert len(second.records("contact_phones")) == len(whole.records("contact_phones"))
    assert warnings(caplog) == ["contacts (the line table contact_phones)"]


def test_a_field_of_a_line_table_that_is_selected_later_comes_in_every_line(
    xero: DemoXero, caplog: pytest.LogCaptureFixture
) -> None:
    tables = ["invoices", "invoice_line_items"]
    first = run(xero, without(flat_catalog_of(tables), "Description"), line_tables=True)
    second = run(xero, flat_catalog_of(tables), first, line_tables=True)

    assert len(second.records("invoice_line_items")) == len(first.records("invoice_line_items"))
    assert [row for row in second.records("invoice_line_items") if "Description" in row]
    assert warnings(caplog) == ["invoices (the field invoice_line_items.Description)"]


def test_lists_come_back_into_every_record_when_line_tables_are_switched_off(
    xero: DemoXero, caplog: pytest.LogCaptureFixture
) -> None:
    tables = flat_catalog_of(["invoices", "invoice_line_items"])
    first = run(xero, tables, line_tables=True)
    second = run(xero, catalog_of(["invoices"]), first)

    assert all("LineItems" in row for row in second.records("invoices"))
    assert len(second.records("invoices")) == INVOICES
    assert warnings(caplog) == ["invoices (the lists that line tables held)"]


def test_files_that_are_asked_for_later_come_of_every_document(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    time = FakeTime()
    with DemoXero(size=8, clock=lambda: time.now().timestamp()) as xero:
        chosen = catalog_of(["invoices", "attachments"])
        options: dict[str, Any] = {"detail_calls_per_run": 500, "lookback_seconds": 1}
        first = run(xero, chosen, **options)
        second = run(xero, chosen, first, attachments_dir=str(tmp_path), **options)

    attachments = first.records("attachments")
    assert attachments
    assert len(second.records("attachments")) == len(attachments)
    assert all(row["ContentPath"] for row in second.records("attachments"))
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == len(attachments)
    assert warnings(caplog) == ["attachments of invoices (the files of attachments)"]


def test_a_state_of_3_0_0_that_names_no_fields_is_trusted(
    xero: DemoXero, caplog: pytest.LogCaptureFixture
) -> None:
    first = run(xero, catalog_of(["invoices", "bank_transactions"]))
    for scope in first.state["read_with"].values():
        for name in ("fields_left_out", "line_tables"):
            del scope[name]
    tables = flat_catalog_of(["invoices", "bank_transactions", "invoice_line_items"])
    second = run(xero, tables, first, line_tables=True)
    third = run(xero, catalog_of(["invoices", "bank_transactions"]), second)

    assert len(second.records("invoices")) < INVOICES
    assert len(third.records("invoices")) == INVOICES, "from then on it is known"
    assert len(warnings(caplog)) == 1


def test_the_scope_of_a_stream_that_has_no_bookmark_yet_is_not_in_the_state(
    xero: DemoXero,
) -> None:
    output = run(xero, catalog_of(["invoices", "receipts"]), start_date="2026-06-30")
    assert output.state.get("read_with", {}).keys() == output.state["bookmarks"].keys()
