"""The demo Xero: one port of the loopback interface that is api, identity and connections at once.

Each connection has a thread.  A data call runs in three steps: it is judged (limits, token, tenant,
scope), its answer is made, both under one lock, and it is written outside the lock.  A call counts
as over just before its last byte leaves, so that a client that has its answer may call at once.
"""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
import time
from copy import copy
from typing import TYPE_CHECKING, Any

from tap_xero.demo import identity
from tap_xero.demo.behaviour import Behaviour
from tap_xero.demo.books import histories, reference_lists, reports
from tap_xero.demo.books.company import Company
from tap_xero.demo.books.organisation import Organisation, start_date
from tap_xero.demo.calls import Call, Reply
from tap_xero.demo.connection import Connection, Request
from tap_xero.demo.faults import Fault, PlannedFault, next_fault
from tap_xero.demo.limits import Allowance
from tap_xero.demo.lists import (
    CASH_JOURNALS,
    ENDPOINTS,
    Endpoint,
    Query,
    Selection,
    Variant,
    find_endpoint,
    pagination,
    read_query,
    render_row,
    select,
)
from tap_xero.demo.xero_json import layout, render, render_answer, render_list

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from types import TracebackType

    from tap_xero.demo.books.tables import Row
    from tap_xero.demo.xero_json import Document

API = "/api.xro/2.0/"
JSON = {"Content-Type": "application/json; charset=utf-8"}
TEXT = {"Content-Type": "text/html; charset=utf-8"}
FILE = {"Content-Type": "application/octet-stream"}
NOT_FOUND = Reply(404, TEXT, b"The resource you're looking for cannot be found")
_DETAILS = frozenset({"History", "Attachments"})
# Rendered rows are kept up to this many bytes, then all are forgotten.
KEPT_BYTES = 800_000_000

_FORBIDDEN = {
    "scope401": lambda: identity.unauthorized("AuthorizationUnsuccessful", "insufficient_scope"),
    "role403": lambda: identity.problem(
        403, "Forbidden", "The user does not have the reporting role that this resource needs."
    ),
    "plan401": lambda: identity.unauthorized("AuthorizationUnsuccessful", "insufficient_scope"),
}


