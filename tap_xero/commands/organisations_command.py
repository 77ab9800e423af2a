"""The sync of many organisations as a command: which ones, and what a person sees of each."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from singer import metrics

from tap_xero.client import Client, Usage, XeroApp
from tap_xero.clock import Clock
from tap_xero.commands import summary
from tap_xero.commands.inputs import scopes
from tap_xero.commands.words import count
from tap_xero.errors import AuthorizeError, StreamError, TapError
from tap_xero.login.connections import listed
from tap_xero.organisations import Organisations
from tap_xero.output.writer import Writer, stdout
from tap_xero.tenant_states import split

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tap_xero.commands.inputs import Inputs
    from tap_xero.config import Config
    from tap_xero.login.connections import Tenant
    from tap_xero.organisations import OrganisationSync
    from tap_xero.selection import Selection

LOGGER = logging.getLogger(__name__)

# The CRITICAL line names at most this many organisations.
_MOST_NAMED = 5


def sync_organisations(
    inputs: Inputs, config: Config, selections: Sequence[Selection], stopped: Callable[[], bool]
) -> None:
    """Sync the organisations of `tenant_ids`.

    Raises StreamError that names those that are not complete, and the TapErrors that end the run.
    """
    clock = Clock()
    began = clock.monotonic()
    app = XeroApp(config, clock, scopes(selections))
    report = Report(inputs.how_to_get_scopes(config))
    is_whole = False
    try:
        tenants = app.auth.connections()
        chosen = _chosen(config, tenants)
        report.begin(chosen, tenants)
        states = split(inputs.state_value(), chosen, inputs.state_file or "state")
        report.warn_of_lost(states, chosen, is_all=config.reads_all_organisations)
        reached = {each.tenant_id.lower() for each in tenants}
        organisations = Organisations(
            lambda own: Client(own, app=app, tenant_id=own.tenant_id),
            config,
            selections,
            Writer(stdout()),
            clock,
            stopped,
            report.end,
        )
        organisations.run(
            [each for each in chosen if each.lower() in reached],
            states,
            config.organisations_at_once,
        )
        is_whole = True
    finally:
        app.close()
        report.log_total(clock.monotonic() - began, failed=not is_whole or bool(report.failed))
    if not stopped():
        report.raise_for_failures()


@dataclass
class Report:
    """What a person learns of the organisations: a few lines for each, and one for all.

    `get_scopes` says how to get scopes that are missing. `failed` has the reason for each
    organisation that is not complete.
    """

    get_scopes: str
    names: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    total: int = 0
    ended: int = 0
    rows: int = 0
    usage: Usage = field(default_factory=Usage)

    def begin(self, chosen: Sequence[str], tenants: Sequence[Tenant]) -> None:
        """Note the organisations of the run; those that the login does not reach have failed."""
        self.names = {each.tenant_id.lower(): str(each) for each in tenants}
        self.total = len(chosen)
        for tenant_id in chosen:
            if tenant_id.lower() not in self.names:
                self._fail(
                    tenant_id, "the login does not reach it: run tap-xero --authorize for it"
                )

    def warn_of_lost(
        self, states: Mapping[str, object], chosen: Sequence[str], *, is_all: bool
    ) -> None:
        """Name the organisations of the state that `all` does not reach any more."""
        lost = sorted(set(states) - {each.lower() for each in chosen}) if is_all else []
        if lost:
            LOGGER.warning(
                "the login does not reach %s of the state any more: %s; their rows stay",
                count(len(lost), "organisation"),
                ", ".join(lost),
            )

    def end(self, ended: OrganisationSync) -> None:
        """Log an organisation that has ended."""
        self.ended += 1
        usage = Usage(ended.calls, ended.size)
        self.usage = Usage(self.usage.calls + ended.calls, self.usage.size + ended.size)
        figures = summary.summary(ended.outcomes, ended.state, usage, ended.seconds)
        self.rows += figures["rows"]
        name = self._name(ended.tenant_id)
        reason = self._reason(ended)
        if reason:
            self._fail(ended.tenant_id, reason)
        else:
            LOGGER.info("%s: complete, %s", name, count(figures["rows"], "row"))
        LOGGER.info("%d of %s", self.ended, count(self.total, "organisation"))
        tags = {
            **figures,
            "tenant_id": ended.tenant_id,
            "outcome": f"not complete: {reason}" if reason else "complete",
            "lifts_at": ended.lifts_at.isoformat() if ended.lifts_at else None,
        }
        metrics.log(LOGGER, metrics.Point("summary", "sync_summary", figures["rows"], tags))

    def log_total(self, seconds: float, *, failed: bool) -> None:
        """Log the figures of the whole run, without its streams."""
        LOGGER.info(
            "in all: %d of %s complete, %s, %s, %.1f s",
            self.ended - len(self.failed.keys() & self.names.keys()),
            count(self.total, "organisation"),
            count(self.rows, "row"),
            count(self.usage.calls, "call"),
            seconds,
        )
        status = metrics.Status.failed if failed else metrics.Status.succeeded
        tags = {"job_type": "sync", "status": status}
        metrics.log(LOGGER, metrics.Point("timer", "job_duration", seconds, tags))
        figures = {
            "organisations": self.total,
            "failed": len(self.failed),
            "rows": self.rows,
            "calls": self.usage.calls,
            "bytes": self.usage.size,
            "seconds": round(seconds, 3),
        }
        metrics.log(LOGGER, metrics.Point("summary", "sync_summary", self.rows, figures))

    def raise_for_failures(self) -> None:
        """Raise StreamError if an organisation is not complete; it names the first few."""
        if not self.failed:
            return
        named = list(self.failed.items())[:_MOST_NAMED]
        parts = [f"{self._name(tenant_id)}: {reason}" for tenant_id, reason in named]
        if len(self.failed) > _MOST_NAMED:
            parts.append(f"and {len(self.failed) - _MOST_NAMED} more")
        raise StreamError(
            f"{len(self.failed)} of {count(self.total, 'organisation')} are not complete: "
            + "; ".join(parts)
        )

    def _reason(self, ended: OrganisationSync) -> str:
        """Return why an organisation is not complete; nothing if it is."""
        try:
            if ended.error:
                raise ended.error
            summary.raise_for_failures(ended.outcomes, self.get_scopes)
        except TapError as error:
            return str(error)
        return ""

    def _fail(self, tenant_id: str, reason: str) -> None:
        self.failed[tenant_id.lower()] = reason
        LOGGER.error("%s: %s", self._name(tenant_id), reason)

    def _name(self, tenant_id: str) -> str:
        return self.names.get(tenant_id.lower(), tenant_id)


def _chosen(config: Config, tenants: Sequence[Tenant]) -> list[str]:
    """Return the ids of the organisations to read.

    Raises AuthorizeError if the config asks for all and the login reaches none.
    """
    if not config.reads_all_organisations:
        return list(config.tenant_ids or ())
    if not tenants:
        raise AuthorizeError(f"{listed(tenants)}: run tap-xero --authorize and connect one")
    return list(dict.fromkeys(each.tenant_id for each in tenants))
