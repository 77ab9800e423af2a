"""The state of many organisations is split and joined without losing an entry."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_xero.errors import InputError
from tap_xero.tenant_states import joined, split

HARBOUR = "0f1c7e0a-5a1b-4c57-9f3e-0f6f0d7d2a11"
MEADOW = "7d2a110f-1c7e-4a57-8f3e-0f6f0d7d2a22"
RIDGE = "3e0f6f0d-7d2a-4119-9c57-5a1b0f1c7e33"
INVOICES = {"UpdatedDateUTC": "2026-01-01T00:00:00Z"}
SINGULAR = {
    "currently_syncing": None,
    "bookmarks": {"invoices": INVOICES, "history": {"invoices": {**INVOICES, "DocumentID": "a"}}},
    "read_with": {
        "invoices": {"tenant_id": MEADOW, "start_date": "2024-01-01T00:00:00Z"},
        "history": {"invoices": {"tenant_id": MEADOW}},
    },
}

tenants = st.sampled_from([HARBOUR, MEADOW, RIDGE])
streams = st.sampled_from(["invoices", "journals", "history", "accounts"])
moments = st.sampled_from(["2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"])
entries = st.dictionaries(
    st.sampled_from(["UpdatedDateUTC", "JournalNumber", "invoices", "contacts"]),
    moments | st.integers(1, 9000) | st.dictionaries(st.just("UpdatedDateUTC"), moments),
    min_size=1,
)
by_stream = st.dictionaries(streams, entries, min_size=1)
# A state that says nothing of an organisation holds no entry of it.
singular_states = st.fixed_dictionaries(
    {"bookmarks": by_stream}, optional={"read_with": by_stream, "completed": moments}
)
states_by_tenant = st.dictionaries(tenants, singular_states)


@given(states_by_tenant)
def test_each_organisation_gets_back_its_own_state(states: dict[str, Any]) -> None:
    assert split(joined(states), [HARBOUR, MEADOW]) == states


@given(states_by_tenant)
def test_a_joined_state_stays_the_same_after_split(states: dict[str, Any]) -> None:
    value = joined(states)
    assert joined(split(value, [])) == value


@given(states_by_tenant, singular_states)
def test_a_new_state_of_one_organisation_leaves_the_others_alone(
    states: dict[str, Any], new: dict[str, Any]
) -> None:
    after = split(joined({**split(joined(states), [HARBOUR]), HARBOUR: new}), [HARBOUR])
    assert after == {**states, HARBOUR: new}


@given(states_by_tenant)
def test_bookmarks_are_kept_by_stream_and_tenant(states: dict[str, Any]) -> None:
    value = joined(states)
    for tenant, state in states.items():
        for stream, entry in state["bookmarks"].items():
            assert value["bookmarks"][stream][tenant] == entry


def test_an_organisation_without_bookmarks_leaves_nothing_in_the_state() -> None:
    empty: dict[str, Any] = {
        "currently_syncing": None,
        "bookmarks": {"history": {}},
        "read_with": {},
    }
    assert joined({HARBOUR: empty}) == {"bookmarks": {}}


def test_when_an_organisation_was_completed_is_kept_by_tenant() -> None:
    value = joined({MEADOW: {"bookmarks": {}, "completed": "2026-11-25T02:31:07Z"}})
    assert value["completed"] == {MEADOW: "2026-11-25T02:31:07Z"}
    assert split(value, [])[MEADOW]["completed"] == "2026-11-25T02:31:07Z"


def test_a_state_of_one_organisation_belongs_to_the_tenant_that_it_names() -> None:
    states = split(SINGULAR, [HARBOUR, MEADOW])
    assert states == {MEADOW: {part: SINGULAR[part] for part in ("bookmarks", "read_with")}}


@pytest.mark.parametrize("bookmark", [INVOICES, "2026-01-01T00:00:00Z"])
def test_a_state_of_2x_belongs_to_the_only_organisation_of_the_run(bookmark: object) -> None:
    value = {"currently_syncing": "invoices", "bookmarks": {"invoices": bookmark}}
    assert split(value, [HARBOUR.upper()]) == {HARBOUR: {"bookmarks": {"invoices": bookmark}}}


def test_a_state_that_could_belong_to_two_organisations_is_an_error() -> None:
    with pytest.raises(InputError, match=r"state\.json: .*to which organisation"):
        split({"bookmarks": {"invoices": INVOICES}}, [HARBOUR, MEADOW], "state.json")


def test_from_one_organisation_to_many_and_back_nothing_changes() -> None:
    value = joined(split(SINGULAR, [MEADOW, HARBOUR]))
    assert split(value, [MEADOW])[MEADOW]["bookmarks"] == SINGULAR["bookmarks"]
    assert split(value, [MEADOW])[MEADOW]["read_with"] == SINGULAR["read_with"]


def test_streams_of_a_state_may_belong_to_different_organisations() -> None:
    value = {
        "bookmarks": {"invoices": INVOICES, "items": INVOICES},
        "read_with": {"invoices": {"tenant_id": MEADOW}, "items": {"tenant_id": HARBOUR}},
    }
    assert split(value, []).keys() == {MEADOW, HARBOUR}
