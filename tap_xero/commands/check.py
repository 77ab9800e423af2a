"""`--check`: what a sync would find, at the price of about one small call for each stream.

Each pager looks ahead in its own way: a list that Xero counts is asked for a single record and
says itself how many there are since the bookmark; of other lists the first answer is taken, which
for most is the whole list; of a report the current month. So it is the call itself that shows
whether the login may read the stream, and no table of scopes. Only details are not asked for: they
come last in a sync, with what calls a setting leaves them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tap_xero.client import Client
from tap_xero.clock import Clock
from tap_xero.commands import live_display
from tap_xero.commands.inputs import scopes
from tap_xero.commands.organisation import Organisation, describe, read_organisation
from tap_xero.commands.printing import print_text
from tap_xero.errors import SkipStreamError, StreamError
from tap_xero.streams.stream import open_list, pager_of, with_scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tap_xero.commands.inputs import Inputs
    from tap_xero.config import Config
    from tap_xero.selection import Selection
    from tap_xero.state import State


# Width of the column of names; the longest is aged_receivables_by_contact.
_NAMES = 28


@dataclass(frozen=True)
class Finding:
    """What a sync of one stream would meet.

    `readable` is None where that was not asked, `problem` says why it cannot be read; with
    `is_forgiven` nobody asked for it. The others are as in `Outlook`.
    """

    stream: str
    readable: bool | None
    waiting: int | None = None
    calls: int = 0
    at_least: bool = False
    problem: str | None = None
    is_forgiven: bool = False


@dataclass(frozen=True)
class Login:
    """Who reads what: `organisation` is None when the scopes do not allow reading it."""

    organisation: Organisation | None
    tenant_id: str | None
    user_id: str | None
    scopes: tuple[str, ...]


def run(inputs: Inputs, *, as_json: bool, debug: bool) -> int:
    """Print what a sync would read; return the exit code. Raises TapError as a sync would."""
    if not debug:
        live_display.hide_metrics()
    with inputs.config() as config:
        selections = inputs.selections(config)
        clock = Clock()
        state = inputs.state(clock)
        with Client(config, clock, scopes(selections)) as client:
            state.cover(selections, config, client.auth.tenant_id())
            run_check(client, config, state, selections, print_text, as_json=as_json)
    return 0


def run_check(  # noqa: PLR0913 - what a sync needs, and where to write
    client: Client,
    config: Config,
    state: State,
    selections: Sequence[Selection],
    write: Callable[[str], object],
    *,
    as_json: bool,
) -> None:
    """Find out about the login and each selected stream, and write it, as text or as JSON.

    Raises StreamError when a stream cannot be read whose lack would fail a sync, and what ends
    any run.
    """
    login = _login(client)
    findings = []
    if not as_json:
        write(_login_text(login))
    for selection in selections:
        if selection.stream.parent:  # made from what its parent reads
            continue
        finding = find_out(client, config, state, selection)
        findings.append(finding)
        if not as_json:
            write(_finding_text(finding))
    outlook = _outlook(client, config, findings)
    write(_json(login, findings, outlook) if as_json else _outlook_text(outlook))
    _raise_if_unreadable(findings)


def find_out(client: Client, config: Config, state: State, selection: Selection) -> Finding:
    """Make a call for a stream, and say what it shows."""
    stream = selection.stream
    if stream.resumes:
        return Finding(stream.tap_stream_id, readable=None)
    try:
        pager = pager_of(stream, config, client.clock.now())
        outlook = pager.peek(open_list(client, stream, config), state.start(selection, config))
    except StreamError as error:
        is_forgiven = isinstance(error, SkipStreamError) and not selection.from_catalog
        problem = str(with_scope(error, stream, config))
        return Finding(
            stream.tap_stream_id, readable=False, problem=problem, is_forgiven=is_forgiven
        )
    return Finding(stream.tap_stream_id, readable=True, **asdict(outlook))


def _raise_if_unreadable(findings: Sequence[Finding]) -> None:
    """Raise StreamError as a sync would: for lack of what was asked for, or of everything."""
    unreadable = [each for each in findings if each.readable is False]
    if all(each.is_forgiven for each in unreadable) and len(unreadable) < len(findings):
        return
    names = ", ".join(each.stream for each in unreadable)
    raise StreamError(f"{len(unreadable)} of {len(findings)} streams cannot be read: {names}")


def _login(client: Client) -> Login:
    auth = client.auth
    tenant_id = auth.tenant_id()
    try:
        organisation = read_organisation(client)
    except SkipStreamError:
        organisation = None
    return Login(organisation, tenant_id, auth.user_id(), tuple(sorted(auth.scopes())))


def _outlook(client: Client, config: Config, findings: Iterable[Finding]) -> dict[str, Any]:
    """Return what the sync costs and whether Xero's limits have room for it."""
    findings = tuple(findings)
    has_details = any(finding.readable is None for finding in findings)
    detail_calls = config.detail_calls_per_run if has_details else 0
    calls = sum(finding.calls for finding in findings) + detail_calls
    left = client.pacer.day_remaining
    return {
        "calls_needed": calls,
        "detail_calls": detail_calls,
        "at_least": any(finding.at_least for finding in findings),
        "minutes_needed": -(-calls // config.calls_per_minute),
        "calls_left_today": left,
        "suffices": None if left is None else calls <= left,
        "calls_of_this_check": client.usage.calls,
    }


def _json(login: Login, findings: Iterable[Finding], outlook: dict[str, Any]) -> str:
    answer = {**asdict(login), "organisation": None}
    if login.organisation:
        parts = ("name", "country", "edition", "is_demo")
        answer["organisation"] = {part: getattr(login.organisation, part) for part in parts}
    streams = [asdict(finding) for finding in findings]
    return json.dumps({**answer, "streams": streams, **outlook}, indent=2) + "\n"


def _login_text(login: Login) -> str:
    organisation = "its settings may not be read by this login"
    if login.organisation:
        organisation = describe(login.organisation)
    lines = [
        f"Organisation  {organisation}",
        f"Tenant        {login.tenant_id or 'the one of the Custom Connection'}",
        f"User          {login.user_id or 'the token names none'}",
        f"Scopes        {' '.join(login.scopes) or 'the token does not say'}",
        "",
        f"{'Stream':<{_NAMES}}{'waiting':>12}{'calls':>8}",
    ]
    return "\n".join(lines) + "\n"


def _finding_text(finding: Finding) -> str:
    name = f"{finding.stream:<{_NAMES}}"
    if finding.readable is None:
        return f"{name}{'-':>11}  not asked, see below\n"
    if not finding.readable:
        return f"{name}cannot be read: {finding.problem}\n"
    more = "+" if finding.at_least else " "
    waiting = "-" if finding.waiting is None else f"{finding.waiting:,}"
    return f"{name}{waiting:>11}{more}{finding.calls:>7,}{more}\n"


def _outlook_text(outlook: dict[str, Any]) -> str:
    calls, minutes = outlook["calls_needed"], outlook["minutes_needed"]
    more = " or more" if outlook["at_least"] else ""
    details = ""
    if outlook["detail_calls"]:
        most = outlook["detail_calls"]
        details = f" At most {most:,} of them are for details (detail_calls_per_run)."
    left = outlook["calls_left_today"]
    room = "Xero does not say how many calls are left today."
    if left is not None:
        verdict = "enough" if outlook["suffices"] else "not enough: the rest follows another day"
        room = f"Xero allows {_count(left, 'more call')} today: {verdict}."
    return (
        f"\nA sync takes about {_count(calls, 'call')}{more}, within {minutes:,} min.{details} "
        f"{room}\nThis check made {_count(outlook['calls_of_this_check'], 'call')}.\n"
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
