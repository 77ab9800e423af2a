"""Calls to Xero's Accounting API: send, judge the answer, try again or say what is wrong.

Every status leads to one of four results: an answer, another try (the only retry layer is
`retries`), the end of this stream, or the end of the run. The client stores an error that ends the
run, so that other threads make no more calls: after the day's limit every call would fail.

When a call has used up its tries, what other calls met decides: if one succeeded meanwhile, or
one more call to something else does, this stream alone ends; if not, Xero is out of reach.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from singer import metrics

from tap_xero.clock import Clock
from tap_xero.errors import (
    DayLimitError,
    GoneError,
    MissingScopeError,
    OrganisationError,
    SkipStreamError,
    SlowAnswerError,
    StopRunError,
    StreamError,
    UnreachableError,
)
from tap_xero.login.auth import Bearer, XeroAuth
from tap_xero.transport import error_answers
from tap_xero.transport.exchange import Reply, Request, Transport
from tap_xero.transport.json_text import one_line
from tap_xero.transport.pacing import Pacer
from tap_xero.transport.retries import (
    BUSY,
    FAULT,
    LIMIT,
    TIMEOUT,
    GaveUpError,
    TransientError,
    retry,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import NoReturn

    from typing_extensions import Self

    from tap_xero.config import Config

LOGGER = logging.getLogger(__name__)

EMPTY = b"{}"
# The tap asks for smaller pages only if a page has more records than this.
SMALLEST_PAGE = 50
# After this many slow tries in a row the tap asks for smaller pages.
_SLOW_TRIES = 2
# How long the end of a run waits for a new refresh token to be saved.
SETTLE_SECONDS = 1.4


@dataclass(frozen=True)
class Answer:
    """A list, or a file, as Xero sent it.

    `body` is one valid JSON object on one line, `{}` where Xero had nothing to say (304, 204), or
    the bytes of the file; `received` is when it was complete, aware UTC, `seconds` how long after
    it was asked for; `size` is in bytes, as packed on the wire.
    """

    body: bytes = field(repr=False)
    headers: Mapping[str, str]
    received: datetime
    size: int = 0
    seconds: float = 0.0


@dataclass
class Usage:
    """Number of data calls, and the compressed bytes of their answers."""

    calls: int = 0
    size: int = 0

    def add(self, size: int) -> None:
        """Count a call whose answer had `size` bytes."""
        self.calls += 1
        self.size += size


@dataclass
class _Call:
    """What is asked for, what makes the body of a good reply, and how slow the last one was.

    `slow` counts how often in a row it was too slow, `slow_since` is when the first of these began
    on the monotonic clock, `seconds` is what the last try took.
    """

    path: str
    headers: Mapping[str, str]
    params: Mapping[str, str]
    body: Callable[[Reply], bytes]
    slow: int = 0
    slow_since: float = 0.0
    seconds: float = 0.0

    @property
    def can_be_smaller(self) -> bool:
        return int(self.params.get("pageSize", "0")) > SMALLEST_PAGE


class XeroApp:
    """What the clients of all organisations share; one a process. Close it at the end.

    `auth` is the login, `pacer` keeps Xero's limit on the calls of the whole app, `last_success`
    is when any call last succeeded, on the monotonic clock. `default_scopes` are what a Custom
    Connection asks for when the config does not say.
    """

    def __init__(
        self, config: Config, clock: Clock | None = None, default_scopes: str = ""
    ) -> None:
        self.clock = clock or Clock()
        self.transport = Transport(config.user_agent, self.clock)
        self.auth = XeroAuth(config, self.transport, self.clock, default_scopes)
        per_minute = config.app_calls_per_minute
        self.pacer = Pacer(per_minute, per_minute, self.clock, "X-AppMinLimit-Remaining")
        self.last_success = float("-inf")

    def close(self) -> None:
        """Close idle connections; a token being renewed gets a second to be saved."""
        self.auth.settle(SETTLE_SECONDS)
        self.transport.close()


class Client:
    """Reads lists from one organisation; safe to use from several threads. Close it at the end.

    Without `app` it has a login of its own, which asks for `default_scopes` as XeroApp says. In a
    run over many organisations their clients share an `app`, which the caller closes, and each has
    its `tenant_id`.
    """

    def __init__(
        self,
        config: Config,
        clock: Clock | None = None,
        default_scopes: str = "",
        *,
        app: XeroApp | None = None,
        tenant_id: str | None = None,
    ) -> None:
        self._config = config
        self._owns_app = app is None
        self._app = app or XeroApp(config, clock, default_scopes)
        self.clock = self._app.clock
        self._tenant_id = tenant_id
        self.auth = self._app.auth
        self.pacer = Pacer(config.calls_per_minute, config.max_concurrency, self.clock)
        self._lock = threading.Lock()
        self.usage = Usage()
        self._last_success = float("-inf")
        self._stop: StopRunError | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the login and its connections, unless other clients share them."""
        if self._owns_app:
            self._app.close()

    def tenant_id(self) -> str | None:
        """Id of the organisation to read; None for a Custom Connection, which has just one.

        Raises what `XeroAuth.tenant_id` raises.
        """
        return self._tenant_id or self.auth.tenant_id()

    def get(self, path: str, *, modified_since: str | None = None, **params: str) -> Answer:
        """Return the list at `path` below /api.xro/2.0/, such as `Invoices`.

        `modified_since` is sent as If-Modified-Since, as it is. Raises, when patience is over:
        SlowAnswerError to ask for smaller pages, SkipStreamError when this login may not read the
        path, GoneError when there is no such path, StreamError when only this path fails, and to
        end the run AuthorizeError, DayLimitError and UnreachableError.
        """
        if modified_since is None:
            return self._answer(_Call(path, {}, params, _something))
        headers = {"If-Modified-Since": modified_since}
        return self._answer(_Call(path, headers, params, _json_or_nothing))

    def get_one(self, path: str, **params: str) -> Answer:
        """Return the answer for `path`, such as `Invoices/…/History`; it may be empty.

        Raises what `get` raises.
        """
        return self._answer(_Call(path, {}, params, _json_or_nothing))

    def get_file(self, path: str, media_type: str, length: int | None = None) -> Answer:
        """Return the file at `path`, such as `Invoices/…/Attachments/…`, its bytes as they are.

        Xero wants its media type as a parameter (Xero OpenAPI 16.1.0, parameter ContentType).
        `length` is how many bytes Xero says it has; a file of another length is asked for again.
        Raises what `get` raises, except SlowAnswerError.
        """
        headers = {"Accept": "application/octet-stream", "contentType": media_type}
        return self._answer(_Call(path, headers, {}, _file_check(path, media_type, length)))

    def _answer(self, call: _Call) -> Answer:
        try:
            return self._patiently(call)
        except StopRunError as error:
            self._stop = error
            raise

    def _patiently(self, call: _Call) -> Answer:
        try:
            return retry(partial(self._try, call), call.path, self.clock)
        except GaveUpError as error:
            if self._last_success > error.since or self._is_reachable():
                raise StreamError(f"{call.path}: {error}") from error
            raise self._out_of_reach(call, str(error), error.since) from error

    def _try(self, call: _Call) -> Answer:
        try:
            reply = self.auth.with_token(partial(self._send, call))
            answer = self._judge(call, reply)
        except TransientError as error:
            self._count_slow(call, error)
            raise
        self._last_success = self._app.last_success = self.clock.monotonic()
        return answer

    def _send(self, call: _Call, token: str) -> Reply:
        request = Request(
            f"{self._config.api_url}/api.xro/2.0/{call.path}",
            Bearer(token, self.tenant_id()),
            call.headers,
            call.params,
        )
        with self.pacer as entered, self._app.pacer as entered_app:
            self._raise_if_stopped()
            reply = self._measured(request, call)
        if reply.status != error_answers.TOO_MANY:
            self.pacer.learn(reply.headers, entered)
            self._app.pacer.learn(reply.headers, entered_app)
        return reply

    def _measured(self, request: Request, call: _Call) -> Reply:
        """Send the request; count and time it even if it fails."""
        started = self.clock.monotonic()
        reply = None
        try:
            reply = self._app.transport.send(request, self._config.request_timeout)
        finally:
            status = reply.status if reply else None
            outcome = metrics.Status.succeeded if status in _GOOD else metrics.Status.failed
            tags = {"endpoint": call.path, "http_status_code": status, "status": outcome}
            call.seconds = self.clock.monotonic() - started
            point = metrics.Point("timer", "http_request_duration", call.seconds, tags)
            metrics.log(LOGGER, point)
            with self._lock:
                self.usage.add(reply.size if reply else 0)
        return reply

    def _raise_if_stopped(self) -> None:
        if self._stop:
            raise self._stop

    def _count_slow(self, call: _Call, error: TransientError) -> None:
        """Raise SlowAnswerError when a large page was too slow twice, while other calls succeeded.

        If Xero answers no call at all, a smaller page would not help.
        """
        now = self.clock.monotonic()
        if not error.is_slow:
            call.slow = 0
            return
        call.slow += 1
        call.slow_since = now - call.seconds if call.slow == 1 else call.slow_since
        if call.slow < _SLOW_TRIES or not call.can_be_smaller:
            return
        if self._answers_others(call):
            size = call.params["pageSize"]
            raise SlowAnswerError(
                f"{call.path}: {error}, twice in a row for {size} records a page"
            ) from error
        if error.patience is TIMEOUT:
            raise self._out_of_reach(call, str(error), call.slow_since) from error

    def _answers_others(self, call: _Call) -> bool:
        """Whether Xero has answered another call since this one became slow, or answers one now."""
        if self._last_success > call.slow_since:
            return True
        return call.slow == _SLOW_TRIES and self._is_reachable()

    def _out_of_reach(self, call: _Call, problem: str, since: float) -> StopRunError:
        """Return the error for no answer since `since`, from one organisation or from Xero."""
        kind = OrganisationError if self._app.last_success > since else UnreachableError
        return kind(
            f"Xero cannot be reached: {call.path}: {problem}; what was read is kept, "
            "run again later"
        )

    def _judge(self, call: _Call, reply: Reply) -> Answer:
        """Return the answer in a reply, or raise the error that its status means."""
        now = self.clock.now()
        if reply.status in _GOOD:
            return Answer(call.body(reply), reply.headers, now, reply.size, call.seconds)
        limit = error_answers.rate_limit(reply, now)
        if limit:
            self._raise_limit(limit, now)
        said = error_answers.explanation(reply)
        if reply.status in (401, 403):
            self._raise_forbidden(call.path, reply, said)
        if error_answers.is_passing(reply.status):
            after = error_answers.retry_after(reply.headers, now)
            is_slow = reply.status == _GATEWAY_TIMEOUT
            raise TransientError(f"status {reply.status}, {said}", after=after, is_slow=is_slow)
        error = GoneError if reply.status in _GONE else StreamError
        raise error(f"{call.path}: {_meaning(reply.status, said)}")

    def _raise_limit(self, limit: error_answers.RateLimit, now: datetime) -> NoReturn:
        """End the run at the day's limit, pause all calls at a minute's limit, else try again."""
        if limit.kind == "day":
            lifts_at = None if limit.after is None else now + timedelta(seconds=limit.after)
            raise DayLimitError(
                "Xero's limit of calls a day for this organisation is reached; "
                f"{_lifting(lifts_at)}; what was read is kept, run again then",
                lifts_at,
            )
        if limit.kind == "concurrent":
            raise TransientError("limit of calls at once reached", BUSY, after=limit.after)
        if limit.kind == "unknown":
            raise TransientError("an unnamed limit of calls reached", FAULT, after=limit.after)
        wait = min(LIMIT.first if limit.after is None else limit.after, LIMIT.longest)
        pacer = self._app.pacer if limit.kind == "appminute" else self.pacer
        pacer.pause(wait)
        raise TransientError(f"{limit.kind} limit of calls reached", LIMIT, after=wait)

    def _raise_forbidden(self, path: str, reply: Reply, said: str) -> NoReturn:
        if reply.status == _FORBIDDEN and error_answers.refuses_tenant(reply):
            self.auth.confirm_tenant(self.tenant_id())
            # This refusal was seen to be temporary (hotglue's tap-xero, commit 0ea3bde).
            raise TransientError(f"refused, though the login reaches the organisation: {said}")
        if reply.status == _FORBIDDEN:
            raise SkipStreamError(f"{path}: not allowed for this login: {said}")
        raise MissingScopeError(f"{path}: a scope is missing for this login: {said}")

    def _is_reachable(self) -> bool:
        """Whether Xero answers one small call to a list that always exists."""
        probe = _Call("Organisation", {}, {}, _json_body)
        try:
            self._judge(probe, self.auth.with_token(partial(self._send, probe)))
        except TransientError:
            return False
        except StreamError:  # a refusal is an answer
            return True
        return True