class DemoXero:
    """A Xero that serves one organisation over HTTP, from its making until `close()`.

    size: number of invoices, from which all else scales; lines: lines of each invoice, mixed if
    None.  examples: path of an API description whose example answers are served in place of the
    organisation.  answers: path to the exact bytes of its (first page's) answer.  clock: seconds
    since the epoch.
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
    ) -> None:
        self.behaviour = behaviour or Behaviour()
        self.clock = clock
        self.lock = threading.RLock()
        self.organisation = Organisation(Company(seed, size, int(clock() * 1000), lines))
        self.identity = identity.Identity(clock)
        self.identity.start(self.behaviour)
        self.faults: list[PlannedFault] = []
        # A hook of tests, run before each data call under the lock.
        self.before_call: Callable[[DemoXero, Call], None] | None = None
        self._answers = self._fixed_answers(examples, answers or {})
        self._allowance = Allowance()
        self._calls: list[Call] = []
        self._numbers: dict[str, int] = {}
        self._last_reply: dict[tuple[str | None, ...], Reply] = {}
        self._kept = 0
        self._open: set[socket.socket] = set()
        self._closing = threading.Event()
        self._listen(port)

    # For tests

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
        self._stop_listening()
        try:
            yield
        finally:
            self._listen(self.port)

    def render_all(self, name: str) -> None:
        """Write all rows of a list ahead of time, as a paged read with unitdp=4 gets them."""
        with self.lock:
            endpoint = ENDPOINTS[name]
            variant = self._variant(endpoint, _FULL_READ, summary=False)
            for row in self.organisation.table(name).rows.values():
                self._render(endpoint, row, variant)

    def close(self) -> None:
        """Stop serving."""
        self._closing.set()
        self._stop_listening()

    def __enter__(self) -> DemoXero:  # noqa: PYI034 - Self is not in Python 3.10
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # Sockets and threads

    def _listen(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._stopped = threading.Event()
        self._acceptor = threading.Thread(
            target=self._accept,
            args=(self._listener, self._stopped),
            daemon=True,
            name="demo-xero",
        )
        self._acceptor.start()

    def _stop_listening(self) -> None:
        self._stopped.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # This wakes accept() on Linux,
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port)).close()  # and this elsewhere.
        self._acceptor.join()
        self._listener.close()
        for sock in list(self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket, stopped: threading.Event) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            if stopped.is_set():
                sock.close()
                return
            self._open.add(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        """Answer one client until it, or the demo, closes the connection."""
        connection = Connection(sock)
        try:
            while (request := connection.read()) is not None and not self._closing.is_set():
                self._answer(connection, request)
        except OSError:
            pass  # The client has gone, or a fault has closed the socket.
        finally:
            self._open.discard(sock)
            sock.close()

    # A call

    def _answer(self, connection: Connection, request: Request) -> None:
        with self.lock:
            call = self._record(request)
            fault = next_fault(self.faults, call)
        if fault and fault.kind == "reset":
            connection.reset()
        elif fault and fault.kind == "silent":
            self._closing.wait()
        elif fault and fault.kind == "status":
            reply = self._sign(call, Reply(fault.code, fault.headers, fault.body))
            connection.write(reply, finished=lambda: self._finish(call, reply))
        else:
            self._carry_out(connection, request, call, fault)

    def _carry_out(
        self, connection: Connection, request: Request, call: Call, fault: Fault | None
    ) -> None:
        taken = False
        with self.lock:
            reply = self._judge(request, call)
            taken = call.kind == "data" and reply is None
        try:
            if reply is None:
                if self.behaviour.latency:
                    self._closing.wait(self.behaviour.latency)
                with self.lock:
                    reply = self._data(call)
        except BaseException:
            if taken:
                self._allowance.give_back()
            raise
        reply = self._compress(call, self._sign(call, reply))

        def finished() -> None:
            self._finish(call, reply, taken=taken)

        if fault:
            finished()
            self._spoil(connection, reply, fault)
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

    def _finish(self, call: Call, reply: Reply, *, taken: bool = False) -> None:
        with self.lock:
            call.status = reply.status
            call.bytes = len(reply.body)
            call.finished = self.clock()
            if taken:
                self._allowance.give_back()

    def _spoil(self, connection: Connection, reply: Reply, fault: Fault) -> None:
        """Write an answer that has been made, but not as it should be."""
        after = int(fault.number)
        if fault.kind == "reset_within":
            connection.write_then_reset(reply, after)
        elif fault.kind == "cut":
            connection.write_cut(reply, after)
        elif fault.kind == "cut_chunked":
            connection.write_cut_chunked(reply, after)
        elif fault.kind == "trickle":
            connection.write_slowly(reply, lambda: self._closing.wait(1 / fault.number))
        else:
            connection.write(_misshape(reply, fault))

    def _sign(self, call: Call, reply: Reply) -> Reply:
        """Give every data answer its correlation id, which an answer's envelope repeats."""
        if call.kind != "data":
            return reply
        headers = {"Xero-Correlation-Id": self._correlation_id(call), **reply.headers}
        return Reply(reply.status, headers, reply.body)

    def _correlation_id(self, call: Call) -> str:
        return self.organisation.company.uid("Calls", call.number)

    def _compress(self, call: Call, reply: Reply) -> Reply:
        accepted = "gzip" in call.headers.get("accept-encoding", "")
        if not (self.behaviour.gzip and accepted and reply.body):
            return reply
        body = gzip.compress(reply.body, 1)
        return Reply(reply.status, {**reply.headers, "Content-Encoding": "gzip"}, body)

    # What a call is answered with; all under the lock

    def _judge(self, request: Request, call: Call) -> Reply | None:
        """Answer everything but a data call that may be carried out, which is counted."""
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
        return self._refuse_data(call, login) or self._allowance.take(self.behaviour, self.clock())

    def _token(self, request: Request, call: Call) -> Reply:
        if request.path.endswith("/revocation"):
            return self.identity.revocation(request.form)
        return self.identity.token_call(call, request.form, self.behaviour)

    def _connections(self, call: Call) -> Reply:
        if call.method != "DELETE":
            return identity.connections(self.behaviour)
        kept = tuple(
            organisation
            for number, organisation in enumerate(self.behaviour.organisations)
            if not call.path.endswith(identity.connection_id(number))
        )
        found = kept != self.behaviour.organisations
        self.behaviour.organisations = kept
        return Reply(204 if found else 404, {}, b"")

    def _refuse_data(self, call: Call, login: identity.Login) -> Reply | None:
        tenant = call.headers.get("xero-tenant-id", "")
        known = {tenant for tenant, _ in self.behaviour.organisations}
        if tenant not in known and not (login.custom_connection and not tenant):
            return identity.problem(403, "Forbidden", "AuthenticationUnsuccessful")
        if call.path in reports.SCOPES:
            allowed = identity.may_read(login, reports.SCOPES[call.path])
            return None if allowed else _FORBIDDEN["scope401"]()
        endpoint = ENDPOINTS.get(_list_path(call.path))
        if endpoint is None:
            return NOT_FOUND
        kind = _detail_of(call.path)
        for name in {endpoint.path, kind} & self.behaviour.forbidden.keys():
            return _FORBIDDEN[self.behaviour.forbidden[name]]()
        scopes = histories.ATTACHMENT_SCOPES if kind == "Attachments" else endpoint.scopes
        if not identity.may_read(login, scopes):
            return _FORBIDDEN["scope401"]()
        return None

    def _data(self, call: Call) -> Reply:
        """Make the answer of a data call that is allowed."""
        if self.before_call:
            self.before_call(self, call)
        if call.path in reports.SCOPES:
            return self._report(call)
        endpoint = _endpoint_of(call)
        if _detail_of(call.path):
            reply = self._detail(endpoint, call)
            return Reply(
                reply.status,
                {**reply.headers, **self._allowance.headers(self.behaviour)},
                reply.body,
            )
        # A client is sent its own last page again, not one that an earlier login was on its way to.
        reader = (endpoint.path, call.params.get("paymentsOnly"), call.headers["authorization"])
        before = self._last_reply.get(reader)
        if call.number in self.behaviour.repeats_page and before:
            return before
        reply = self._list(endpoint, call)
        self._last_reply[reader] = reply
        headers = self._allowance.headers(self.behaviour)
        return Reply(reply.status, {**reply.headers, **headers}, reply.body)

    def _report(self, call: Call) -> Reply:
        if call.path in self._answers:
            return Reply(200, JSON, self._answers[call.path])
        name = call.path.removeprefix("Reports/")
        document = reports.make_report(self.organisation, name, call.params)
        return Reply(
            200, self._allowance.headers(self.behaviour) | JSON, render(document, pretty=True)
        )

    def _detail(self, endpoint: Endpoint, call: Call) -> Reply:
        """Answer for the history or the attachments of one document."""
        _, key, kind, *below = call.path.split("/")
        told = histories.HISTORY_PATHS if kind == "History" else histories.ATTACHMENT_PATHS
        if endpoint.path not in told or len(below) > (kind == "Attachments"):
            return NOT_FOUND
        if below and "octet-stream" in call.headers.get("accept", ""):
            return self._file(endpoint, key, below[0])
        name = f"{endpoint.path}/{kind}"
        if name in self._answers:
            return Reply(200, JSON, self._answers[name])
        try:
            tell = self.organisation.history if kind == "History" else self.organisation.attachments
            rows = tell(endpoint.path, key)
        except KeyError:
            return NOT_FOUND
        pretty = self.behaviour.pretty
        written = [render(row, pretty=pretty, depth=2) for row in rows]
        plural = "HistoryRecords" if kind == "History" else kind
        head = self._head(call)
        body = render_answer(head, plural, render_list(written, pretty=pretty), pretty=pretty)
        return Reply(200, JSON, body)

    def _file(self, endpoint: Endpoint, key: str, uid: str) -> Reply:
        """Answer with the content of an attachment."""
        name = f"{endpoint.path}/Attachments"
        if name in self._answers:
            return Reply(200, FILE, histories.content(uid))
        if key in self.organisation.table(endpoint.path).rows:
            for file in self.organisation.attachments(endpoint.path, key):
                if file["AttachmentID"] == uid:
                    return Reply(200, {"Content-Type": file["MimeType"]}, histories.content(uid))
        return NOT_FOUND

    def _list(self, endpoint: Endpoint, call: Call) -> Reply:
        if "json" not in call.headers.get("accept", ""):
            return Reply(
                200,
                {"Content-Type": "text/xml; charset=utf-8"},
                b"<Response><Status>OK</Status></Response>",
            )
        query = read_query(
            endpoint, call.params, call.headers.get("if-modified-since"), self.behaviour
        )
        if _list_path(call.path) in self._answers:
            return self._fixed(endpoint, query, call)
        table = self.organisation.table(endpoint.path)
        if call.path not in ENDPOINTS:
            return self._one(endpoint, call, query)
        selection = select(endpoint, table, query, self.behaviour, call.number)
        if selection.refused:
            return _bad_request(51, selection.refused, "Too many records; ask for pages")
        if self.behaviour.answers_304 and query.since is not None and not selection.items:
            return Reply(304, {}, b"")
        variant = self._variant(endpoint, query, summary=not selection.paged)
        rows = [self._render(endpoint, row, variant) for row in selection.rows]
        return self._envelope(endpoint, call, rows, selection)

    def _one(self, endpoint: Endpoint, call: Call, query: Query) -> Reply:
        """Answer for one row by its id."""
        row = self.organisation.table(endpoint.path).rows.get(call.path.rpartition("/")[2])
        if row is None:
            return NOT_FOUND
        if endpoint.path == "Budgets":
            budget = reference_lists.budget_with_lines(
                self.organisation.company, row.read(), call.params
            )
            written = render(budget, pretty=self.behaviour.pretty, depth=2)
            return self._envelope(endpoint, call, [written], None)
        variant = self._variant(endpoint, query, summary=False)
        return self._envelope(endpoint, call, [self._render(endpoint, row, variant)], None)

    def _variant(self, endpoint: Endpoint, query: Query, *, summary: bool) -> Variant:
        return Variant(
            pretty=self.behaviour.pretty,
            exact_prices=query.exact_prices,
            summary=summary and endpoint.paging == "counted",
            archived=query.archived,
            nulls_as_empty_lists=self.behaviour.nulls_as_empty_lists,
        )

    def _render(self, endpoint: Endpoint, row: Row, variant: Variant) -> bytes:
        if row.rendered is None:
            row.rendered = {}
        if variant not in row.rendered:
            row.rendered[variant] = render_row(endpoint, row, variant)
            self._kept += len(row.rendered[variant])
            if self._kept > KEPT_BYTES:
                return self._forget_rendered(row, variant)
        return row.rendered[variant]

    def _forget_rendered(self, last: Row, variant: Variant) -> bytes:
        text = last.rendered[variant] if last.rendered else b""
        self.organisation.forget_rendered()
        self._kept = 0
        return text

    def _envelope(
        self, endpoint: Endpoint, call: Call, rows: list[bytes], selection: Selection | None
    ) -> Reply:
        head = self._head(call)
        kind = self.behaviour.pagination
        if selection and selection.paged and endpoint.paging == "counted" and kind != "missing":
            head["pagination"] = pagination(selection, kind)
        pretty = self.behaviour.pretty
        written = render_list(rows, pretty=pretty)
        if not rows and self.behaviour.empty_list_as_null:
            written = b"null"
        return Reply(200, JSON, render_answer(head, endpoint.plural, written, pretty=pretty))

    def _head(self, call: Call) -> Document:
        return {
            "Id": self._correlation_id(call),
            "Status": "OK",
            "ProviderName": "Demo",
            "DateTimeUTC": f"/Date({self._now()})/",
        }

    def _fixed(self, endpoint: Endpoint, query: Query, call: Call) -> Reply:
        """Give ready-made bytes for the first page, and an empty list for those behind it."""
        if query.offset or (query.page or 1) > 1:
            return self._envelope(endpoint, call, [], None)
        return Reply(200, JSON, self._answers[_list_path(call.path)])

    def _fixed_answers(
        self, examples: str | None, answers: Mapping[str, bytes]
    ) -> dict[str, bytes]:
        fixed = {}
        if examples:
            from tap_xero.demo.examples import read_examples

            fixed = {
                path: layout(text, pretty=self.behaviour.pretty)
                for path, text in read_examples(examples).items()
            }
        return fixed | {
            name if name in reports.SCOPES or _is_detail(name) else find_endpoint(name).path: text
            for name, text in answers.items()
        }

    def _now(self) -> int:
        return int(self.clock() * 1000)


