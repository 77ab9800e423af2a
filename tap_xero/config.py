"""The configuration: read, checked against one schema, frozen.

`CONFIG_SCHEMA` is the only list of keys: it checks the values, holds the defaults, and makes
the table in the README and `--about`. Beside the words of JSON schema (draft 4) a key may carry
`secret` (never shown) and `allowed` (what to write, where the type alone does not say it).
A value that is null or empty text counts as not given, because schedulers fill in unused keys.
"""

from __future__ import annotations

import json
import logging
import math
import re
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from tap_xero import __version__
from tap_xero.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LOGGER = logging.getLogger(__name__)

ENVIRONMENT = "ENV"
# The value of tenant_ids that means every organisation that the login reaches.
ALL = "all"
PREFIX = "TAP_XERO_"

# Plain http is allowed only on this machine: no token crosses a network without encryption.
_URL = r"^(https://[^/?#@\s]+|http://(localhost|127(\.\d+){3}|\[::1\])(:\d+)?)(/[^?#@\s]*)?$"
_URL_ALLOWED = "an address that begins with https:// (http:// only for localhost)"
_TOKEN = {
    "type": "string",
    "pattern": "^[!-~]+$",
    "allowed": "text without spaces, line breaks or accents",
}

CONFIG_SCHEMA: dict[str, Any] = {
    "$schema": "http://json-schema.org/draft-04/schema#",
    "type": "object",
    "required": ["start_date"],
    "properties": {
        "start_date": {
            "type": "string",
            "description": "Read records changed on or after this date. Full tables and journals "
            "are always read whole.",
            "allowed": "a day or moment such as 2024-01-31, 2024-01-31T08:00:00Z or 01/31/2024 "
            "(month first), not in the future",
        },
        "client_id": {**_TOKEN, "description": "Client id of the Xero app."},
        "client_secret": {
            **_TOKEN,
            "description": "Client secret of the Xero app. A PKCE app has no secret.",
            "secret": True,
        },
        "refresh_token": {
            **_TOKEN,
            "description": "Refresh token. Xero replaces it on every use. The tap saves the new "
            "one before it reads any data.",
            "secret": True,
        },
        "access_token": {
            **_TOKEN,
            "description": "Access token, used until it expires. A short run needs no other token. "
            "If neither token is set, the tap logs in as a Custom Connection.",
            "secret": True,
        },
        "tenant_id": {
            **_TOKEN,
            "description": "Id of the organisation. Not needed if the token reaches exactly one.",
        },
        "tenant_ids": {
            "type": "array",
            "items": _TOKEN,
            "minItems": 1,
            "allowed": "a list of ids (in the environment, separated by commas), or all",
            "description": "Ids of several organisations to read in one run; all reads every "
            "organisation that the login reaches. Rows then have TenantID, so set this key for "
            "--discover too. Cannot be combined with tenant_id or organization_name.",
        },
        "organisations_at_once": {
            "type": "integer",
            "minimum": 1,
            "maximum": 160,
            "description": "With tenant_ids: number of organisations to read at the same time. "
            "Memory grows with this number.",
            "default": 5,
        },
        "app_calls_per_minute": {
            "type": "integer",
            "minimum": 1,
            "maximum": 100_000,
            "description": "Most calls in any 60 seconds, over all organisations. Xero allows "
            "10,000 for each app.",
            "default": 10_000,
        },
        "organization_name": {
            "type": "string",
            "description": "Name of the organisation, in place of tenant_id. It must match exactly "
            "one organisation. If both are set, both must match.",
        },
        "xero_user_id": {
            **_TOKEN,
            "description": "Id of the Xero user who must own the token.",
        },
        "scopes": {
            "type": "string",
            "pattern": "^[!-~ ]+$",
            "description": "Scopes to ask for, separated by spaces, with --authorize and for a "
            "Custom Connection. By default, the scopes that the selected streams need.",
        },
        "include_archived_contacts": {
            "type": "boolean",
            "description": "Whether the first run reads archived contacts too. A contact that is "
            "archived later is always read once more, as ARCHIVED.",
            "default": False,
        },
        "start_date_applies_to_all": {
            "type": "boolean",
            "description": "Whether start_date also limits accounts, contacts, items and users. "
            "By default, their first run reads all of them, because invoices refer to old ones.",
            "default": False,
        },
        "page_size": {
            "type": "integer",
            "minimum": 1,
            "maximum": 1000,
            "description": "Records to ask for in one call.",
            "default": 1000,
        },
        "max_concurrency": {
            "type": "integer",
            "minimum": 1,
            "maximum": 5,
            "description": "Most calls at the same time. Xero allows 5 for each organisation.",
            "default": 4,
        },
        "calls_per_minute": {
            "type": "integer",
            "minimum": 1,
            "maximum": 10000,
            "description": "Most calls in any 60 seconds. Xero allows 60 for each organisation.",
            "default": 60,
        },
        "lookback_seconds": {
            "type": "integer",
            "minimum": 0,
            "maximum": 31_536_000,
            "description": "Seconds before its bookmark at which a stream starts. 0 counts as 1.",
            "default": 300,
        },
        "request_timeout": {
            "type": "number",
            "minimum": 0,
            "exclusiveMinimum": True,
            "maximum": 3600,
            "description": "Seconds within which an answer must be complete.",
            "default": 300,
        },
        "user_agent": {
            "type": "string",
            "pattern": "^[ -~]+$",
            "allowed": "text without line breaks or accents",
            "description": "User-Agent header of every call.",
            "default": f"tap-xero/{__version__}",
        },
        "api_url": {
            "type": "string",
            "pattern": _URL,
            "allowed": _URL_ALLOWED,
            "description": "Address of Xero's data and of /connections.",
            "default": "https://api.xero.com",
        },
        "identity_url": {
            "type": "string",
            "pattern": _URL,
            "allowed": _URL_ALLOWED,
            "description": "Address of Xero's token endpoint.",
            "default": "https://identity.xero.com",
        },
        "authorize_url": {
            "type": "string",
            "pattern": _URL,
            "allowed": _URL_ALLOWED,
            "description": "Address of Xero's consent page, for --authorize.",
            "default": "https://login.xero.com/identity/connect/authorize",
        },
        "report_basis": {
            "type": "string",
            "pattern": "^(accrual|cash|both)$",
            "allowed": "accrual, cash or both",
            "description": "Basis of balance_sheet, profit_and_loss and trial_balance.",
            "default": "accrual",
        },
        "report_refresh_months": {
            "type": "integer",
            "minimum": 0,
            "maximum": 120,
            "description": "Number of closed months of a report that each run reads again, "
            "because people back-date postings.",
            "default": 3,
        },
        "report_tracking_category_id": {
            **_TOKEN,
            "description": "Id of a tracking category. profit_and_loss then has a column for each "
            "of its options.",
        },
        "line_tables": {
            "type": "boolean",
            "description": "Whether nested lists become separate streams, such as "
            "invoice_line_items, in place of lists inside their parent. Set this key for "
            "--discover too.",
            "default": False,
        },
        "detail_calls_per_run": {
            "type": "integer",
            "minimum": 0,
            "maximum": 5000,
            "description": "Most calls that a run makes for history and attachments, after it has "
            "read its lists. The next run continues.",
            "default": 250,
        },
        "attachments_dir": {
            "type": "string",
            "description": "Folder for downloaded attachments. If it is not set, the tap reads "
            "only their names, types and sizes.",
        },
        "token_file": {
            "type": "string",
            "description": "File for the tokens, if the config cannot be written or comes from the "
            "environment. The tap creates the file if it does not exist.",
        },
    },
}


