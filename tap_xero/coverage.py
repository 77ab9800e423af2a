"""What the bookmarks of a state cover, and whether that is all that a config wants.

A bookmark says that everything before it was read. This holds only for the organisation and the
settings of the runs that read it: records, fields and files that those settings left out were never
read. So the state keeps, beside each bookmark, the scope with which it was read:
`"read_with": {"invoices": {"tenant_id": …, "start_date": …}}`, and for details one scope for each
stream of documents. If a config wants more than the scope, the bookmark is dropped.

An entry that a scope does not have is unknown: the state is from tap-xero 2.x or 3.0.0. An unknown
entry counts as enough, and is known from then on.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeAlias

from tap_xero import dates
from tap_xero.paging.journals import JOURNAL_NUMBERS
from tap_xero.state import ARCHIVED_SINCE
from tap_xero.streams.stream import first_moment
from tap_xero.streams.table import STREAM_BY_ID

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tap_xero.config import Config
    from tap_xero.selection import Selection
    from tap_xero.state import Place, State
    from tap_xero.streams.stream import Stream

    Scope: TypeAlias = dict[str, Any]

LOGGER = logging.getLogger(__name__)


def drop_outdated(
    state: State, selections: Sequence[Selection], config: Config, tenant_id: str | None
) -> None:
    """Drop the bookmarks of streams of which `config` wants more than was read, with one warning.

    `selections` includes line tables. `tenant_id` is the organisation to be read, None if unknown.
    Afterwards the state holds the scope of each selected stream that has bookmarks.
    """
    outdated: dict[str, list[str]] = {}
    for place, selection, listed in _places(selections):
        wanted = {
            **scope_of(listed, config, tenant_id, state.run_start),
            **_scope_of_fields(selection, selections, config),
        }
        kept = state.scope(place)
        if not state.has_bookmark(place):
            state.set_scope(place, wanted)
            continue
        missing = missing_from(kept, wanted)
        if missing:
            outdated.setdefault(missing, []).append(" of ".join(place))
            state.drop_bookmark(place)
            state.set_scope(place, wanted)
        else:
            state.set_scope(place, merge_narrower(kept, wanted, listed))
    if outdated:
        LOGGER.warning(
            "%s: reading again from the start because the config now wants more: %s",
            state.source,
            "; ".join(f"{', '.join(names)} ({why})" for why, names in outdated.items()),
        )


def scope_of(stream: Stream, config: Config, tenant_id: str | None, run_start: int) -> Scope:
    """Return which records a first read of `stream` covers, if it begins at `run_start` (ms)."""
    scope: Scope = {"tenant_id": tenant_id.lower()} if tenant_id else {}
    if stream.pager is not JOURNAL_NUMBERS:  # journals are always read from the first one
        first = first_moment(stream, config)
        scope["start_date"] = None if first is None else dates.to_rfc3339(first)
    if stream.archived_on_demand:
        scope["include_archived_contacts"] = config.include_archived_contacts
        if not config.include_archived_contacts:
            scope[ARCHIVED_SINCE] = dates.to_rfc3339(run_start)
    if "Basis" in stream.key_properties:
        scope["report_basis"] = config.report_basis
    return scope


def _scope_of_fields(
    selection: Selection, selections: Sequence[Selection], config: Config
) -> Scope:
    """Return which fields, line tables and files of the records are read.

    Deselected fields are kept and not the selected ones, so a field that a later version of the tap
    adds to a schema does not look like one that the user left out.
    """
    name = selection.stream.tap_stream_id
    lines = [each for each in selections if each.stream.parent == name]
    left_out = sorted(_deselected(selection))
    left_out += sorted(
        f"{table.stream.tap_stream_id}.{field}" for table in lines for field in _deselected(table)
    )
    scope: Scope = {"fields_left_out": left_out}
    if name == "attachments":
        scope["files"] = config.attachments_dir is not None
    if not selection.stream.documents:
        tables = sorted(table.stream.tap_stream_id for table in lines)
        scope["line_tables"] = tables if config.line_tables else None
    return scope


def missing_from(kept: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Say in words what is wanted and was not read; "" if everything was, as far as is known."""
    changed = {name for name in wanted if name in kept and kept[name] != wanted[name]}
    return _missing_records(kept, wanted, changed) or _missing_content(kept, wanted, changed)


def _missing_records(kept: Mapping[str, Any], wanted: Mapping[str, Any], changed: set[str]) -> str:
    if "tenant_id" in changed:
        return "another organisation"
    if "start_date" in changed and str(kept["start_date"] or "") > str(wanted["start_date"] or ""):
        return "an earlier start_date" if wanted["start_date"] else "records before start_date"
    if "include_archived_contacts" in changed and wanted["include_archived_contacts"]:
        return "archived contacts"
    if "report_basis" in changed and kept["report_basis"] != "both":
        return "another report_basis"
    return ""


def _missing_content(kept: Mapping[str, Any], wanted: Mapping[str, Any], changed: set[str]) -> str:
    if "files" in changed and wanted["files"]:
        return "the files of attachments"
    missing = ""
    if "line_tables" in changed:
        missing = _missing_lines(kept["line_tables"], wanted["line_tables"])
    if "fields_left_out" in changed and not missing:
        fields = _names(kept["fields_left_out"]) - set(wanted["fields_left_out"])
        missing = _listed("field", fields)
    return missing


def merge_narrower(kept: Mapping[str, Any], wanted: Mapping[str, Any], stream: Stream) -> Scope:
    """Return the scope of a stream that goes on with `wanted`, which asks for no more than `kept`.

    It is the narrower of both, so that asking for more later is noticed. Some settings leave out
    nothing once a stream goes on from its bookmark: a later start date, and leaving out archived
    contacts.
    """
    scope = {**kept, **wanted}
    scope.pop(ARCHIVED_SINCE, None)
    if ARCHIVED_SINCE in kept:  # the moment when the first read began
        scope[ARCHIVED_SINCE] = kept[ARCHIVED_SINCE]
    if stream.takes_modified_since and "start_date" in kept:
        scope["start_date"] = kept["start_date"]
    if kept.get("include_archived_contacts"):
        scope["include_archived_contacts"] = True
    return scope


def _places(selections: Sequence[Selection]) -> Iterator[tuple[Place, Selection, Stream]]:
    """Yield each place of a bookmark in the state, its selection, and the stream that is listed."""
    for selection in selections:
        stream = selection.stream
        for documents in stream.documents:
            yield (stream.tap_stream_id, documents), selection, STREAM_BY_ID[documents]
        if selection.replication_key and not stream.documents and not stream.parent:
            yield (stream.tap_stream_id,), selection, stream


def _deselected(selection: Selection) -> frozenset[str]:
    return frozenset(selection.schema["properties"]) - selection.selected_fields


def _missing_lines(kept: object, wanted: Sequence[str] | None) -> str:
    """Say which lines are missing; None means that line tables are off."""
    if wanted is None:
        return "the lists that line tables held"
    return _listed("line table", set(wanted) - _names(kept))


def _names(kept: object) -> set[str]:
    """Return the names in a list of the state; an odd entry has none."""
    return {str(name) for name in kept} if isinstance(kept, list) else set()


def _listed(noun: str, names: set[str]) -> str:
    if not names:
        return ""
    return f"the {noun}{'s' if len(names) > 1 else ''} {', '.join(sorted(names))}"
