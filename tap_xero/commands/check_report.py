"""What `--check` found, as text for a person or as JSON for a program."""

from __future__ import annotations

import json
import textwrap
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tap_xero.commands.organisation import Organisation, describe
from tap_xero.commands.words import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tap_xero.commands.failures import Failure

# Width of the column of names; the longest is aged_receivables_by_contact.
_NAMES = 28
_LABELS = 14
_WIDTH = 80


@dataclass(frozen=True)
class Finding:
    """What a sync of one stream would meet.

    `readable` is None if the check did not ask. `failure` says why the stream cannot be read;
    `is_forgiven` says that nobody asked for the stream. The others are as in `Estimate`.
    """

    stream: str
    readable: bool | None
    waiting: int | None = None
    calls: int = 0
    at_least: bool = False
    failure: Failure | None = None
    is_forgiven: bool = False


@dataclass(frozen=True)
class Login:
    """Who reads what: `organisation` is None if the scopes do not allow reading its settings."""

    organisation: Organisation | None
    tenant_id: str | None
    user_id: str | None
    scopes: tuple[str, ...]


def as_json(login: Login, findings: Iterable[Finding], outlook: Mapping[str, Any]) -> str:
    """Return everything as one JSON object."""
    answer = {**asdict(login), "organisation": None}
    if login.organisation:
        parts = ("name", "country", "edition", "is_demo")
        answer["organisation"] = {part: getattr(login.organisation, part) for part in parts}
    streams = [_finding_json(finding) for finding in findings]
    return json.dumps({**answer, "streams": streams, **outlook}, indent=2) + "\n"


def _finding_json(finding: Finding) -> dict[str, Any]:
    problem = str(finding.failure.error) if finding.failure else None
    return {
        "stream": finding.stream,
        "readable": finding.readable,
        "waiting": finding.waiting,
        "calls": finding.calls,
        "at_least": finding.at_least,
        "problem": problem,
        "is_forgiven": finding.is_forgiven,
    }


def login_text(login: Login) -> str:
    """Return who reads what, and the head of the table of streams."""
    organisation = "the login may not read its settings"
    if login.organisation:
        organisation = describe(login.organisation)
    lines = [
        _labelled("Organisation", organisation),
        _labelled("Tenant", login.tenant_id or "the one of the Custom Connection"),
        _labelled("User", login.user_id or "the token names none"),
        *_scopes_lines(login.scopes),
        "",
        f"{'Stream':<{_NAMES}}{'waiting':>12}{'calls':>8}",
    ]
    return "\n".join(lines) + "\n"


def finding_text(finding: Finding) -> str:
    """Return the line of one stream in the table."""
    name = f"{finding.stream:<{_NAMES}}"
    if finding.readable is None:
        return f"{name}{'-':>11}  not checked (see detail_calls_per_run below)\n"
    if finding.failure:
        scope = finding.failure.missing_scope
        reason = f"the login lacks the scope {scope}" if scope else str(finding.failure.error)
        return f"{name}cannot be read: {reason}\n"
    more = "+" if finding.at_least else " "
    waiting = "-" if finding.waiting is None else f"{finding.waiting:,}"
    return f"{name}{waiting:>11}{more}{finding.calls:>7,}{more}\n"


def outlook_text(outlook: Mapping[str, Any]) -> str:
    """Return what a sync costs and whether Xero's limits allow it."""
    lines = [""]
    if outlook["at_least"]:
        lines.append("+ means at least: Xero counts no rows of this list, and more may follow.")
    more = " or more" if outlook["at_least"] else ""
    calls = count(outlook["calls_needed"], "call")
    lines.append(f"A sync takes about {calls}{more}, within {outlook['minutes_needed']:,} min.")
    if outlook["detail_calls"]:
        most = outlook["detail_calls"]
        lines.append(f"At most {most:,} of them are for details (detail_calls_per_run).")
    lines.append(_limit_text(outlook))
    lines.append(f"This check made {count(outlook['calls_of_this_check'], 'call')}.")
    return "\n".join(lines) + "\n"


def _limit_text(outlook: Mapping[str, Any]) -> str:
    left = outlook["calls_left_today"]
    if left is None:
        return "Xero does not say how many calls are left today."
    verdict = "enough" if outlook["suffices"] else "not enough: the rest follows another day"
    return f"Xero allows {count(left, 'more call')} today: {verdict}."


def _labelled(label: str, text: str) -> str:
    return f"{label:<{_LABELS}}{text}"


def _scopes_lines(scopes: Sequence[str]) -> list[str]:
    """Return the scopes by family, since a token may hold forty of them."""
    if not scopes:
        return [_labelled("Scopes", "the token does not say")]
    families: dict[str, list[str]] = {}
    for scope in scopes:
        family, _, name = scope.removesuffix(".read").rpartition(".")
        access = " (read only)" if scope.endswith(".read") else ""
        families.setdefault(f"{family or 'other'}{access}", []).append(name)
    lines = [_labelled("Scopes", count(len(scopes), "scope"))]
    for family, names in families.items():
        text = f"{family}: {', '.join(names)}"
        indent = " " * _LABELS
        lines += textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=indent + "  ")
    return lines