_OK = 200
_GOOD = frozenset({_OK, 204, 304})
_NOTHING = frozenset({204, 304})
_GONE = frozenset({404, 410})
_FORBIDDEN = 403
_GATEWAY_TIMEOUT = 504
_MEANINGS = {
    404: "Xero does not know this path",
    410: "Xero has removed this path",
    501: "Xero does not implement this",
}


def _meaning(status: int, said: str) -> str:
    if "HighVolume" in said or "extremely high volume" in said:
        return f"Xero refuses to list this many records without paging: {said}"
    return f"{_MEANINGS.get(status, f'refused with status {status}')}: {said}"


def _file_check(path: str, media_type: str, length: int | None) -> Callable[[Reply], bytes]:
    """Return what takes the file out of a reply, or raises TransientError if it is none.

    A file whose length is wrong twice, with the same bytes, is taken: then the length that Xero
    says is untrue.
    """
    wrong: list[bytes] = []

    def file(reply: Reply) -> bytes:
        kind = reply.headers.get("Content-Type", "").split(";")[0].strip().lower()
        if reply.status != _OK:
            raise TransientError(f"status {reply.status} with nothing in place of a file")
        if kind != media_type.lower() and ("html" in kind or "json" in kind):
            raise TransientError(f"status 200 with {kind[:40]!r} in place of a file")
        if length in (None, len(reply.body)):
            return reply.body
        if wrong[-1:] != [reply.body]:
            wrong[:] = [reply.body]
            raise TransientError(f"{len(reply.body)} bytes in place of a file of {length}")
        LOGGER.warning(
            "%s: Xero says that the file has %d bytes, and sent the same %d twice: they are kept",
            path,
            length,
            len(reply.body),
        )
        return reply.body

    return file


