"""What the user gives a command: config, catalog and state, read from where the arguments say."""

from __future__ import annotations

import os
import shlex
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from tap_xero import dates
from tap_xero.config import load_config, read_object
from tap_xero.errors import InputError
from tap_xero.selection import default_selection, selection
from tap_xero.state import State
from tap_xero.streams.stream import scopes_of
from tap_xero.tenant_states import state_of_one

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tap_xero.clock import Clock
    from tap_xero.config import Config
    from tap_xero.selection import Selection

# For commands that read no record; the user's own start_date counts if there is one.
_ANY_START_DATE = {"start_date": "2000-01-01"}
# What the demo Xero allows, and says in its headers: a demo should not wait.
_DEMO_CALLS_PER_MINUTE = 6000


@dataclass(frozen=True)
class Inputs:
    """The files that the arguments name; `is_demo` runs the command against a demo Xero."""

    config_files: tuple[str, ...] = ()
    catalog_file: str | None = None
    state_file: str | None = None
    is_demo: bool = False

    @contextmanager
    def config(self, *, needs_start_date: bool = True) -> Iterator[Config]:
        """Yield the config; a demo Xero serves as long as the block runs.

        Raises InputError if there is no config or a setting is wrong.
        """
        before = {} if needs_start_date else _ANY_START_DATE
        if self.is_demo:
            with _demo_layers(self.config_files) as layers:
                yield _load([before, *layers])
            return
        if not self.config_files:
            raise InputError("no config: give one with --config FILE, or try --demo")
        config = _load([before, *self.config_files])
        if needs_start_date:
            refuse_placeholders(config)
        yield config

    def selections(self, config: Config) -> list[Selection]:
        """Return the streams to sync: those of the catalog, or the default ones.

        Raises InputError if the catalog is not valid.
        """
        line_tables, with_tenant = config.line_tables, config.tenant_ids is not None
        if self.catalog_file is None:
            return default_selection(line_tables=line_tables, with_tenant=with_tenant)
        catalog = read_object(self.catalog_file)
        return selection(
            catalog, self.catalog_file, line_tables=line_tables, with_tenant=with_tenant
        )

    def arguments(self) -> str:
        """Return the arguments that name the config and the catalog, as a user types them."""
        configs = [f"--config {shlex.quote(path)}" for path in self.config_files]
        catalog = [f"--catalog {shlex.quote(self.catalog_file)}"] if self.catalog_file else []
        return " ".join([*configs, *catalog])

    def described(self) -> str:
        """Return which files the command reads, in words."""
        config = " and ".join(self.config_files) or "of the demo"
        files = (("config", config), ("catalog", self.catalog_file), ("state", self.state_file))
        return ", ".join(f"{kind} {name}" for kind, name in files if name)

    def how_to_get_scopes(self, config: Config) -> str:
        """Return what the user does to get scopes that the login lacks."""
        add = "add what is missing to scopes in the config and " if config.scopes else ""
        return f"{add}run tap-xero --authorize {self.arguments()}".rstrip()

    def state(self, clock: Clock, config: Config) -> State:
        """Return the state of the last run, or an empty one. Raises InputError for a wrong one.

        Of a state of many organisations it is the part of the one that the config names.
        """
        source = self.state_file or "state"
        value = state_of_one(self.state_value(), config.tenant_id, source)
        return State(value, source, dates.to_ms_of(clock.now()))

    def state_value(self) -> dict[str, Any]:
        """Return the content of the state file, empty if there is none."""
        value = {} if self.state_file is None else read_object(self.state_file)
        return value["value"] if value.get("type") == "STATE" else value


def scopes(selections: Sequence[Selection]) -> str:
    """Return the scopes that reading these streams takes, separated by spaces."""
    return scopes_of(selection.stream for selection in selections)


def _load(layers: Sequence[str | Mapping[str, object]]) -> Config:
    return load_config(layers, os.environ, datetime.now(timezone.utc))


def refuse_placeholders(config: Config) -> None:
    """Raise InputError for a value of sample_config.json, before Xero refuses it."""
    for key in ("client_id", "client_secret"):
        value = getattr(config, key)
        if value and value.startswith("YOUR_"):
            raise InputError(
                f"{config.path or 'config'}: {key} is still the placeholder {value}: give the "
                "value from developer.xero.com/app/manage (a PKCE app has no client_secret)"
            )


@contextmanager
def _demo_layers(config_files: Sequence[str]) -> Iterator[list[str | Mapping[str, object]]]:
    """Yield the config files, between defaults for a demo Xero and a login to it.

    The user's own login is neither used nor changed.
    """
    from tap_xero.demo import DemoXero
    from tap_xero.demo.behaviour import Behaviour
    from tap_xero.demo.identity import granted

    behaviour = Behaviour(calls_per_minute=_DEMO_CALLS_PER_MINUTE)
    with DemoXero(behaviour=behaviour, converted=True) as xero:
        login = xero.config(
            access_token=xero.identity.new_access_token(xero.behaviour, granted(xero.behaviour)),
            refresh_token=None,
            token_file=None,
            tenant_ids=None,
            organization_name=None,
            xero_user_id=None,
        )
        defaults = {
            "start_date": login.pop("start_date"),
            "calls_per_minute": _DEMO_CALLS_PER_MINUTE,
        }
        yield [defaults, *config_files, login]