@dataclass(frozen=True)
class Config:
    """Checked settings; `repr` hides the secrets.

    `start_date` is an aware datetime in UTC, `request_timeout` is in seconds. `path` is the file
    that gave the refresh token, or else the last file read; None when that was the environment.
    `tenant_ids` holds each id once, or only `ALL`; None in a run over one organisation.
    """

    start_date: datetime
    client_id: str | None
    client_secret: str | None = field(repr=False)
    refresh_token: str | None = field(repr=False)
    access_token: str | None = field(repr=False)
    tenant_id: str | None
    tenant_ids: tuple[str, ...] | None
    organisations_at_once: int
    app_calls_per_minute: int
    organization_name: str | None
    xero_user_id: str | None
    scopes: str | None
    include_archived_contacts: bool
    start_date_applies_to_all: bool
    page_size: int
    max_concurrency: int
    calls_per_minute: int
    lookback_seconds: int
    request_timeout: float
    user_agent: str
    api_url: str
    identity_url: str
    authorize_url: str
    report_basis: str
    report_refresh_months: int
    report_tracking_category_id: str | None
    line_tables: bool
    detail_calls_per_run: int
    attachments_dir: str | None
    token_file: str | None
    path: str | None

    @property
    def reads_all_organisations(self) -> bool:
        """Whether `tenant_ids` asks for every organisation that the login reaches."""
        return self.tenant_ids == (ALL,)