def _json_or_nothing(reply: Reply) -> bytes:
    return EMPTY if reply.status in _NOTHING else _json_body(reply)


def _something(reply: Reply) -> bytes:
    """Return the body; an empty one is retried: it would delete all rows of a full table."""
    body = _json_or_nothing(reply)
    if body == EMPTY:
        raise TransientError(f"status {reply.status} with nothing in place of a whole list")
    return body


def _json_body(reply: Reply) -> bytes:
    kind = reply.headers.get("Content-Type", "json").split(";")[0]
    if "json" not in kind.lower():
        raise TransientError(f"status 200 with {kind[:40]!r} in place of JSON")
    try:
        body = one_line(reply.body)
    except ValueError:
        raise TransientError("status 200 with an answer that is empty or not JSON") from None
    if not body.startswith(b"{"):
        raise TransientError("status 200 with JSON that is not an object")
    if body == EMPTY:
        raise TransientError("status 200 with an empty object")
    return body


def _lifting(lifts_at: datetime | None) -> str:
    if lifts_at is None:
        return "Xero does not say when it lifts; it lifts in 24 hours at the latest"
    local = lifts_at.astimezone()
    return f"it lifts at {lifts_at:%Y-%m-%d %H:%M} UTC ({local:%Y-%m-%d %H:%M} local time)"
