"""The Accounting API: a data call and the books of its tenant in, an answer out.

Nothing here knows of sockets, threads, limits or faults.  The server holds its lock around each
call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_xero.demo import identity
from tap_xero.demo.books import histories, reference_lists, reports
from tap_xero.demo.books.company import Company
from tap_xero.demo.books.organisation import Organisation
from tap_xero.demo.calls import Call, Reply
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
    from collections.abc import Callable, Mapping

    from tap_xero.demo.behaviour import Behaviour
    from tap_xero.demo.books.tables import Row
    from tap_xero.demo.tenants import Tenant
    from tap_xero.demo.xero_json import Document

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


class AccountingApi:
    """Answers data calls.  Not locked, the server does that.

    company: the company whose books all tenants without a size share.  now: milliseconds since the
    epoch.  answers: path to the exact
    bytes of its (first page's) answer; examples: path of an API description whose example answers
    are served in place of the books.
    """

    def __init__(
        self,
        company: Company,
        behaviour: Behaviour,
        now: Callable[[], int],
        *,
        examples: str | None,
        answers: Mapping[str, bytes],
    ) -> None:
        self.behaviour = behaviour
        self.organisation = Organisation(company)
        self._now = now
        self._own_books: dict[str, Organisation] = {}
        self._answers = self._fixed_answers(examples, answers)
        self._last_reply: dict[tuple[str | None, ...], Reply] = {}
        self._kept = 0

    def books(self, tenant: Tenant) -> Organisation:
        """Give the books of a tenant; they are made on first use."""
        if tenant.size is None:
            return self.organisation
        if tenant.tenant_id not in self._own_books:
            now = self.organisation.company.now
            company = Company(tenant.seed, tenant.size, now, name=tenant.name)
            self._own_books[tenant.tenant_id] = Organisation(company)
        return self._own_books[tenant.tenant_id]

    def correlation_id(self, call: Call) -> str:
        """Give the id of an answer."""
        return self.organisation.company.uid("Calls", call.number)

    def render_all(self, name: str) -> None:
        """Write all rows of a list ahead of time, as a paged read with unitdp=4 gets them."""
        endpoint = ENDPOINTS[name]
        variant = self._variant(endpoint, _FULL_READ, summary=False)
        for row in self.organisation.table(name).rows.values():
            self._render(endpoint, row, variant)

    def refuse(self, call: Call, login: identity.Login) -> Reply | None:
        """Refuse a call whose path is unknown or whose login lacks the scope."""
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

    def answer(self, call: Call, tenant: Tenant) -> Reply:
        """Make the answer of a data call that is allowed."""
        books = self.books(tenant)
        if call.path in reports.SCOPES:
            return self._report(books, call)
        endpoint = _endpoint_of(call)
        if _detail_of(call.path):
            return self._detail(books, endpoint, call)
        # A client is sent its own last page again, not one that an earlier login was on its way to.
        login = call.headers["authorization"]
        reader = (tenant.tenant_id, endpoint.path, call.params.get("paymentsOnly"), login)
        before = self._last_reply.get(reader)
        if call.number in self.behaviour.repeats_page and before:
            return before
        reply = self._last_reply[reader] = self._list(books, endpoint, call)
        return reply

    def _report(self, books: Organisation, call: Call) -> Reply:
        if call.path in self._answers:
            return Reply(200, JSON, self._answers[call.path])
        name = call.path.removeprefix("Reports/")
        document = reports.make_report(books, name, call.params)
        return Reply(200, JSON, render(document, pretty=True))

    def _detail(self, books: Organisation, endpoint: Endpoint, call: Call) -> Reply:
        """Answer for the history or the attachments of one document."""
        _, key, kind, *below = call.path.split("/")
        told = histories.HISTORY_PATHS if kind == "History" else histories.ATTACHMENT_PATHS
        if endpoint.path not in told or len(below) > (kind == "Attachments"):
            return NOT_FOUND
        if below and "octet-stream" in call.headers.get("accept", ""):
            return self._file(books, endpoint, key, below[0])
        name = f"{endpoint.path}/{kind}"
        if name in self._answers:
            return Reply(200, JSON, self._answers[name])
        try:
            tell = books.history if kind == "History" else books.attachments
            rows = tell(endpoint.path, key)
        except KeyError:
            return NOT_FOUND
        pretty = self.behaviour.pretty
        written = [render(row, pretty=pretty, depth=2) for row in rows]
        plural = "HistoryRecords" if kind == "History" else kind
        head = self._head(call)
        body = render_answer(head, plural, render_list(written, pretty=pretty), pretty=pretty)
        return Reply(200, JSON, body)

    def _file(self, books: Organisation, endpoint: Endpoint, key: str, uid: str) -> Reply:
        """Answer with the content of an attachment."""
        name = f"{endpoint.path}/Attachments"
        if name in self._answers:
            return Reply(200, FILE, histories.content(uid))
        if key in books.table(endpoint.path).rows:
            for file in books.attachments(endpoint.path, key):
                if file["AttachmentID"] == uid:
                    return Reply(200, {"Content-Type": file["MimeType"]}, histories.content(uid))
        return NOT_FOUND

    def _list(self, books: Organisation, endpoint: Endpoint, call: Call) -> Reply:
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
        table = books.table(endpoint.path)
        if call.path not in ENDPOINTS:
            return self._one(books, endpoint, call, query)
        selection = select(endpoint, table, query, self.behaviour, call.number)
        if selection.refused:
            return _bad_request(51, selection.refused, "Too many records; ask for pages")
        if self.behaviour.answers_304 and query.since is not None and not selection.items:
            return Reply(304, {}, b"")
        variant = self._variant(endpoint, query, summary=not selection.paged)
        rows = [self._render(endpoint, row, variant) for row in selection.rows]
        return self._envelope(endpoint, call, rows, selection)

    def _one(self, books: Organisation, endpoint: Endpoint, call: Call, query: Query) -> Reply:
        """Answer for one row by its id."""
        row = books.table(endpoint.path).rows.get(call.path.rpartition("/")[2])
        if row is None:
            return NOT_FOUND
        if endpoint.path == "Budgets":
            budget = reference_lists.budget_with_lines(books.company, row.read(), call.params)
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
        for books in (self.organisation, *self._own_books.values()):
            books.forget_rendered()
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
        head: Document = {
            "Id": self.correlation_id(call),
            "Status": "OK",
            "ProviderName": "Demo",
        }
        if self.behaviour.tells_time:
            head["DateTimeUTC"] = f"/Date({self._now()})/"
        return head

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


_FULL_READ = Query(None, 1, 1000, 0, None, archived=False, deleted=False, exact_prices=True)


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


def _bad_request(number: int, kind: str, message: str) -> Reply:
    body = f'{{"ErrorNumber":{number},"Type":"{kind}","Message":"{message}"}}'
    return Reply(400, JSON, body.encode())
