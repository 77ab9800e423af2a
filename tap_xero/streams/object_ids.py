"""Ids of objects, written beside them while line tables are on, so that tables join without JSON.

A record with an object Contact, which has a ContactID, gets a field ContactID. The new field is
named for the object: BankAccount, which has an AccountID, gives BankAccountID.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tap_xero.paging.rows import NULL, nested

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tap_xero.paging.rows import Row

_ID = "ID"


class ObjectID(NamedTuple):
    """The field `name` of a record: the id `id_name` of the object in the field `object_name`."""

    name: str
    object_name: str
    id_name: str


def object_ids(properties: Mapping[str, Any]) -> tuple[ObjectID, ...]:
    """Return the ids to write beside the objects of a record that has these properties.

    An object whose id has another name than the object has none, and a value of Xero's own in a
    field with the new name stays as it is.
    """
    found = []
    for name, part in properties.items():
        ids = [each for each in part.get("properties", ()) if _is_id_of(each, name)]
        if ids:
            found.append(ObjectID(name + _ID, name, max(ids, key=len)))
    return tuple(found)


def with_object_ids(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the properties with those of the ids, each behind its object."""
    ids = {each.object_name: each for each in object_ids(properties)}
    extended: dict[str, Any] = {}
    for name, part in properties.items():
        extended[name] = part
        if name in ids:
            extended[ids[name].name] = part["properties"][ids[name].id_name]
    return extended


def add_object_ids(row: Row, ids: Iterable[ObjectID]) -> None:
    """Add the ids of the objects that a row has; null where an object has no id."""
    for each in ids:
        if bytes(row.get(each.name, NULL)) != b"null":
            continue
        if each.object_name in row:
            row[each.name] = nested(row, each.object_name).get(each.id_name, NULL)


def _is_id_of(name: str, object_name: str) -> bool:
    return name.endswith(_ID) and object_name.endswith(name.removesuffix(_ID))