@dataclass(frozen=True)
class _Setting:
    """A value as it was given, and where: `source` for messages, `path` when that is a file."""

    value: object = field(repr=False)
    source: str
    path: str | None


def load_config(
    layers: Sequence[str | Mapping[str, object]], environ: Mapping[str, str], now: datetime
) -> Config:
    """Read the config from `layers`; a later layer wins.

    A layer is the path of a JSON file, `ENV` for the variables TAP_XERO_<KEY> in `environ`, or the
    settings themselves, where None takes a setting away. `start_date` must not be later than `now`
    (aware). Raises InputError that names the file, the key and what is allowed.
    """
    settings: dict[str, _Setting] = {}
    for layer in layers:
        settings.update(_layer(layer, environ))
    files = [layer for layer in layers if isinstance(layer, str)]
    path = _token_path(files, settings)
    settings = {key: each for key, each in settings.items() if each.value is not None}
    _warn_of_unknown_keys(settings)
    values = _checked(settings, files)
    start = settings["start_date"]
    values["start_date"] = _start_date(str(values["start_date"]), start.source, now)
    values["tenant_ids"] = _tenant_ids(values, settings)
    for key in ("api_url", "identity_url"):
        values[key] = str(values[key]).rstrip("/")
    return Config(path=path, **values)


def _layer(layer: str | Mapping[str, object], environ: Mapping[str, str]) -> dict[str, _Setting]:
    if not isinstance(layer, str):
        return {key: _Setting(value, "built-in settings", None) for key, value in layer.items()}
    return _environment(environ) if layer == ENVIRONMENT else _file(layer)


def _file(path: str) -> dict[str, _Setting]:
    content = read_object(path)
    return {key: _Setting(value, path, path) for key, value in content.items() if _is_given(value)}


def read_object(path: str) -> dict[str, Any]:
    """Return the JSON object in the file `path`; raises InputError that says what is wrong."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file in UTF-8") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read: {reason}") from None
    if not text.strip():
        raise InputError(f"{path}: the file is empty; it must hold a JSON object")
    try:
        content = json.loads(text, parse_constant=_refuse)
        if "\\u" in text:  # it takes an escape to write half a surrogate pair
            json.dumps(content, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}: not JSON: {error.msg} in line {error.lineno}, column {error.colno}"
        ) from None
    except UnicodeEncodeError:
        raise InputError(f"{path}: holds half of a surrogate pair, which is no text") from None
    except ValueError as error:
        raise InputError(f"{path}: not JSON: {error}") from None
    except RecursionError:
        raise InputError(f"{path}: nested too deep") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: must hold a JSON object, {{…}}")
    return content


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


def _environment(environ: Mapping[str, str]) -> dict[str, _Setting]:
    """Keys from variables; names that go on with another underscore are the scheduler's own."""
    return {
        name[len(PREFIX) :].lower(): _Setting(value, f"environment variable {name}", None)
        for name, value in environ.items()
        if name.startswith(PREFIX) and not name.startswith(f"{PREFIX}_") and _is_given(value)
    }


def _is_given(value: object) -> bool:
    return value is not None and not (isinstance(value, str) and not value.strip())


def _warn_of_unknown_keys(settings: Mapping[str, _Setting]) -> None:
    for key, setting in settings.items():
        if key not in CONFIG_SCHEMA["properties"]:
            LOGGER.warning("%s: unknown key %s is left out", setting.source, _shown(key))


def _checked(settings: Mapping[str, _Setting], files: Sequence[str]) -> dict[str, Any]:
    """Return a value for each key of the schema; raises InputError that names all wrong keys."""
    properties = CONFIG_SCHEMA["properties"]
    given = {
        key: _from_text(setting.value, properties[key]["type"])
        for key, setting in settings.items()
        if key in properties
    }
    problems = [_missing(key, files) for key in CONFIG_SCHEMA["required"] if key not in given] + [
        _wrong(key, settings[key]) for key in _wrong_keys(given)
    ]
    if problems:
        raise InputError("; ".join(problems))
    return {key: given.get(key, schema.get("default")) for key, schema in properties.items()}


