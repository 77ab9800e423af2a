"""What a user may write into the config, and what the tap says when it is not valid."""

from __future__ import annotations

import dataclasses
import json
import logging
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator

from tap_xero.config import CONFIG_SCHEMA, Config, load_config
from tap_xero.errors import InputError
from tests.support.config_files import make_config, write_config
from tests.support.fake_clock import START

SAMPLE = Path(__file__).parent.parent / "sample_config.json"


def refusal(path: Path, **keys: Any) -> str:  # noqa: ANN401
    """Write the keys into a config and return the one line with which it is refused."""
    with pytest.raises(InputError) as caught:
        make_config(path, **keys)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path / "config.json") in message
    return message


def test_the_sample_config_is_accepted() -> None:
    config = load_config([str(SAMPLE)], {}, START)
    assert config.start_date == datetime(2024, 1, 1, tzinfo=timezone.utc)
    assert config.path == str(SAMPLE)


def test_the_sample_config_says_the_defaults() -> None:
    sample = json.loads(SAMPLE.read_text(encoding="utf-8"))
    for key, schema in CONFIG_SCHEMA["properties"].items():
        if key in sample and "default" in schema:
            assert sample[key] == schema["default"], key


def test_the_schema_is_draft_4_and_has_every_field_of_the_config() -> None:
    Draft4Validator.check_schema(CONFIG_SCHEMA)
    fields = {field.name for field in dataclasses.fields(Config)}
    assert set(CONFIG_SCHEMA["properties"]) == fields - {"path"}
    for key, schema in CONFIG_SCHEMA["properties"].items():
        assert schema["description"].endswith("."), key


def test_a_start_date_is_all_that_must_be_given(tmp_path: Path) -> None:
    config = make_config(tmp_path)
    assert (config.page_size, config.max_concurrency, config.calls_per_minute) == (1000, 4, 60)
    assert config.include_archived_contacts is False
    assert config.request_timeout == 300
    assert config.api_url == "https://api.xero.com"


def test_a_config_of_tap_xero_2_is_accepted(tmp_path: Path) -> None:
    config = make_config(
        tmp_path,
        start_date="2019-01-01T00:00:00Z",
        client_id="id",
        client_secret="secret",
        tenant_id="fe79f7dd-b6d4-4a92-ba7b-538af6289c58",
        refresh_token="token",
        include_archived_contacts="true",
        request_timeout="300",
        user_agent="Stitch (+support@example.com)",
    )
    assert config.include_archived_contacts is True
    assert config.request_timeout == 300


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-01-31", datetime(2024, 1, 31, tzinfo=timezone.utc)),
        ("2024-01-31T08:30:00Z", datetime(2024, 1, 31, 8, 30, tzinfo=timezone.utc)),
        ("2024-01-31 08:30", datetime(2024, 1, 31, 8, 30, tzinfo=timezone.utc)),
        ("2024-01-31T08:30:00.75+13:00", datetime(2024, 1, 30, 19, 30, tzinfo=timezone.utc)),
        ("01/31/2024", datetime(2024, 1, 31, tzinfo=timezone.utc)),
        ("1/3/2024", datetime(2024, 1, 3, tzinfo=timezone.utc)),
        (" 2024-01-31 ", datetime(2024, 1, 31, tzinfo=timezone.utc)),
    ],
)
def test_a_start_date_may_be_iso_or_american(tmp_path: Path, text: str, moment: datetime) -> None:
    start = make_config(tmp_path, start_date=text).start_date
    assert start == moment
    assert start.tzinfo is timezone.utc


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "31/01/2024",
        "2024",
        "2024-W05",
        "08:30",
        "2024-02-30",
        "2024-01-31T25:00:00",
        "2024-01-31T08:00/2024-02-01",
        "2024-01-31\n2024",
        "2024-01-31x",
        "P1D",
        "20240131",
        "\u0662024-01-31",
    ],
)
def test_an_unreadable_start_date_is_refused_with_the_forms_allowed(
    tmp_path: Path, text: str
) -> None:
    message = refusal(tmp_path, start_date=text)
    assert "start_date" in message
    assert "2024-01-31" in message
    assert "01/31/2024" in message


