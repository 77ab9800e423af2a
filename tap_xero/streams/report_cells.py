"""Convert Xero's reports to rows: one record for each cell, with its row and column.

A report is a table for people (developer.xero.com, Reports). It has a header with the titles of
the columns, and sections. A section may contain sections, rows and totals, or only a title. Totals
may also be outside of all sections. The first cell of a row is its title. Each further cell
becomes a record. A row or section without further cells becomes one record in column 0, so that
nothing is left out.

Rows are numbered within the answer, and cells within their row. These numbers make a key that is
never null and never repeats, for any content of the cells.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw

from tap_xero.errors import StreamError
from tap_xero.paging.endpoint import UPDATED
from tap_xero.paging.rows import NULL, Row, encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


# A plain number, or one with commas between thousands; a percentage is text.
_NUMBER = re.compile(r"-?(0|[1-9]\d*|[1-9]\d{0,2}(,\d{3})+)(\.\d+)?", re.ASCII)
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_REPORT_FIELDS = ("ReportID", "ReportName", "ReportType", "ReportDate", UPDATED)


class Attribute(msgspec.Struct):
    """The account or invoice of a cell, by its id."""

    Id: str | None = None
    Value: str | None = None


class Cell(msgspec.Struct):
    """A cell; Xero sends a number as text."""

    Value: Raw = NULL
    Attributes: list[Attribute] | None = None


class ReportRow(msgspec.Struct):
    """A header, section, row or total."""

    RowType: str | None = None
    Title: str | None = None
    Cells: list[Cell] | None = None
    Rows: list[ReportRow] | None = None


_ROWS: msgspec.json.Decoder[Any] = msgspec.json.Decoder(list[ReportRow] | None)
_CONTACTS: msgspec.json.Decoder[Any] = msgspec.json.Decoder(list[dict[str, Raw]] | None)
_TITLES: msgspec.json.Decoder[Any] = msgspec.json.Decoder(list[str | None] | None)


def cell_rows(reports: Iterable[Row], base: Row) -> list[Row]:
    """Return the records of the reports in one answer; each begins with the fields of `base`.

    Raises StreamError when they do not have the shape of reports.
    """
    rows: list[Row] = []
    number = 0
    for report in reports:
        head = base | _head(report)
        try:
            for cells in _numbered(report):
                number += 1
                rows += (head | {"RowNumber": encode(number)} | cell for cell in cells)
        except (msgspec.DecodeError, RecursionError) as error:
            name = bytes(report.get("ReportName", NULL)).decode()
            raise StreamError(f"report {name}: not the shape of a report: {error}") from None
    return rows


def _numbered(report: Row) -> Iterator[list[Row]]:
    columns: list[str] = []
    yield from _flat(_ROWS.decode(report.get("Rows", NULL)) or [], (), columns)
    for contact in _CONTACTS.decode(report.get("Contacts", NULL)) or []:
        yield _contact_cells(contact)


def _head(report: Row) -> Row:
    head = {name: report[name] for name in _REPORT_FIELDS if name in report}
    try:
        titles = _TITLES.decode(report.get("ReportTitles", NULL)) or []
    except msgspec.DecodeError:
        titles = []
    return head | {"ReportTitles": encode("\n".join(title or "" for title in titles))}


def _flat(
    rows: Iterable[ReportRow], path: tuple[str, ...], columns: list[str]
) -> Iterator[list[Row]]:
    """Yield the records of each row; `columns` are the titles of the last header."""
    for row in rows:
        if row.RowType == "Header":
            columns[:] = [_text(cell) or "" for cell in row.Cells or []]
        elif row.RowType == "Section" or row.Rows:
            inside = (*path, row.Title) if row.Title else path
            if row.Cells:
                yield _row_cells(row, path, columns)
            elif not row.Rows and row.Title:
                yield [_described(row, path, row.Title) | _cell(0, None, None)]
            yield from _flat(row.Rows or [], inside, columns)
        else:
            yield _row_cells(row, path, columns)


def _row_cells(row: ReportRow, path: tuple[str, ...], columns: list[str]) -> list[Row]:
    cells = row.Cells or []
    head = _described(row, path, _text(cells[0]) if cells else row.Title)
    if len(cells) <= 1:
        return [head | _cell(0, None, None)]
    titles = [*columns, *[None] * len(cells)]
    return [
        head | _cell(number, titles[number], _text(cells[number]))
        for number in range(1, len(cells))
    ]


def _described(row: ReportRow, path: tuple[str, ...], title: str | None) -> Row:
    """Return the fields that all cells of a row share."""
    attributes = {
        (attribute.Id or "").lower().removesuffix("id"): attribute.Value
        for cell in row.Cells or []
        for attribute in cell.Attributes or []
    }
    account = attributes.get("account")
    return {
        "SectionPath": encode(" / ".join(path)),
        "RowType": encode(row.RowType),
        "RowTitle": encode(title),
        "AccountID": encode(account if account and _UUID.fullmatch(account) else None),
        # Xero writes FXGROUPID if one row has the currency gains of several accounts.
        "AccountGroup": encode(None if account and _UUID.fullmatch(account) else account),
        "InvoiceID": encode(attributes.get("invoice")),
    }


def _contact_cells(contact: dict[str, Raw]) -> list[Row]:
    """Return the records of a contact of a 1099 report; its fields are the columns."""
    head = {
        "SectionPath": encode(""),
        "RowType": encode("Contact"),
        "RowTitle": contact.get("Name", NULL),
        "ContactID": contact.get("ContactId", contact.get("ContactID", NULL)),
    }
    return [
        head | _cell(number, name, _scalar(value))
        for number, (name, value) in enumerate(contact.items(), 1)
    ]


def _scalar(value: Raw) -> str | None:
    """Return the text of a string, or a number as it is written."""
    literal = bytes(value).decode()
    if literal == "null":
        return None
    return msgspec.json.decode(value, type=str) if literal.startswith('"') else literal


def _cell(number: int, column: str | None, text: str | None) -> Row:
    return {
        "ColumnNumber": encode(number),
        "ColumnTitle": encode(column),
        "Value": _number(text),
        "Text": encode(text),
    }


def _text(cell: Cell) -> str | None:
    return _scalar(cell.Value)


def _number(text: str | None) -> Raw:
    """Return the number in the text with all its digits; null if the text is no number."""
    if text is None or not _NUMBER.fullmatch(text):
        return NULL
    return Raw(text.replace(",", "").encode())