def _wrong_keys(given: Mapping[str, object]) -> list[str]:
    from jsonschema import Draft4Validator

    errors = Draft4Validator(CONFIG_SCHEMA).iter_errors(given)
    wrong = {error.absolute_path[0] for error in errors if error.absolute_path}
    return [key for key in given if key in wrong]


def _missing(key: str, files: Sequence[str]) -> str:
    where = ", ".join(files) or "config"
    return f"{where}: {key} is missing; give {allowed(CONFIG_SCHEMA['properties'][key])}"


def _wrong(key: str, setting: _Setting) -> str:
    schema = CONFIG_SCHEMA["properties"][key]
    shown = "the value" if schema.get("secret") else _shown(setting.value)
    return f"{setting.source}: {key}: {shown} is not valid; give {allowed(schema)}"


def _tenant_ids(
    values: Mapping[str, Any], settings: Mapping[str, _Setting]
) -> tuple[str, ...] | None:
    """Return each id once; raises InputError for keys that contradict one another."""
    if values["tenant_ids"] is None:
        return None
    ids = tuple(dict.fromkeys(values["tenant_ids"]))
    source = settings["tenant_ids"].source
    for other in ("tenant_id", "organization_name"):
        if values[other]:
            raise InputError(f"{source}: tenant_ids: leave it out, or leave out {other}")
    if ALL in ids and len(ids) > 1:
        raise InputError(f"{source}: tenant_ids: give {ALL} alone, or only ids")
    return ids


def _from_text(value: object, kind: str) -> object:
    """`value` as its schema type, where it is text that can be read so; else as it is."""
    if isinstance(value, float) and kind == "integer" and value.is_integer():
        return int(value)
    if not isinstance(value, str):
        return value
    if kind == "array":
        return [part.strip() for part in value.split(",") if part.strip()]
    return _from_one_word(value.strip(), kind)


def _from_one_word(text: str, kind: str) -> object:
    if kind == "boolean":
        return {"true": True, "false": False}.get(text.lower(), text)
    if kind in ("integer", "number") and re.fullmatch(r"-?[0-9]{1,15}", text):
        return int(text)
    if kind == "number" and re.fullmatch(r"-?[0-9]{1,15}\.[0-9]{1,15}", text):
        return float(text)
    return text


def allowed(schema: Mapping[str, Any]) -> str:
    """Say in words which values the schema of a key allows."""
    if "allowed" in schema:
        return str(schema["allowed"])
    if schema["type"] == "boolean":
        return "true or false"
    if schema["type"] == "string":
        return "text"
    noun = "a whole number" if schema["type"] == "integer" else "a number"
    low, high = schema["minimum"], schema["maximum"]
    if schema.get("exclusiveMinimum"):
        return f"{noun} above {low} and up to {high}"
    return f"{noun} from {low} to {high}"


def _shown(value: object, limit: int = 60) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= limit else f"{text[:limit]}…"


def _start_date(text: str, source: str, now: datetime) -> datetime:
    moment = _moment(text)
    if moment is None or moment > now:
        problem = "cannot be read" if moment is None else "lies in the future"
        wanted = allowed(CONFIG_SCHEMA["properties"]["start_date"])
        raise InputError(f"{source}: start_date: {_shown(text)} {problem}; give {wanted}")
    return moment


def _moment(text: str) -> datetime | None:
    """Return the moment `text` names, in UTC; None where it is none.

    The shape is checked first, since pendulum would also read a lone year, week or time of day.
    """
    import pendulum

    american = re.fullmatch(r"(\d{1,2})/(\d{1,2})/(\d{4})", text, re.ASCII)
    if american:
        month, day, year = american.groups()
        text = f"{year}-{int(month):02}-{int(day):02}"
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}\S*)?", text, re.ASCII):
        return None
    try:
        moment: datetime = pendulum.parse(text)  # type: ignore[assignment]
        return datetime.fromtimestamp(math.floor(moment.timestamp()), tz=timezone.utc)
    except (ValueError, OverflowError):
        return None


def _token_path(paths: Sequence[str], settings: Mapping[str, _Setting]) -> str | None:
    if "refresh_token" in settings:
        return settings["refresh_token"].path
    files = [path for path in paths if path != ENVIRONMENT]
    return files[-1] if files else None
