"""The demo Xero: one port of the loopback interface that is api, identity and connections at once.

A data call has three steps: it is judged (token, tenant, scope, limits), its answer is made, both
under one lock, and it is written outside the lock.  A call counts as over just before its last byte
leaves, so that a client that has its answer may call at once.
"""

from __future__ import annotations

import contextlib
import gzip
import threading
import time
from copy import copy
from typing import TYPE_CHECKING, Any

from tap_xero.demo import identity
from tap_xero.demo.api import AccountingApi
from tap_xero.demo.behaviour import Behaviour
from tap_xero.demo.books.company import Company
from tap_xero.demo.books.organisation import Organisation, start_date
from tap_xero.demo.calls import Call, Reply
from tap_xero.demo.faults import HTML_PAGE, Fault, PlannedFault, next_fault
from tap_xero.demo.limits import MINUTE, Allowance, Window, app_header, limits_of, take_of_app
from tap_xero.demo.listener import Listener
from tap_xero.demo.spoiling import spoil
from tap_xero.demo.tenants import Tenant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from types import TracebackType

    from tap_xero.demo.connection import Connection, Request
    from tap_xero.demo.xero_json import Document

API = "/api.xro/2.0/"
TEXT = {"Content-Type": "text/html; charset=utf-8"}


class DemoXero:
    """A Xero over HTTP, from its making until `close()`.

    size: number of invoices, from which all else scales; lines: lines of each invoice, mixed if
    None.  examples: path of an API description whose example answers are served in place of the
    books.  answers: path to the exact bytes of its (first page's) answer.  clock: seconds
    since the epoch.  converted: reports hold opening balances and an unrealised currency gain,
    which no journal holds.
    """

    def __init__(  # noqa: PLR0913
        self,
        size: int = 300,
        seed: int = 1,
        *,
        behaviour: Behaviour | None = None,
        clock: Callable[[], float] = time.time,
        lines: int | None = None,
        examples: str | None = None,
        answers: Mapping[str, bytes] | None = None,
        port: int = 0,
        converted: bool = False,
    ) -> None:
        self.behaviour = behaviour or Behaviour()
        self.clock = clock
        self.lock = threading.RLock()
        company = Company(seed, size, int(clock() * 1000), lines, converted=converted)
        self._api = AccountingApi(
            company, self.behaviour, self._now, examples=examples, answers=answers or {}
        )
        self.organisation = self._api.organisation
        self.identity = identity.Identity(clock)
        self.identity.start(self.behaviour)
        self.faults: list[PlannedFault] = []
        # A hook of tests, run before each data call under the lock.
        self.before_call: Callable[[DemoXero, Call], None] | None = None
        self._app = Window(MINUTE)
        self._allowances: dict[str, Allowance] = {}
        self._calls: list[Call] = []
        self._numbers: dict[str, int] = {}
        self._listener = Listener(self._answer, port)

    # For tests

    @property
    def port(self) -> int:
        """The port of the loopback interface."""
        return self._listener.port

    @property
    def url(self) -> str:
        """The address of the api, of identity and of connections."""
        return f"http://127.0.0.1:{self.port}"

    def config(self, **overrides: Any) -> dict[str, Any]:  # noqa: ANN401
        """Give a complete config for the tap, with the refresh token that is alive now."""
        return {
            "client_id": identity.CLIENT_ID,
            "client_secret": identity.CLIENT_SECRET,
            "refresh_token": self.identity.refresh_token,
            "tenant_id": self.behaviour.organisations[0][0],
            "start_date": start_date(self.organisation.company),
            "api_url": self.url,
            "identity_url": self.url,
            "authorize_url": f"{self.url}/identity/connect/authorize",
            **overrides,
        }

    @property
    def calls(self) -> list[Call]:
        """All calls so far, in the order in which they came."""
        with self.lock:
            return [copy(call) for call in self._calls]

    def books(self, tenant: Tenant) -> Organisation:
        """Give the books of a tenant; edit them under `lock`."""
        with self.lock:
            return self._api.books(tenant)

    def allowance(self, tenant: Tenant) -> Allowance:
        """Give what a tenant has used of its limits, and the most at once and in a minute."""
        with self.lock:
            return self._allowances.setdefault(tenant.tenant_id, Allowance(self._app))

    def edit(self, name: str, key: str, **fields: Any) -> str:  # noqa: ANN401
        """Change fields of a row (plain values, see `wire`), and its stamp where Xero would."""
        with self.lock:
            return self.organisation.edit(name, key, self._now(), fields)

    def insert(self, name: str, row: Document | bytes | None = None) -> str:
        """Add a row as given, or a new one of the demo's making; return its key."""
        with self.lock:
            return self.organisation.insert(name, self._now(), row)

    def delete(self, name: str, key: str) -> str:
        """Delete a row the way Xero does in this list: by status, or without a trace."""
        with self.lock:
            return self.organisation.delete(name, key, self._now())

    def archive(self, name: str, key: str) -> str:
        """Archive a row."""
        with self.lock:
            return self.organisation.archive(name, key, self._now())

    def replace(self, name: str, rows: Iterable[Document | bytes]) -> None:
        """Make these the only rows of a list: plain rows with key and stamp, or ready-made JSON."""
        with self.lock:
            self.organisation.replace(name, rows)

    def fail(
        self,
        fault: Fault,
        *,
        on: int | Callable[[Call], bool] = 1,
        times: int | None = 1,
        kind: str = "data",
    ) -> None:
        """Spoil the `on`-th call of a kind from now, or those that `on` picks; `times` of them."""
        picks = on if callable(on) else None
        skip = 0 if callable(on) else on - 1
        with self.lock:
            self.faults.append(PlannedFault(fault, kind, picks, skip, times))

    @contextlib.contextmanager
    def refusing(self) -> Iterator[None]:
        """Refuse connections for a while: nobody listens, and open ones are closed."""
        self._listener.stop()
        try:
            yield
        finally:
            self._listener.listen(self.port)

    def render_all(self, name: str) -> None:
        """Write all rows of a list ahead of time, as a paged read with unitdp=4 gets them."""
        with self.lock:
            self._api.render_all(name)

    def close(self) -> None:
        """Stop serving."""
        self._listener.close()

    def __enter__(self) -> DemoXero:  # noqa: PYI034 - Self is not in Python 3.10
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # A call

    def _answer(self, connection: Connection, request: Request) -> None:
        with self.lock:
            call = self._record(request)
            fault = next_fault(self.faults, call)
        if fault and fault.kind == "reset":
            connection.reset()
        elif fault and fault.kind == "silent":
            self._listener.closing.wait()
        elif fault and fault.kind == "status":
            reply = self._sign(call, Reply(fault.code, fault.headers, fault.body))
            connection.write(reply, finished=lambda: self._finish(call, reply))
        else:
            self._carry_out(connection, request, call, fault)

    def _carry_out(
        self, connection: Connection, request: Request, call: Call, fault: Fault | None
    ) -> None:
        with self.lock:
            judged = self._judge(request, call)
        taken = self.allowance(judged) if isinstance(judged, Tenant) else None
        try:
            reply = self._data(call, judged) if isinstance(judged, Tenant) else judged
        except BaseException:
            if taken:
                taken.give_back()
            raise
        reply = self._compress(call, self._sign(call, reply))

        def finished() -> None:
            self._finish(call, reply, taken=taken)

        if fault:
            finished()
            spoil(connection, reply, fault, self._listener.closing)
        else:
            connection.write(reply, finished=finished)

    def _record(self, request: Request) -> Call:
        kind = _kind_of(request.path)
        number = self._numbers[kind] = self._numbers.get(kind, 0) + 1
        call = Call(
            number=number,
            kind=kind,
            method=request.method,
            path=request.path.removeprefix(API),
            params=request.params,
            headers=request.headers,
            at=self.clock(),
        )
        self._calls.append(call)
        return call

    def _finish(self, call: Call, reply: Reply, *, taken: Allowance | None = None) -> None:
        with self.lock:
            call.status = reply.status
            call.bytes = len(reply.body)
            call.finished = self.clock()
            if taken:
                taken.give_back()

    def _sign(self, call: Call, reply: Reply) -> Reply:
        """Give every data answer its correlation id, which an answer's envelope repeats."""
        if call.kind != "data":
            return reply
        headers = {"Xero-Correlation-Id": self._api.correlation_id(call), **reply.headers}
        return Reply(reply.status, headers, reply.body)

    def _compress(self, call: Call, reply: Reply) -> Reply:
        accepted = "gzip" in call.headers.get("accept-encoding", "")
        if not (self.behaviour.gzip and accepted and reply.body):
            return reply
        body = gzip.compress(reply.body, 1)
        return Reply(reply.status, {**reply.headers, "Content-Encoding": "gzip"}, body)

    # What a call is answered with; all under the lock

    def _judge(self, request: Request, call: Call) -> Reply | Tenant:
        """Answer a call, or count it and give its tenant: a data call that may be carried out."""
        if call.kind == "token":
            return self._token(request, call)
        if call.kind == "authorize":
            return self.identity.authorize(request.params, self.behaviour)
        if call.kind == "unknown":
            return Reply(404, TEXT, b"not found")
        login = self.identity.check(call)
        if isinstance(login, Reply):
            return login
        if call.kind == "connections":
            return self._connections(call)
        return self._judge_data(call, login)

    def _judge_data(self, call: Call, login: identity.Login) -> Reply | Tenant:
        tenant = self._find_tenant(call, login)
        if tenant is None or tenant.type != "ORGANISATION" or tenant.treatment == "revoked":
            return identity.problem(403, "Forbidden", "AuthenticationUnsuccessful")
        limits = limits_of(self.behaviour, tenant)
        refused = self._api.refuse(call, login)
        return refused or self.allowance(tenant).take(limits, self.clock()) or tenant

    def _token(self, request: Request, call: Call) -> Reply:
        if request.path.endswith("/revocation"):
            return self.identity.revocation(request.form)
        return self.identity.token_call(call, request.form, self.behaviour)

    def _connections(self, call: Call) -> Reply:
        limit, now = self.behaviour.app_calls_per_minute, self.clock()
        refused = take_of_app(self._app, limit, now)
        if refused:
            return refused
        if call.method != "DELETE":
            reply = identity.connections(self.behaviour)
            headers = {**reply.headers, **app_header(self._app, limit, now)}
            return Reply(reply.status, headers, reply.body)
        kept = tuple(
            organisation
            for number, organisation in enumerate(self.behaviour.organisations)
            if not call.path.endswith(identity.connection_id(number))
        )
        found = kept != self.behaviour.organisations
        self.behaviour.organisations = kept
        return Reply(204 if found else 404, {}, b"")

    def _find_tenant(self, call: Call, login: identity.Login) -> Tenant | None:
        """Find the tenant of a data call; a custom connection need not name its own."""
        uid = call.headers.get("xero-tenant-id", "")
        connected = self.behaviour.organisations
        if login.custom_connection and not uid:
            return connected[0] if connected else Tenant("", "")
        return next((each for each in connected if each.tenant_id == uid), None)

    def _data(self, call: Call, tenant: Tenant) -> Reply:
        """Make the answer of a data call that may be carried out, after the latency."""
        if self.behaviour.latency:
            self._listener.closing.wait(self.behaviour.latency)
        with self.lock:
            if self.before_call:
                self.before_call(self, call)
            failing = tenant.treatment == "failing"
            reply = Reply(500, TEXT, HTML_PAGE) if failing else self._api.answer(call, tenant)
            left = self.allowance(tenant).headers(limits_of(self.behaviour, tenant), self.clock())
            return Reply(reply.status, {**reply.headers, **left}, reply.body)

    def _now(self) -> int:
        return int(self.clock() * 1000)


def _kind_of(path: str) -> str:
    if path.startswith(API):
        return "data"
    if path.startswith("/connections"):
        return "connections"
    if path in {"/connect/token", "/connect/revocation"}:
        return "token"
    return "authorize" if path == "/identity/connect/authorize" else "unknown"
