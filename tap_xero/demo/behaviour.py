"""The knobs of the demo: by default Xero as documented, otherwise one of the ways it may differ."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tap_xero.demo.tenants import TENANT_ID, Tenant

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass
class Behaviour:
    """How this Xero behaves; may be changed while it serves.

    If-Modified-Since
        ims_inclusive: a stamp equal to the header is in the answer.
        ims_precision: "ms", "second", "minute" or "day": what the header is floored to.
        ims_truncates_both: floor the stamp as well before comparing.
        ims_ignored: always give everything.
        answers_304: 304 with no body when nothing is newer.
    Order and paging
        list_order: what a list is sorted by when `order` is absent or ignored: "documented",
            "id", "insertion", "desc" (stamp, newest first) or "shuffled_ties" (stamp, ties in
            another order each call).
        honours_order: whether the `order` parameter has any effect.
        page_size_cap: clamp pageSize to this; ignores_page_size: always 100.
        pagination: "right", "missing", "too_small", "too_big" or "garbage".
        everything_on_every_page: paths whose every page holds every record.
        repeats_page: numbers of data calls that are answered like the call before on that path.
        partial_journals: answers in the middle hold fewer than 100 journals.
    Text
        pretty: two blanks a level and CRLF; else compact.
        nulls_as_empty_lists: objects that are null are written as [].
        empty_list_as_null: a list with no rows is written as null.
        gzip: compress for clients that accept it.
        tells_time: answers of lists have a DateTimeUTC.
    Limits (None: not enforced, the headers then show a fresh allowance)
        calls_per_minute, calls_per_day, calls_at_once: of each tenant by itself.
        app_calls_per_minute: of all tenants together; calls of /connections count too.
        latency: seconds that each data call takes.
    Access
        organisations: what /connections lists, in this order; a tenant may stand there twice.
        scopes: what a login is granted; None for everything there is.
        forbidden: path to "scope401", "role403" or "plan401".
        expires_in: life of an access token in seconds.
        repeated_refresh: what the second use of a refresh token within its 30 minutes gives:
            "same" (the same successor), "new" (another successor, both are alive) or
            "new_kills_first" (another successor, and the first one dies). Xero documents only
            that the second use is allowed.
    """

    ims_inclusive: bool = True
    ims_precision: str = "ms"
    ims_truncates_both: bool = False
    ims_ignored: bool = False
    answers_304: bool = False
    list_order: str = "documented"
    honours_order: bool = True
    page_size_cap: int | None = None
    ignores_page_size: bool = False
    pagination: str = "right"
    everything_on_every_page: frozenset[str] = frozenset()
    repeats_page: frozenset[int] = frozenset()
    partial_journals: bool = False
    pretty: bool = True
    nulls_as_empty_lists: bool = False
    empty_list_as_null: bool = False
    gzip: bool = False
    tells_time: bool = True
    calls_per_minute: int | None = None
    calls_per_day: int | None = None
    calls_at_once: int | None = None
    app_calls_per_minute: int | None = None
    latency: float = 0.0
    organisations: tuple[Tenant, ...] = (Tenant(TENANT_ID, "Harbour Street Cycles Limited"),)
    scopes: frozenset[str] | None = None
    forbidden: Mapping[str, str] = field(default_factory=dict)
    expires_in: int = 1800
    repeated_refresh: str = "same"
