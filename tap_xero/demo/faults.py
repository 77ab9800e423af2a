"""What can go wrong on the wire, as a script that the server follows.

A fault says how one call is spoiled; a planned fault says which calls: the n-th from now of its
kind, or those that a test picks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_xero.demo.calls import Call

HTML_PAGE = b"<!DOCTYPE html><html><head><title>Xero | Error 500</title></head><body></body></html>"


@dataclass(frozen=True)
class Fault:
    """One way in which a call is spoiled; made by the constructors below.

    `kind` names the way; `number` is a count of bytes (or bytes a second for "trickle").
    """

    kind: str
    code: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    number: float = 0

    @classmethod
    def status(
        cls, code: int, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Fault:
        """Answer with a status and body in place of the real answer."""
        return cls("status", code=code, headers=headers or {}, body=body)

    @classmethod
    def reset(cls, after: int | None = None) -> Fault:
        """Reset the connection: before the call is carried out, or `after` bytes of the answer."""
        return cls("reset") if after is None else cls("reset_within", number=after)

    @classmethod
    def lost(cls) -> Fault:
        """Carry out the call, then reset the connection: a token is rotated, its answer is lost."""
        return cls("reset_within", number=0)

    @classmethod
    def silent(cls) -> Fault:
        """Take the request and never answer, until the demo closes."""
        return cls("silent")

    @classmethod
    def trickle(cls, bytes_per_second: float) -> Fault:
        """Answer at a snail's pace."""
        return cls("trickle", number=bytes_per_second)

    @classmethod
    def cut(cls, after: int = 100) -> Fault:
        """Promise the whole Content-Length, send `after` bytes of the body and close."""
        return cls("cut", number=after)

    @classmethod
    def cut_chunked(cls, after: int = 100) -> Fault:
        """Answer in chunks and close in the middle of one, `after` bytes into the body."""
        return cls("cut_chunked", number=after)

    @classmethod
    def broken_json(cls) -> Fault:
        """Answer 200 with JSON that ends in the middle, its length right."""
        return cls("broken_json")

    @classmethod
    def html200(cls) -> Fault:
        """Answer 200 with a page of HTML."""
        return cls("status", code=200, headers={"Content-Type": "text/html"}, body=HTML_PAGE)

    @classmethod
    def wrong_content_type(cls) -> Fault:
        """Give the right answer as text/html."""
        return cls("wrong_content_type")

    @classmethod
    def empty_body(cls) -> Fault:
        """Answer 200 with nothing."""
        return cls("status", code=200, headers={"Content-Type": "application/json"})

    @classmethod
    def bad_gzip(cls) -> Fault:
        """Call the answer gzip although it is not."""
        return cls("bad_gzip")

    @classmethod
    def bad_utf8(cls) -> Fault:
        """Put bytes that are not UTF-8 into the first string of a row."""
        return cls("bad_utf8")

    @classmethod
    def redirect(cls, location: str, code: int = 302) -> Fault:
        """Send the client elsewhere."""
        return cls("status", code=code, headers={"Location": location})

    @classmethod
    def invalid_grant(cls) -> Fault:
        """Refuse a token as dead."""
        return cls.status(400, {"Content-Type": "application/json"}, b'{"error":"invalid_grant"}')


@dataclass
class PlannedFault:
    """A fault and the calls it is meant for: `skip` more of its kind pass first."""

    fault: Fault
    kind: str
    picks: Callable[[Call], bool] | None
    skip: int
    times: int | None

    def strikes(self, call: Call) -> bool:
        """Say whether this call is spoiled; each call is asked about once."""
        if call.kind != self.kind or self.times == 0:
            return False
        if self.picks is not None and not self.picks(call):
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


def next_fault(planned: list[PlannedFault], call: Call) -> Fault | None:
    """Find the fault that spoils a call; where several would, the one planned first."""
    struck = [each for each in planned if each.strikes(call)]
    return struck[0].fault if struck else None
