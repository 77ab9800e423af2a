"""`--check`: what a sync would find, at the price of about one small call for each stream.

Each pager looks ahead in its own way. A list that Xero counts is asked for a single record, and
Xero says how many there are since the bookmark. Of another list the check reads the first answer,
which is mostly the whole list; of a report it reads the current month. The call itself shows
whether the login may read the stream, so no table of scopes is needed. The check does not ask for
details: a sync reads them last, with the calls that `detail_calls_per_run` allows.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tap_xero.client import Client
from tap_xero.clock import Clock
from tap_xero.commands import check_report
from tap_xero.commands.check_report import Finding, Login
from tap_xero.commands.failures import Failure, reasons
from tap_xero.commands.inputs import scopes
from tap_xero.commands.organisation import read_organisation
from tap_xero.commands.printing import print_text
from tap_xero.commands.words import count
from tap_xero.coverage import drop_outdated
from tap_xero.errors import SkipStreamError, StreamError
from tap_xero.streams.stream import open_endpoint, pager_of, with_scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tap_xero.commands.inputs import Inputs
    from tap_xero.config import Config
    from tap_xero.selection import Selection
    from tap_xero.state import State


def run(inputs: Inputs, *, as_json: bool) -> int:
    """Print what a sync would read; return the exit code.

    Raises StreamError if a stream cannot be read without which a sync would fail, and whatever
    ends a sync.
    """
    with inputs.config() as config:
        selections = inputs.selections(config)
        clock = Clock()
        state = inputs.state(clock, config)
        with Client(config, clock, scopes(selections)) as client:
            drop_outdated(state, selections, config, client.tenant_id())
            login, findings, outlook = run_check(
                client, config, state, selections, None if as_json else print_text
            )
        if as_json:
            print_text(check_report.as_json(login, findings, outlook))
        raise_if_unreadable(findings, inputs.how_to_get_scopes(config))
    return 0


def run_check(
    client: Client,
    config: Config,
    state: State,
    selections: Sequence[Selection],
    write: Callable[[str], object] | None = None,
) -> tuple[Login, list[Finding], dict[str, Any]]:
    """Return the login, a finding for each stream, and what a sync costs.

    With `write`, write each part as text as soon as it is known: each stream takes a call. Raises
    what ends a sync.
    """
    login = _login(client)
    if write:
        write(check_report.login_text(login))
    findings = []
    for finding in _findings(client, config, state, selections):
        findings.append(finding)
        if write:
            write(check_report.finding_text(finding))
    outlook = _outlook(client, config, findings)
    if write:
        write(check_report.outlook_text(outlook))
    return login, findings, outlook


def _findings(
    client: Client, config: Config, state: State, selections: Sequence[Selection]
) -> Iterator[Finding]:
    """Yield a finding for each stream, after a call; a line table comes with its parent."""
    for selection in selections:
        if not selection.stream.parent:
            yield _find_out(client, config, state, selection)


def _find_out(client: Client, config: Config, state: State, selection: Selection) -> Finding:
    stream = selection.stream
    name = stream.tap_stream_id
    if stream.documents:
        return Finding(name, readable=None)
    try:
        pager = pager_of(stream, config, client.clock.now())
        outlook = pager.peek(open_endpoint(client, stream), state.start(selection, config))
    except StreamError as error:
        failure = Failure(stream, with_scope(error, stream, config))
        is_forgiven = selection.may_fail_with(error)
        return Finding(name, readable=False, failure=failure, is_forgiven=is_forgiven)
    return Finding(name, readable=True, **asdict(outlook))


def raise_if_unreadable(findings: Sequence[Finding], get_scopes: str) -> None:
    """Raise StreamError as a sync would: for a stream that was asked for, or for all of them."""
    unreadable = [finding for finding in findings if finding.failure]
    if all(each.is_forgiven for each in unreadable) and len(unreadable) < len(findings):
        return
    failures = [finding.failure for finding in unreadable if finding.failure]
    raise StreamError(
        f"{len(unreadable)} of {count(len(findings), 'stream')} cannot be read: "
        f"{reasons(failures, get_scopes)}"
    )


def _login(client: Client) -> Login:
    auth = client.auth
    tenant_id = client.tenant_id()
    try:
        organisation = read_organisation(client)
    except SkipStreamError:
        organisation = None
    return Login(organisation, tenant_id, auth.user_id(), tuple(sorted(auth.scopes())))


def _outlook(client: Client, config: Config, findings: Sequence[Finding]) -> dict[str, Any]:
    """Return what the sync costs and whether Xero's limits allow it."""
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
