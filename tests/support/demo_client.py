"""A plain client for tests of the demo Xero: what any program would send, with no tap in it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import requests

if TYPE_CHECKING:
    from tap_xero.demo import DemoXero

API = "/api.xro/2.0/"
TIMEOUT = 10
_READER = msgspec.json.Decoder(float_hook=Decimal)


class Login:
    """A session that has spent the demo's refresh token."""

    def __init__(self, xero: DemoXero) -> None:
        self.url = xero.url
        self.session = requests.Session()
        self.session.headers["Accept"] = "application/json"
        self.session.headers["xero-tenant-id"] = xero.config()["tenant_id"]
        access = ask_token(xero, refresh_token=xero.config()["refresh_token"])["access_token"]
        self.session.headers["Authorization"] = f"Bearer {access}"

    def get(self, path: str, *, since: str | None = None, **params: Any) -> requests.Response:  # noqa: ANN401
        """Call a list and return whatever comes."""
        headers = {"If-Modified-Since": since} if since else {}
        return self.session.get(
            self.url + API + path, params=params, headers=headers, timeout=TIMEOUT
        )

    def answer(self, path: str, *, since: str | None = None, **params: Any) -> dict[str, Any]:  # noqa: ANN401
        """Return the answer of a call that must succeed, its numbers exact."""
        response = self.get(path, since=since, **params)
        response.raise_for_status()
        answer: dict[str, Any] = _READER.decode(response.content)
        return answer

    def rows(self, path: str, *, since: str | None = None, **params: Any) -> list[dict[str, Any]]:  # noqa: ANN401
        """Return the rows of an answer."""
        answer = self.answer(path, since=since, **params)
        lists = [value for name, value in answer.items() if name[0].isupper() and name != "Id"]
        rows: list[dict[str, Any]] = lists[-1]
        return rows

    def close(self) -> None:
        """Let the connection go."""
        self.session.close()

    def __enter__(self) -> Login:  # noqa: PYI034 - Self is not in Python 3.10
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def post_token(xero: DemoXero, **form: str) -> requests.Response:
    config = xero.config()
    form.setdefault("grant_type", "refresh_token")
    return requests.post(
        xero.url + "/connect/token",
        data=form,
        auth=(config["client_id"], config["client_secret"]),
        timeout=TIMEOUT,
    )


def ask_token(xero: DemoXero, **form: str) -> dict[str, Any]:
    response = post_token(xero, **form)
    response.raise_for_status()
    answer: dict[str, Any] = response.json()
    return answer