_FULL_READ = Query(None, 1, 1000, 0, None, archived=False, deleted=False, exact_prices=True)


def _kind_of(path: str) -> str:
    if path.startswith(API):
        return "data"
    if path.startswith("/connections"):
        return "connections"
    if path in {"/connect/token", "/connect/revocation"}:
        return "token"
    return "authorize" if path == "/identity/connect/authorize" else "unknown"


def _list_path(path: str) -> str:
    """Give the list that a path asks for, also where it asks for one row of it."""
    return path if path in ENDPOINTS else path.partition("/")[0]


def _detail_of(path: str) -> str:
    """Give `History` or `Attachments` where a path asks for these of one document, else nothing."""
    parts = path.split("/")
    return parts[2] if len(parts) > 2 and parts[2] in _DETAILS else ""  # noqa: PLR2004


def _is_detail(name: str) -> bool:
    """Say whether fixed answers of this name, such as `Invoices/History`, are for any document."""
    return name.partition("/")[2] in _DETAILS


def _endpoint_of(call: Call) -> Endpoint:
    cash = call.path == "Journals" and call.params.get("paymentsOnly", "").lower() == "true"
    return ENDPOINTS[CASH_JOURNALS if cash else _list_path(call.path)]


def _misshape(reply: Reply, fault: Fault) -> Reply:
    if fault.kind == "broken_json":
        return Reply(reply.status, reply.headers, reply.body[: len(reply.body) // 2])
    if fault.kind == "wrong_content_type":
        return Reply(reply.status, {**reply.headers, **TEXT}, reply.body)
    if fault.kind == "bad_gzip":
        return Reply(reply.status, {**reply.headers, "Content-Encoding": "gzip"}, reply.body)
    if fault.kind == "bad_utf8":
        return Reply(
            reply.status,
            reply.headers,
            reply.body.replace(b'ID": "', b'ID": "\xff\xfe', 1).replace(
                b'ID":"', b'ID":"\xff\xfe', 1
            ),
        )
    raise ValueError(f"no such fault: {fault.kind}")


def _bad_request(number: int, kind: str, message: str) -> Reply:
    body = f'{{"ErrorNumber":{number},"Type":"{kind}","Message":"{message}"}}'
    return Reply(400, JSON, body.encode())
