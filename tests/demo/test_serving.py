"""Other things that the demo can serve, and the demo as a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import requests

from tap_xero.demo import DemoXero
from tests.support.demo_client import TIMEOUT, Login

if TYPE_CHECKING:
    from pathlib import Path

DESCRIPTION = """
openapi: 3.0.0
paths:
  /Invoices:
    get:
      responses:
        "200":
          content:
            application/json:
              example:
                Id: 5
                DateTimeUTC: /Date(1551399323399)/
                Invoices:
                  - InvoiceID: a
                    Total: 46.00
                    Code: "091"
                    Phone: 091
                    Large: 99999999999999.99
                    Date: 2019-03-05
                    Sent: true
                    Nothing: null
                    Empty: ""
  /Invoices/{InvoiceID}:
    get: {responses: {}}
"""


def test_the_examples_of_an_api_description_are_served_with_their_digits(tmp_path: Path) -> None:
    path = tmp_path / "description.yaml"
    path.write_text(DESCRIPTION, encoding="utf-8")
    with DemoXero(examples=str(path)) as xero, Login(xero) as login:
        text = login.get("Invoices", page=1).text
        for part in (
            '"Total": 46.00',
            '"Code": "091"',
            '"Phone": "091"',
            '"Large": 99999999999999.99',
            '"Date": "2019-03-05"',
            '"Sent": true',
            '"Nothing": null',
            '"Empty": ""',
        ):
            assert part in text
        assert login.rows("Invoices", page=2) == []
        assert login.rows("Accounts")


def test_ready_made_answers_are_served_byte_for_byte() -> None:
    raw = b'{"Organisations" : [ {"OrganisationID":"a", "Odd": 1e-7} ]}\n'
    with DemoXero(answers={"Organisations": raw, "Invoices": b"[]"}) as xero, Login(xero) as login:
        assert login.get("Organisation").content == raw
        assert login.get("Invoices", page=1).content == b"[]"
        assert login.answer("Invoices", page=2)["Invoices"] == []


def test_a_closed_demo_answers_nobody() -> None:
    with DemoXero(size=1) as xero, Login(xero) as login:
        xero.close()
        with pytest.raises(requests.ConnectionError):
            login.get("Currencies")


def test_the_demo_runs_in_a_process_of_its_own() -> None:
    command = [sys.executable, "-m", "tap_xero.demo", "--size", "12", "--compact", "--lines", "2"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        started = json.loads(process.stdout.readline())
        config = started["config"]
        form = {"grant_type": "refresh_token", "refresh_token": config["refresh_token"]}
        answer = requests.post(
            config["identity_url"] + "/connect/token",
            data=form,
            auth=(config["client_id"], config["client_secret"]),
            timeout=TIMEOUT,
        ).json()
        invoices = requests.get(
            started["url"] + "/api.xro/2.0/Invoices",
            params={"page": 1},
            headers={
                "Authorization": f"Bearer {answer['access_token']}",
                "xero-tenant-id": config["tenant_id"],
                "Accept": "application/json",
            },
            timeout=TIMEOUT,
        ).json()["Invoices"]
        assert [len(invoice["LineItems"]) for invoice in invoices] == [2] * 12
        process.stdin.close()
        assert process.wait(timeout=TIMEOUT) == 0


def test_ordinary_runs_do_not_import_the_demo() -> None:
    check = "import sys, tap_xero.__main__; sys.exit('tap_xero.demo' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
