"""What a stream is read with, and whether that covers what a config wants.

A bookmark says that everything before it has been read. That is true of the organisation, and of
the settings, with which it was: what they left out is not behind it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_xero import dates
from tap_xero.paging.journals import JOURNAL_NUMBERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_xero.config import Config
    from tap_xero.streams.stream import Stream


ARCHIVED_SINCE = "archived_since"


def settings_of(
    stream: Stream, config: Config, tenant_id: str | None, run_start: int
) -> dict[str, Any]:
    """Return what a first read of a stream would cover, if it began at `run_start` (ms)."""
    settings: dict[str, Any] = {"tenant_id": tenant_id.lower()} if tenant_id else {}
    if stream.pager is not JOURNAL_NUMBERS:  # they are read from the first one
        first = first_moment(stream, config)
        settings["start_date"] = None if first is None else dates.to_rfc3339(first)
    if stream.archived_on_demand:
        settings["include_archived_contacts"] = config.include_archived_contacts
        if not config.include_archived_contacts:
            settings[ARCHIVED_SINCE] = dates.to_rfc3339(run_start)
    if "Basis" in stream.key_properties:
        settings["report_basis"] = config.report_basis
    return settings


def lack_of(kept: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Say what is wanted and was not read; nothing where all was, as far as that is known."""
    changed = {name for name in wanted if name in kept and kept[name] != wanted[name]}
    if "tenant_id" in changed:
        return "another organisation"
    if "start_date" in changed and str(kept["start_date"] or "") > str(wanted["start_date"] or ""):
        if wanted["start_date"] is None:
            return "records from before start_date too"
        return "an earlier start_date"
    if "include_archived_contacts" in changed and wanted["include_archived_contacts"]:
        return "archived contacts too"
    if "report_basis" in changed and kept["report_basis"] != "both":
        return "another report_basis"
    return ""


def narrowed(kept: Mapping[str, Any], wanted: Mapping[str, Any], stream: Stream) -> dict[str, Any]:
    """Return what is read from now on with no more than before: what is left out is lacking then.

    Only a later start date leaves nothing out of a list that goes on from its bookmark.
    """
    settings = {**kept, **wanted}
    settings.pop(ARCHIVED_SINCE, None)
    if ARCHIVED_SINCE in kept:  # when the first read began, not this one
        settings[ARCHIVED_SINCE] = kept[ARCHIVED_SINCE]
    if stream.takes_modified_since and "start_date" in kept:
        settings["start_date"] = kept["start_date"]
    if kept.get("include_archived_contacts"):  # what is archived from now on comes in any case
        settings["include_archived_contacts"] = True
    return settings


def first_moment(stream: Stream, config: Config) -> int | None:
    """Return the moment (ms since 1970) from which a first run reads a stream; None for all."""
    if stream.is_master_list and not config.start_date_applies_to_all:
        return None
    return dates.to_ms_of(config.start_date)
