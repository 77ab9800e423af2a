"""Line tables: nested lists as streams of their own."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft4Validator

from tap_xero.demo import DemoXero
from tap_xero.discover import catalog
from tap_xero.errors import InputError
from tap_xero.selection import default_selection, selection
from tap_xero.streams.available import available_streams
from tap_xero.streams.line_tables import LINE_TABLES, POSITION
from tap_xero.streams.schema_files import stream_schema
from tap_xero.streams.table import LISTS
from tests.support.fake_clock import impatient_clock
from tests.support.run_tap import Output, catalog_of, flat_catalog_of, sync, tap

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

FLAT = {
    each.stream.tap_stream_id: (each.stream, each.load_schema())
    for each in available_streams(line_tables=True)
}
NAMES = [table.tap_stream_id for table in LINE_TABLES]
# Lists that Xero fills only in answers to writes, and a group's members inside a contact.
WITHOUT_TABLE = {"ValidationErrors", "Warnings", "Attachments", "ContactGroups.Contacts"}

# What the staging models of dbt_xero 1.6.1 select, and where it is: table -> stream, columns.
DBT: dict[str, tuple[str, str]] = {
    "account": ("accounts", "AccountID Name Code Type Class"),
    "contact": ("contacts", "ContactID Name"),
    "invoice": (
        "invoices",
        (
            "InvoiceID Contact.ContactID Date UpdatedDateUTC PlannedPaymentDate DueDate "
            "ExpectedPaymentDate FullyPaidOnDate CurrencyCode CurrencyRate InvoiceNumber Reference "
            "SentToContact Status Type Url"
        ),
    ),
    "invoice_line_item": (
        "invoice_line_items",
        (
            "InvoiceID LineItemID AccountCode Description DiscountEnteredAsPercent DiscountRate "
            "ItemCode LineAmount Quantity TaxAmount TaxType UnitAmount"
        ),
    ),
    "invoice_line_item_has_tracking_category": (
        "invoice_line_item_tracking",
        "InvoiceID LineItemID TrackingCategoryID Option",
    ),
    "journal": (
        "journals",
        "JournalID CreatedDateUTC JournalDate JournalNumber Reference SourceID SourceType",
    ),
    "journal_line": (
        "journal_lines",
        (
            "JournalLineID JournalID AccountCode AccountID AccountName AccountType Description "
            "GrossAmount NetAmount TaxAmount TaxName TaxType"
        ),
    ),
    "journal_line_has_tracking_category": (
        "journal_line_tracking",
        "JournalID JournalLineID TrackingCategoryID Option TrackingOptionID",
    ),
    "journal_cash": (
        "journals_cash",
        "JournalID CreatedDateUTC JournalDate JournalNumber Reference SourceID SourceType",
    ),
    "journal_cash_line": (
        "journal_cash_lines",
        (
            "JournalLineID JournalID AccountCode AccountID AccountName AccountType Description "
            "GrossAmount NetAmount TaxAmount TaxName TaxType"
        ),
    ),
    "journal_cash_line_has_tracking_category": (
        "journal_cash_line_tracking",
        "JournalID JournalLineID TrackingCategoryID Option TrackingOptionID",
    ),
    "bank_transaction": ("bank_transactions", "BankTransactionID Contact.ContactID"),
    "credit_note": ("credit_notes", "CreditNoteID Contact.ContactID"),
    "organization": ("organisations", "OrganisationID FinancialYearEndMonth FinancialYearEndDay"),
    "tracking_category": ("tracking_categories", "TrackingCategoryID Name Status"),
    "tracking_category_option": (
        "tracking_category_options",
        "TrackingOptionID Name Status HasValidationErrors IsActive IsArchived IsDeleted",
    ),
    "tracking_category_has_option": (
        "tracking_category_options",
        "TrackingCategoryID TrackingOptionID",
    ),
}


@pytest.fixture(scope="module")
def xero() -> Iterator[DemoXero]:
    with DemoXero(size=60) as server:
        yield server


@pytest.fixture(scope="module")
def flat(xero: DemoXero) -> Output:
    options = {"line_tables": True, "include_archived_contacts": True, "detail_calls_per_run": 0}
    output = sync(xero, FLAT, clock=impatient_clock(), **options)  # type: ignore[arg-type]
    assert output.error is None
    return output


@pytest.fixture(scope="module")
def nested(xero: DemoXero) -> Output:
    names = [stream.tap_stream_id for stream in LISTS]
    return sync(xero, names, include_archived_contacts=True)


def elements(record: dict[str, Any], path: Iterable[str]) -> list[dict[str, Any]]:
    """Return what stands in the nested lists at the end of the path."""
    found = [record]
    for name in path:
        found = [element for part in found for element in part.get(name) or []]
    return found


def lists_of_records(properties: dict[str, Any], path: str = "") -> Iterator[str]:
    """Yield the path of each list of records, through lists but not through objects.

    A list whose elements have no fields has always been empty; see `fields_beyond_the_api.json`.
    """
    for name, part in properties.items():
        if "array" in part["type"] and part["items"]["properties"]:
            yield f"{path}{name}"
            yield from lists_of_records(part["items"]["properties"], f"{path}{name}.")


@pytest.mark.parametrize("table", LINE_TABLES, ids=NAMES)
def test_a_table_holds_each_element_of_its_parents_with_a_key_of_its_own(
    flat: Output,
    nested: Output,
    table: Any,  # noqa: ANN401
) -> None:
    stream, schema = FLAT[table.tap_stream_id]
    path = [level.field for level in table.path]
    rows = flat.records(table.tap_stream_id)
    parents = nested.records(table.parent)
    assert len(rows) == sum(len(elements(parent, path)) for parent in parents)
    keys = Counter(tuple(row[name] for name in stream.key_properties) for row in rows)
    assert all(count == 1 and None not in key for key, count in keys.items())
    validator = Draft4Validator({**schema, "additionalProperties": False})
    assert [error.message for row in rows for error in validator.iter_errors(row)] == []


def test_the_lines_are_exactly_those_that_stand_in_the_invoices(
    flat: Output, nested: Output
) -> None:
    lists = {"Tracking", "TaxBreakdown", "ValidationErrors"}
    expected = [
        {
            "InvoiceID": invoice["InvoiceID"],
            "UpdatedDateUTC": invoice["UpdatedDateUTC"],
            POSITION: at,
            **{name: value for name, value in line.items() if name not in lists},
            **({"ItemID": line["Item"]["ItemID"]} if "Item" in line else {}),
        }
        for invoice in nested.records("invoices")
        for at, line in enumerate(invoice["LineItems"], 1)
    ]
    assert flat.records("invoice_line_items") == expected


def test_the_id_of_each_object_is_beside_it_so_that_tables_join(flat: Output) -> None:
    joins = {
        ("invoices", "Contact", "ContactID", "ContactID"),
        ("credit_notes", "Contact", "ContactID", "ContactID"),
        ("bank_transactions", "BankAccount", "BankAccountID", "AccountID"),
        ("bank_transfers", "ToBankAccount", "ToBankAccountID", "AccountID"),
        ("payments", "Invoice", "InvoiceID", "InvoiceID"),
        ("invoice_line_items", "Item", "ItemID", "ItemID"),
    }
    for stream, held, name, original in joins:
        objects = [row for row in flat.records(stream) if held in row]
        assert objects, stream
        assert all(row[name] == row[held][original] for row in objects), stream
        assert all(held in row for row in flat.records(stream) if name in row), stream


def test_an_id_is_only_added_where_it_is_selected_and_only_with_line_tables(
    xero: DemoXero, nested: Output
) -> None:
    assert all("ContactID" not in row for row in nested.records("invoices"))
    chosen = flat_catalog_of(["invoices"])
    (entry,) = [each for each in chosen["streams"] if each["tap_stream_id"] == "invoices"]
    for item in entry["metadata"]:
        if item["breadcrumb"] == ["properties", "ContactID"]:
            item["metadata"]["selected"] = False
    rows = sync(xero, catalog=chosen, line_tables=True).records("invoices")
    assert rows
    assert all("Contact" in row and "ContactID" not in row for row in rows)


def test_lines_cost_no_call(xero: DemoXero) -> None:
    before = len(xero.calls)
    sync(xero, ["invoices", "invoice_line_items", "invoice_line_item_tracking"], line_tables=True)
    with_lines = len(xero.calls) - before
    sync(xero, ["invoices"])
    assert len(xero.calls) - before == 2 * with_lines


def test_parents_hold_no_list_and_no_list_is_without_a_table(flat: Output) -> None:
    paths = {(table.parent, ".".join(level.field for level in table.path)) for table in LINE_TABLES}
    for stream in LISTS:
        name = stream.tap_stream_id
        for path in lists_of_records(stream_schema(name)["properties"]):
            outside = any(path.endswith(each) for each in WITHOUT_TABLE)
            # Options of a category, and contacts of a group, have streams; see those.
            repeated = path.count(".") and path.rpartition(".")[2] == "Options"
            member = path.startswith("Contacts.")
            assert outside or repeated or member or (name, path) in paths, (name, path)
        for row in flat.records(name):
            assert not [field for field, value in row.items() if isinstance(value, list)]


def test_lists_that_have_tables_of_their_own_are_not_called_unknown(
    xero: DemoXero, caplog: pytest.LogCaptureFixture
) -> None:
    sync(xero, ["invoices", "invoice_line_items"], line_tables=True)
    assert "does not know" not in caplog.text


def test_a_changed_parent_sends_its_lines_again_with_its_new_stamp(xero: DemoXero) -> None:
    chosen = ["invoices", "invoice_line_items"]
    first = sync(xero, chosen, line_tables=True)
    key = first.records("invoices")[5]["InvoiceID"]
    xero.edit("Invoices", key, Reference="changed")
    second = sync(xero, chosen, line_tables=True, state=first.state)
    (parent,) = [row for row in second.records("invoices") if row["InvoiceID"] == key]
    lines = [row for row in second.records("invoice_line_items") if row["InvoiceID"] == key]
    assert lines
    assert {row["UpdatedDateUTC"] for row in lines} == {parent["UpdatedDateUTC"]}


def test_tables_of_whole_lists_are_activated_with_their_parent(flat: Output) -> None:
    types = flat.types("tracking_category_options")
    assert types[0] == "SCHEMA"
    assert types[-1] == "ACTIVATE_VERSION"
    versions = {
        message["version"]
        for message in flat.messages
        if message.get("stream") in {"tracking_categories", "tracking_category_options"}
        and message["type"] != "SCHEMA"
    }
    assert len(versions) == 1


def test_an_element_without_an_id_is_told_apart_by_its_position() -> None:
    lines = [
        b'{"LineItemID":null,"UnitAmount":1.10}',
        b'{"UnitAmount":"odd","Tracking":[{"Name":"Region","Option":"West"},{"Name":"Team"}]}',
        b'{"LineItemID":"a","Tracking":null}',
        b'{"LineItemID":"a"}',
        b"7",
        b'{"LineItemID":""}',
    ]
    invoice = b'{"InvoiceID":"i","UpdatedDateUTC":"/Date(1700000000000)/","LineItems":[%s]}'
    with DemoXero(size=5) as xero:
        xero.replace("Invoices", [invoice % b",".join(lines)])
        names = ["invoices", "invoice_line_items", "invoice_line_item_tracking"]
        output = sync(xero, names, line_tables=True)
    rows = output.records("invoice_line_items")
    assert [(row["LineItemID"], row[POSITION]) for row in rows] == [
        ("1", 1),
        ("2", 2),
        ("a", 3),
        ("4", 4),
        ("5", 5),
    ]
    assert [row.get("UnitAmount") for row in rows] == [Decimal("1.10"), None, None, None, None]
    tracking = output.records("invoice_line_item_tracking")
    assert [(row["LineItemID"], row["TrackingCategoryID"]) for row in tracking] == [
        ("2", "1"),
        ("2", "2"),
    ]
    assert tracking[0]["Option"] == "West"


def test_fields_of_a_table_can_be_left_out(xero: DemoXero) -> None:
    chosen = flat_catalog_of(["invoices", "invoice_line_items"])
    for entry in chosen["streams"]:
        for item in entry["metadata"]:
            if item["breadcrumb"] == ["properties", "Description"]:
                item["metadata"]["selected"] = False
    output = sync(xero, catalog=chosen, line_tables=True)
    rows = output.records("invoice_line_items")
    assert rows
    assert not any("Description" in row for row in rows)


@pytest.mark.parametrize("table", DBT)
def test_what_dbt_xero_selects_is_there(flat: Output, table: str) -> None:
    name, columns = DBT[table]
    _, schema = FLAT[name]
    rows = flat.records(name)
    assert rows
    for column in columns.split():
        part = schema
        for field in column.split("."):
            part = part["properties"][field]
        if column.endswith(("ID", "Code", "Name", "Amount")):
            top, _, inner = column.partition(".")
            values = [row.get(top) for row in rows]
            assert any((value or {}).get(inner) if inner else value for value in values), column


def test_the_catalog_has_line_tables_only_where_the_config_asks(
    xero: DemoXero, tmp_path: Path
) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(xero.config(line_tables=True)))
    done = tap("--config", str(config), "--discover")
    assert done.returncode == 0
    assert json.loads(done.stdout) == catalog(line_tables=True)
    plain = {entry["tap_stream_id"] for entry in catalog()["streams"]}
    assert not plain & set(NAMES)


def test_without_a_catalog_the_tables_of_default_streams_are_made() -> None:
    names = {item.stream.tap_stream_id for item in default_selection(line_tables=True)}
    assert "invoice_line_items" in names
    assert "journal_lines" not in names


def test_a_table_without_its_parent_is_refused() -> None:
    chosen = flat_catalog_of(["invoice_line_items"])
    with pytest.raises(InputError, match="invoice_line_items is made from invoices: select"):
        selection(chosen, "catalog.json", line_tables=True)


def test_a_catalog_discovered_without_line_tables_is_refused() -> None:
    with pytest.raises(InputError, match=r"invoices but not invoice_line_items: discover it again"):
        selection(catalog_of(["invoices"]), "catalog.json", line_tables=True)
