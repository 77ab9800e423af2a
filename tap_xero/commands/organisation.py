"""Read and describe the organisation, so that a person can check that it is the right one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tap_xero.errors import StreamError

if TYPE_CHECKING:
    from tap_xero.client import Client

PATH = "Organisation"


class Organisation(msgspec.Struct, frozen=True):
    """Some fields of an organisation (Xero OpenAPI 16.1.0, schema Organisation)."""

    name: str | None = msgspec.field(default=None, name="Name")
    country: str | None = msgspec.field(default=None, name="CountryCode")
    edition: str | None = msgspec.field(default=None, name="Edition")
    is_demo: bool | None = msgspec.field(default=None, name="IsDemoCompany")

    @property
    def kind(self) -> str:
        """Say in words whether the organisation is one of Xero's demo companies."""
        return "a demo company" if self.is_demo else "not a demo company"


class _Answer(msgspec.Struct, frozen=True):
    Organisations: list[Organisation]


def read_organisation(client: Client) -> Organisation:
    """Ask Xero for the organisation (one call).

    Raises the errors of `Client.get`, and StreamError when the answer has no organisation.
    """
    body = client.get(PATH).body
    try:
        return msgspec.json.decode(body, type=_Answer).Organisations[0]
    except (msgspec.DecodeError, IndexError):
        raise StreamError(f"{PATH}: Xero's answer holds no organisation") from None


def describe(organisation: Organisation) -> str:
    """Return name, country, kind and edition in one line."""
    parts = (organisation.name, organisation.country, organisation.kind, organisation.edition)
    return ", ".join(part for part in parts if part)
