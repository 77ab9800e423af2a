"""`--check`: what a sync would find, at the price of about one small call for each stream.

A list that Xero counts is asked for a single record, and says itself how many there are since
the bookmark; of other lists the first answer is taken, which for most is the whole list. So it is
the call itself that shows whether the login may read the stream, and no table of scopes.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tap_xero.errors import SkipStreamError, StreamError
from tap_xero.organisation import Organisation, describe, read_organisation
from tap_xero.pagers import journal_numbers, one_answer, wanted
from tap_xero.streams import open_list

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tap_xero.client import Client
    from tap_xero.config import Config
    from tap_xero.discover import Selection
    from tap_xero.lists import ListPage
    from tap_xero.pagers import Start
    from tap_xero.state import State

# Xero sends at most this many journals at once (developer.xero.com, Journals).
_JOURNALS = 100


@dataclass(frozen=True)
class Finding:
    """What a sync of one stream would meet.

    `waiting` is how many records have changed since the bookmark and `calls` how many calls it
    takes to read them; with `at_least` there may be more. `problem` says why it cannot be read.
    """

    stream: str
    readable: bool
    waiting: int | None = None
    calls: int = 0
    at_least: bool = False
    problem: str | None = None


@dataclass(frozen=True)
class Login:
    """Who reads what: `organisation` is None when the scopes do not let read it."""

    organisation: Organisation | None
    tenant_id: str | None
    user_id: str | None
    scopes: tuple[str, ...]


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

    Raises StreamError when a stream cannot be read, and what ends any run.
    """
    login = _login(client)
    findings = []
    if not as_json:
        write(_login_text(login))
    for selection in selections:
        finding = find_out(client, config, state, selection)
        findings.append(finding)
        if not as_json:
            write(_finding_text(finding))
    outlook = _outlook(client, config, findings)
    write(_json(login, findings, outlook) if as_json else _outlook_text(outlook))
    unreadable = [finding.stream for finding in findings if not finding.readable]
    if unreadable:
        raise StreamError(
            f"{len(unreadable)} of {len(findings)} selected streams cannot be read: "
            f"{', '.join(unreadable)}"
        )


def find_out(client: Client, config: Config, state: State, selection: Selection) -> Finding:
    """Make one call for a stream, and say what it shows."""
    name = selection.stream.tap_stream_id
    start = state.start(selection, config)
    try:
        page = _ask(client, config, selection, start)
    except StreamError as error:
        return Finding(name, readable=False, problem=str(error))
    if page.pagination:
        waiting, at_least = page.pagination.itemCount, False
    else:
        waiting = sum(wanted(stamp, start.since) for stamp in page.stamps)
        at_least = _may_go_on(selection, page)
    calls = _calls(selection, start, waiting, is_counted=page.pagination is not None)
    return Finding(name, readable=True, waiting=waiting, calls=calls, at_least=at_least)


def _ask(client: Client, config: Config, selection: Selection, start: Start) -> ListPage:
    stream = selection.stream
    xero_list = open_list(client, stream, config)
    if stream.pager is journal_numbers:
        return xero_list.ask(offset=str(start.since or 0))
    params = {} if stream.pager is one_answer else xero_list.page_params(1, 1)
    return xero_list.ask(start.asked_since, **params)


def _may_go_on(selection: Selection, page: ListPage) -> bool:
    """Say whether a list that is not counted may hold more than its first answer."""
    stream = selection.stream
    if stream.pager is one_answer:
        return False
    asked = _JOURNALS if stream.pager is journal_numbers else stream.page_size or 1
    return len(page.rows) >= asked


def _calls(selection: Selection, start: Start, waiting: int, *, is_counted: bool) -> int:
    """Return about how many calls read so many records."""
    stream = selection.stream
    if stream.pager is one_answer:
        return 1
    size = _JOURNALS if stream.pager is journal_numbers else start.page_size
    if not is_counted:
        return -(-waiting // size) + 1  # the last answer is empty
    # Each page repeats at least one row of the page before.
    return max(-(-(waiting - 1) // max(size - 1, 1)), 1)


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
    calls = sum(finding.calls for finding in findings)
    left = client.pacer.day_remaining
    return {
        "calls_needed": calls,
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
        f"{'Stream':<22}{'waiting':>12}{'calls':>8}",
    ]
    return "\n".join(lines) + "\n"


def _finding_text(finding: Finding) -> str:
    if not finding.readable:
        return f"{finding.stream:<22}cannot be read: {finding.problem}\n"
    more = "+" if finding.at_least else " "
    return f"{finding.stream:<22}{finding.waiting:>11,}{more}{finding.calls:>7,}{more}\n"


def _outlook_text(outlook: dict[str, Any]) -> str:
    calls, minutes = outlook["calls_needed"], outlook["minutes_needed"]
    more = " or more" if outlook["at_least"] else ""
    left = outlook["calls_left_today"]
    room = "Xero does not say how many calls are left today."
    if left is not None:
        verdict = "enough" if outlook["suffices"] else "not enough: the rest follows another day"
        room = f"Xero allows {left:,} more calls today: {verdict}."
    return (
        f"\nA sync takes about {calls:,} calls{more}, within {minutes:,} min. {room}\n"
        f"This check made {outlook['calls_of_this_check']:,} calls.\n"
    )