def test_a_start_date_in_the_future_is_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path, start_date="2026-07-02")
    assert '"2026-07-02" lies in the future' in message


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("page_size", 0, "a whole number from 1 to 1000"),
        ("page_size", 5000, "a whole number from 1 to 1000"),
        ("page_size", "many", "a whole number from 1 to 1000"),
        ("page_size", 10.5, "a whole number from 1 to 1000"),
        ("page_size", True, "a whole number from 1 to 1000"),
        ("page_size", [100], "a whole number from 1 to 1000"),
        ("max_concurrency", 6, "a whole number from 1 to 5"),
        ("calls_per_minute", 0, "a whole number from 1 to 10000"),
        ("lookback_seconds", -1, "a whole number from 0 to"),
        ("request_timeout", 0, "a number above 0 and up to 3600"),
        ("request_timeout", "1e400", "a number above 0"),
        ("include_archived_contacts", "maybe", "true or false"),
        ("include_archived_contacts", 1, "true or false"),
        ("client_id", 12, "text"),
        ("tenant_id", "two words", "text without spaces"),
        ("organization_name", {"name": "Demo"}, "text"),
        ("user_agent", "a\r\nX-Evil: 1", "text without line breaks"),
        ("start_date", 20240131, "01/31/2024"),
        ("api_url", "http://api.xero.com", "https://"),
        ("api_url", "http://localhost@evil.example", "https://"),
        ("api_url", "http://127.0.0.1.evil.example", "https://"),
        ("identity_url", "ftp://identity.xero.com", "https://"),
        ("identity_url", "identity.xero.com", "https://"),
    ],
)
def test_a_value_that_will_not_do_is_named_with_what_is_allowed(
    tmp_path: Path, key: str, value: object, allowed: str
) -> None:
    message = refusal(tmp_path, **{key: value})
    assert f"{key}: " in message
    assert allowed in message


@pytest.mark.parametrize("key", ["client_secret", "refresh_token", "access_token"])
def test_a_refused_secret_is_not_shown(tmp_path: Path, key: str) -> None:
    message = refusal(tmp_path, **{key: "hush hush"})
    assert key in message
    assert "hush" not in message


def test_secrets_are_not_in_the_repr(tmp_path: Path) -> None:
    config = make_config(
        tmp_path, client_id="id", client_secret="hush1", refresh_token="hush2", access_token="hush3"
    )
    assert "hush" not in repr(config)
    assert "hush" not in str(config)
    secrets = {key for key, schema in CONFIG_SCHEMA["properties"].items() if schema.get("secret")}
    hidden = {field.name for field in dataclasses.fields(Config) if not field.repr}
    assert secrets == hidden


@pytest.mark.parametrize(
    "url",
    ["https://proxy.example/xero/", "http://localhost:8000", "http://127.0.0.1", "http://[::1]:9/"],
)
def test_plain_http_is_for_this_machine_only(tmp_path: Path, url: str) -> None:
    config = make_config(tmp_path, api_url=url)
    assert config.api_url == url.rstrip("/")


@pytest.mark.parametrize("value", [None, "", "  "])
def test_null_and_empty_values_count_as_not_given(tmp_path: Path, value: str | None) -> None:
    config = make_config(tmp_path, access_token=value, page_size=value, tenant_id=value)
    assert config.access_token is None
    assert config.tenant_id is None
    assert config.page_size == 1000


@pytest.mark.parametrize(
    ("value", "result"), [("true", True), ("TRUE", True), ("False", False), (True, True)]
)
def test_booleans_may_be_text(tmp_path: Path, value: object, result: bool) -> None:  # noqa: FBT001
    assert (
        make_config(tmp_path, include_archived_contacts=value).include_archived_contacts is result
    )


def test_numbers_may_be_text(tmp_path: Path) -> None:
    config = make_config(tmp_path, page_size="250", request_timeout="7.5", max_concurrency=2.0)
    assert (config.page_size, config.request_timeout, config.max_concurrency) == (250, 7.5, 2)
    assert isinstance(config.max_concurrency, int)


