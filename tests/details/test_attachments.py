"""Attachments: each file is downloaded once, whole, and into its folder."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tap_xero.commands import summary
from tap_xero.demo import DemoXero, Fault
from tap_xero.demo.books.histories import content
from tap_xero.details.attachment_files import place, save
from tap_xero.errors import InputError
from tests.support.details import Books, details, outcome
from tests.support.rows import FIRST, data_calls, expected, row
from tests.support.run_tap import catalog_of, log_lines, sync, tap


def test_attachments_are_asked_for_only_where_there_are_any() -> None:
    with DemoXero(size=40) as xero:
        sync(xero, ["invoices", "contacts", "quotes", "attachments"])
        asked = {call.path.split("/")[1] for call in details(data_calls(xero))}
        have = {
            each["InvoiceID"]
            for each in xero.organisation.rows("Invoices")
            if each["HasAttachments"]
        }
    assert asked == have
    assert 0 < len(have) < 40


def test_files_count_as_calls_and_a_document_is_taken_up_where_the_calls_ended(
    attached: Books, tmp_path: Path
) -> None:
    for _ in range(30):
        attached.run(detail_calls_per_run=3, attachments_dir=str(tmp_path))
        assert len(details(attached.calls())) <= 3
    assert attached.documents("attachments") == expected(30)
    for record in attached.records("attachments"):
        assert Path(record["ContentPath"]).read_bytes() == content(record["AttachmentID"])


def test_the_content_is_downloaded_once_and_whole(attached: Books, tmp_path: Path) -> None:
    attached.run(attachments_dir=str(tmp_path))
    for record in attached.records("attachments"):
        path = tmp_path / "invoices" / record["DocumentID"]
        path /= f"{record['AttachmentID']}-{record['FileName']}"
        assert record["ContentPath"] == str(path)
        assert path.read_bytes() == content(record["AttachmentID"])
    attached.calls()
    attached.xero.edit("Invoices", "row-000005", Reference="changed")
    attached.run(attachments_dir=str(tmp_path))
    assert [call.path for call in details(attached.calls())] == ["Invoices/row-000005/Attachments"]


def test_a_file_that_is_not_whole_is_fetched_again(attached: Books, tmp_path: Path) -> None:
    attached.run(attachments_dir=str(tmp_path))
    (record, *_) = attached.records("attachments")
    path = Path(record["ContentPath"])
    path.write_bytes(path.read_bytes()[:10])
    path.with_name(f"{path.name}.part").write_bytes(b"left behind")
    attached.xero.edit("Invoices", record["DocumentID"], Reference="changed")
    attached.run(attachments_dir=str(tmp_path))
    assert path.read_bytes() == content(record["AttachmentID"])
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("length", [{}, {"ContentLength": None}, {"ContentLength": 3}])
def test_a_length_that_is_untrue_or_not_told_holds_up_no_document(
    tmp_path: Path, length: dict[str, Any]
) -> None:
    long_ago = 1_600_000_000_000  # before the clock by which this machine stamps its files
    listed = [
        row("Invoices", uid, long_ago)[:-1] + b',"HasAttachments":true}' for uid in ("a", "b")
    ]
    files = [{"AttachmentID": uid, "FileName": "x.pdf", **length} for uid in ("c", "d", "e")]
    answers = {
        "Invoices": b'{"Invoices":[' + b",".join(listed) + b"]}",
        "Invoices/Attachments": json.dumps({"Attachments": files}).encode(),
    }
    state: dict[str, Any] = {}
    records: list[dict[str, Any]] = []
    options: dict[str, Any] = {
        "detail_calls_per_run": 2,
        "attachments_dir": str(tmp_path),
        "start_date": "2020-01-01",
    }
    with DemoXero(size=0, answers=answers) as xero:
        for _ in range(6):
            output = sync(xero, ["invoices", "attachments"], state=state, **options)
            state = output.state
            records += output.records("attachments")
        fetched = Counter(c.path for c in details(data_calls(xero)) if "Attachments/" in c.path)
    assert Counter(each["DocumentID"] for each in records) == {"a": 3, "b": 3}
    # Only the same wrong length, twice, shows that it is the length itself that is wrong.
    assert set(fetched.values()) == {2 if length.get("ContentLength") else 1}
    for record in records:
        assert Path(record["ContentPath"]).read_bytes() == content(record["AttachmentID"])


NO_FILES = {
    "a login page": Fault.html200(),
    "an error in JSON": Fault.status(200, {"Content-Type": "application/json"}, b'{"Error":"x"}'),
    "204": Fault.status(204),
    "304": Fault.status(304),
    "nothing": Fault.status(200, {"Content-Type": "application/pdf"}),
    "a part": Fault.status(200, {"Content-Type": "application/pdf"}, b"%PDF"),
}


@pytest.mark.parametrize("fault", NO_FILES.values(), ids=NO_FILES)
def test_what_is_not_the_file_is_asked_for_again_and_never_kept(
    attached: Books, tmp_path: Path, fault: Fault
) -> None:
    attached.xero.fail(fault, on=lambda call: "Attachments/" in call.path)
    output = attached.run(attachments_dir=str(tmp_path))
    assert output.error is None
    for record in attached.records("attachments"):
        assert Path(record["ContentPath"]).read_bytes() == content(record["AttachmentID"])
    assert len(list(tmp_path.rglob("*-*.*"))) == len(attached.records("attachments"))


def test_without_a_folder_nothing_is_downloaded(attached: Books) -> None:
    attached.run()
    assert {each["ContentPath"] for each in attached.records("attachments")} == {None}
    assert all(call.path.endswith("/Attachments") for call in details(attached.calls()))


HOSTILE = [
    "../../etc/passwd",
    "/etc/passwd",
    "..",
    "",
    "a\x00b.txt",
    "C:\\Windows\\system32.dll",
    "x" * 5000 + ".pdf",
    "é" * 5000,
    "con.",
    "a\u202egpj.exe",
    "line\nbreak.txt",
    ".hidden",
    "a." + "b" * 300,
]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_file_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    listed = row("Invoices", "a:b", FIRST)[:-1] + b',"HasAttachments":true}'
    file = {"AttachmentID": "c:d", "FileName": name, "MimeType": "a/b\r\nX: y"}
    answers = {
        "Invoices": b'{"Invoices":[' + listed + b"]}",
        "Invoices/Attachments": json.dumps({"Attachments": [file]}).encode(),
    }
    folder = tmp_path / "files"
    with DemoXero(size=0, answers=answers) as xero:
        output = sync(xero, ["invoices", "attachments"], attachments_dir=str(folder))
        asked = [call for call in data_calls(xero) if "octet-stream" in call.headers["accept"]]
        assert asked[0].headers["contenttype"] == "application/octet-stream"
    (record,) = output.records("attachments")
    assert record["FileName"] == name.replace("\x00", "\ufffd")
    kept = Path(record["ContentPath"])
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [kept]
    assert kept.parent.parent == folder / "invoices"
    assert kept.resolve() == kept
    assert len(kept.name.encode()) < 255
    assert kept.name.isprintable()


@pytest.mark.parametrize("uid", ["../../x", "/x", "..", "", "x/../../../y", "é" * 500])
def test_no_id_leads_out_of_the_folder(tmp_path: Path, uid: str) -> None:
    path = place(tmp_path, "invoices", uid, uid, "z" * 300 + ".pdf")
    assert path.parent.parent == tmp_path / "invoices"
    assert path.resolve() == path
    save(path, b"z")
    assert path.read_bytes() == b"z"


def test_a_folder_that_cannot_be_written_is_one_line_before_the_run(
    attached: Books, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    config, chosen = tmp_path / "config.json", tmp_path / "catalog.json"
    config.write_text(
        json.dumps(attached.xero.config(attachments_dir=str(tmp_path / "file" / "x")))
    )
    chosen.write_text(json.dumps(catalog_of(attached.streams)))
    done = tap("--config", str(config), "--catalog", str(chosen))
    critical = [line for line in log_lines(done.stderr) if line.startswith("CRITICAL")]
    assert done.returncode == 1
    assert len(critical) == 1
    assert critical[0].startswith("CRITICAL attachments_dir: ")
    assert "Not a directory" in critical[0]
    assert done.stdout == b""
    assert data_calls(attached.xero) == []


def test_a_folder_that_breaks_during_the_run_ends_the_attachments_only(
    both: Books, tmp_path: Path
) -> None:
    (tmp_path / "invoices").write_text("in the way")
    output = both.run(attachments_dir=str(tmp_path))
    assert [run.name for run in summary.failures(output.runs)] == ["attachments"]
    assert "cannot be written" in str(output.runs[2].error)
    assert both.documents("history") == expected(30)
    (tmp_path / "invoices").unlink()
    both.run(attachments_dir=str(tmp_path))
    assert both.documents("attachments") == expected(30)


def test_one_call_a_run_is_too_few_for_files(attached: Books, tmp_path: Path) -> None:
    output = attached.run(attachments_dir=str(tmp_path), detail_calls_per_run=1)
    assert isinstance(output.error, InputError)
    assert "a file takes two calls" in str(output.error)


def test_a_file_that_is_gone_leaves_its_record(attached: Books, tmp_path: Path) -> None:
    attached.xero.fail(
        Fault.status(404), on=lambda call: "row-000003/Attachments/" in call.path, times=None
    )
    attached.run(attachments_dir=str(tmp_path))
    assert attached.documents("attachments") == expected(30)
    without = [each for each in attached.records("attachments") if each["ContentPath"] is None]
    assert {each["DocumentID"] for each in without} == {"row-000003"}


def test_attachments_without_an_id_or_with_one_twice_have_keys_of_their_own() -> None:
    listed = row("Invoices", "x", FIRST)[:-1] + b',"HasAttachments":true}'
    files = b'[{"AttachmentID":"a"},{"AttachmentID":"a"},{"FileName":"b"}]'
    answers = {
        "Invoices": b'{"Invoices":[' + listed + b"]}",
        "Invoices/Attachments": b'{"Attachments":' + files + b"}",
    }
    with DemoXero(size=0, answers=answers) as xero:
        output = sync(xero, ["invoices", "attachments"])
    assert [each["AttachmentID"] for each in output.records("attachments")] == ["a", "2", "3"]


def test_the_outcome_says_so_also_where_the_files_of_a_document_are_left(
    attached: Books, tmp_path: Path
) -> None:
    while attached.documents("attachments") != expected(4):
        output = attached.run(detail_calls_per_run=2, attachments_dir=str(tmp_path))
        assert outcome(output, "attachments") == "to be continued"
    assert outcome(attached.run(attachments_dir=str(tmp_path)), "attachments") == "complete"