def test_an_unknown_key_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_config(tmp_path, startdate="2024-01-01", password="hush")
    assert '"startdate"' in caplog.text
    assert '"password"' in caplog.text
    assert "hush" not in caplog.text
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b'{"start_date": ', "line 1"),
        (b"[1, 2]", "must hold a JSON object"),
        (b'"text"', "must hold a JSON object"),
        (b"\xff\xfe{\x00}\x00", "UTF-8"),
        (b'{"a":' + b"[" * 100_000, "nested too deep"),
        (b"{}", "start_date is missing"),
    ],
)
def test_a_file_that_is_no_config_is_refused_by_name(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_config([str(path)], {}, START)
    assert str(path) in str(caught.value)
    assert problem in str(caught.value)


def test_a_file_that_cannot_be_read_is_refused_by_name(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(InputError, match=str(path)):
            load_config([str(path)], {}, START)


def test_a_byte_order_mark_from_windows_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(b'\xef\xbb\xbf{"start_date": "2024-01-01"}')
    assert load_config([str(path)], {}, START).path == str(path)


def test_the_later_of_several_configs_wins(tmp_path: Path) -> None:
    first = write_config(tmp_path / "a.json", refresh_token="a", client_id="one")
    second = write_config(tmp_path / "b.json", client_id="two", page_size=5)
    config = load_config([str(first), str(second)], {}, START)
    assert (config.client_id, config.page_size) == ("two", 5)
    assert config.path == str(first), "the rotated token goes where the token came from"


def test_every_key_can_come_from_the_environment(caplog: pytest.LogCaptureFixture) -> None:
    environ = {
        "TAP_XERO_START_DATE": "01/31/2024",
        "TAP_XERO_CLIENT_ID": "123456",
        "TAP_XERO_REFRESH_TOKEN": "hush\n",
        "TAP_XERO_PAGE_SIZE": "50",
        "TAP_XERO_INCLUDE_ARCHIVED_CONTACTS": "true",
        "TAP_XERO_TENANT_ID": "",
        "TAP_XERO_TOKEN_FILE": "/var/lib/xero.json",
        "TAP_XERO__SELECT": "[]",
        "PATH": "/bin",
    }
    config = load_config(["ENV"], environ, START)
    assert config.client_id == "123456"
    assert config.refresh_token == "hush"
    assert config.page_size == 50
    assert config.include_archived_contacts is True
    assert config.tenant_id is None
    assert config.token_file == "/var/lib/xero.json"
    assert config.path is None
    assert not caplog.records


def test_a_bad_value_in_the_environment_is_named_by_its_variable() -> None:
    environ = {"TAP_XERO_START_DATE": "2024-01-31", "TAP_XERO_PAGE_SIZE": "0"}
    with pytest.raises(InputError, match="TAP_XERO_PAGE_SIZE: page_size"):
        load_config(["ENV"], environ, START)


def test_the_environment_overrides_a_file_that_comes_before_it(tmp_path: Path) -> None:
    path = write_config(tmp_path / "config.json", page_size=10, refresh_token="old")
    environ = {"TAP_XERO_PAGE_SIZE": "20", "TAP_XERO_REFRESH_TOKEN": "new"}
    config = load_config([str(path), "ENV"], environ, START)
    assert (config.page_size, config.refresh_token, config.path) == (20, "new", None)
    config = load_config(["ENV", str(path)], environ, START)
    assert (config.page_size, config.refresh_token, config.path) == (10, "old", str(path))


def test_all_wrong_keys_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        make_config(tmp_path, page_size=0, max_concurrency=9, client_secret="two words")
    for part in ("page_size: 0 is not valid", "max_concurrency: 9", "client_secret: the value"):
        assert part in str(raised.value)
    assert "two words" not in str(raised.value)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (["a", "b", "a"], ("a", "b")),
        ("a, b,,", ("a", "b")),
        ("all", ("all",)),
        (None, None),
    ],
)
def test_tenant_ids_are_a_list_or_text_with_commas(
    tmp_path: Path, given: object, read: object
) -> None:
    assert make_config(tmp_path, tenant_ids=given).tenant_ids == read


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"tenant_ids": ["a"], "tenant_id": "a"}, "leave out tenant_id"),
        ({"tenant_ids": "all", "organization_name": "A"}, "leave out organization_name"),
        ({"tenant_ids": ["all", "a"]}, "give all alone"),
        ({"tenant_ids": []}, "is not valid; give a list of ids"),
        ({"tenant_ids": "a b"}, "is not valid"),
        ({"organisations_at_once": 161}, "from 1 to 160"),
    ],
)
def test_settings_for_many_organisations_are_checked(
    tmp_path: Path, keys: dict[str, object], problem: str
) -> None:
    with pytest.raises(InputError, match=problem):
        make_config(tmp_path, **keys)
