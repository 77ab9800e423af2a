"""Every fault the tap has been put through, and what must come of it.

The one table behind the tests of faults and behind the table in docs/faults.md.
`python -m tests.support.fault_table` writes those anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from tap_xero.demo import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parent.parent.parent


class Outcome(Enum):
    """How a run ends, in the words of the documents."""

    SURVIVED = "every record arrives, exit 0"
    STREAM_ENDS = "the stream ends, the others complete, exit 1"
    SKIPPED = "the stream is skipped, the others complete, exit 1 if the catalog selected it"
    RUN_ENDS = "the run ends, state kept, exit 1"


@dataclass(frozen=True)
class Row:
    """A fault, or several that are one to the tap.

    `faults` are the ways in which it was tried, by name; `tap` is what the tap does; `says` is
    a pattern for the line in the log, or in the error, of which there is one for each fault.
    `is_slow` faults are tried with a short request_timeout.
    """

    name: str
    faults: Mapping[str, Fault]
    tap: str
    outcome: Outcome
    says: str
    is_slow: bool = False


def limited(problem: str, after: str = "", **headers: str) -> Fault:
    """Answer 429 with X-Rate-Limit-Problem and Retry-After where they are not empty."""
    given = {"X-Rate-Limit-Problem": problem, "Retry-After": after}
    return Fault.status(429, {key: text for key, text in given.items() if text} | headers)


def refused(status: int, body: bytes, **headers: str) -> Fault:
    """Answer with a status and a body in JSON."""
    return Fault.status(status, {"Content-Type": "application/json", **headers}, body)


TOKEN_EXPIRED = b'{"Title":"Unauthorized","Detail":"TokenExpired: token expired at 01/07/2026"}'
HIGH_VOLUME = b'{"ErrorNumber":51,"Type":"HighVolumeException","Message":"Too many documents"}'
INVALID = (
    b'{"ErrorNumber":10,"Type":"ValidationException","Message":"A validation exception",'
    b'"Elements":[{"ValidationErrors":[{"Message":"Invalid order clause"}]}]}'
)
AGAIN = "asks again after 1, 2, 4 … 60 s (or Retry-After), 8 times in all"

# Faults of data calls that pass.
PASSING = (
    Row(
        "429 for the minute",
        {
            "minute": limited("minute", "9"),
            "app's minute": limited("appminute", "20"),
            "without Retry-After": limited("minute"),
            "odd Retry-After": limited("minute", "soon"),
            "negative Retry-After": limited("minute", "-5"),
            "huge Retry-After": limited("minute", "1790000000000"),
            "date as Retry-After": limited("minute", "Wed, 01 Jul 2026 12:00:30 GMT"),
            "with 503": Fault.status(503, {"X-Rate-Limit-Problem": "minute", "Retry-After": "3"}),
        },
        "holds all calls back for Retry-After (60 s without, at most 120 s) and asks again, 15 "
        "times in all",
        Outcome.SURVIVED,
        "minute limit of calls reached; trying again in",
    ),
    Row(
        "429 for too many calls at once",
        {"concurrent": limited("concurrent")},
        "asks again after 0.5 to 5 s, 30 times in all",
        Outcome.SURVIVED,
        "limit of calls at once reached; trying again in",
    ),
    Row(
        "429 of no known kind",
        {"unknown": limited("lunar"), "bare": limited(""), "after 40 s": limited("", "40")},
        AGAIN,
        Outcome.SURVIVED,
        "an unnamed limit of calls reached; trying again in",
    ),
    Row(
        "408, 500, 502, 503, 504, 520",
        {
            **{str(status): Fault.status(status) for status in (408, 500, 502, 503, 504, 520)},
            "500 as HTML": Fault.status(500, {"Content-Type": "text/html"}, b"<html>Xero</html>"),
            "503 with Retry-After": Fault.status(503, {"Retry-After": "7"}),
        },
        AGAIN,
        Outcome.SURVIVED,
        r"status (408|5\d\d), .*; trying again in",
    ),
    Row(
        "connection reset or closed",
        {
            "reset": Fault.reset(),
            "within the headers": Fault.reset(after=20),
            "within the body": Fault.reset(after=260),
            "lost": Fault.lost(),
        },
        AGAIN,
        Outcome.SURVIVED,
        "(connection (reset|closed)|answer cut short).*; trying again in",
    ),
    Row(
        "no whole answer within `request_timeout`",
        {"silent": Fault.silent(), "trickle": Fault.trickle(40)},
        "cuts the connection, even if single bytes still arrive, and asks again, 3 times in all",
        Outcome.SURVIVED,
        "no complete answer within .* s; trying again in",
        is_slow=True,
    ),
    Row(
        "answer cut short",
        {"cut": Fault.cut(), "in a chunk": Fault.cut_chunked()},
        AGAIN,
        Outcome.SURVIVED,
        "answer cut short; trying again in",
    ),
    Row(
        "200 with broken JSON, HTML, another type, broken gzip or nothing",
        {
            "broken JSON": Fault.broken_json(),
            "HTML": Fault.html200(),
            "content type": Fault.wrong_content_type(),
            "gzip": Fault.bad_gzip(),
            "nothing": Fault.empty_body(),
        },
        AGAIN,
        Outcome.SURVIVED,
        "(status 200 with|gzip is broken).*; trying again in",
    ),
    Row(
        "redirect",
        {
            "302": Fault.redirect("https://login.example/"),
            "307": Fault.redirect("http://[", 307),
        },
        f"never follows it, so no token goes elsewhere; {AGAIN}",
        Outcome.SURVIVED,
        "status 30[27], a redirect, which is not followed.*; trying again in",
    ),
    Row(
        "403 for an organisation that the login reaches",
        {"403": refused(403, b'{"Detail":"AuthenticationUnsuccessful"}')},
        f"looks at /connections; {AGAIN}",
        Outcome.SURVIVED,
        "though the login reaches the organisation.*; trying again in",
    ),
)
# An access token that Xero refuses, once.
EXPIRED = Row(
    "401 for an expired or withdrawn token",
    {
        "expired": refused(401, TOKEN_EXPIRED),
        "withdrawn": refused(401, b"", **{"WWW-Authenticate": "Bearer error=invalid_token"}),
    },
    "renews it, once for all streams, and asks again at once",
    Outcome.SURVIVED,
    "",
)
# Faults that are of one stream.
OF_A_STREAM = (
    Row(
        "400 for an invalid request",
        {
            "validation": refused(400, INVALID),
            "not JSON": Fault.status(400, {"Content-Type": "text/html"}, b"<title>Bad</title>"),
        },
        "gives Xero's words and correlation id",
        Outcome.STREAM_ENDS,
        r"refused with status 400: .*(Invalid order clause|Bad).*\(Xero correlation id [-\w]+\)",
    ),
    Row(
        "400 HighVolumeException",
        {"high volume": refused(400, HIGH_VOLUME)},
        "gives Xero's words and correlation id",
        Outcome.STREAM_ENDS,
        r"Xero refuses to list this many records.*HighVolumeException.*\(Xero correlation id",
    ),
    Row(
        "404, 410, 501",
        {str(status): Fault.status(status) for status in (404, 410, 501)},
        "gives Xero's words and correlation id",
        Outcome.STREAM_ENDS,
        "Xero (does not know this path|has removed this path|does not implement this)",
    ),
    Row(
        "401 for a missing scope (or Xero plan)",
        {"scope": refused(401, b'{"Detail":"AuthorizationUnsuccessful"}')},
        "does not renew the token; names what is missing",
        Outcome.SKIPPED,
        "a scope is missing for this login.*AuthorizationUnsuccessful",
    ),
    Row(
        "403 for a missing role",
        {"role": refused(403, b'{"Detail":"You need the reporting role"}')},
        "gives Xero's words",
        Outcome.SKIPPED,
        "not allowed for this login: You need the reporting role",
    ),
)
# Faults that every further call would meet.
OF_THE_RUN = (
    Row(
        "429 for the day (or Retry-After above 15 minutes)",
        {
            "day": limited("day", "66975"),
            "without Retry-After": limited("Daily"),
            "unnamed": limited("", "20000"),
            "none left": limited("", **{"X-DayLimit-Remaining": "0"}),
        },
        "makes no further call; says when it lifts",
        Outcome.RUN_ENDS,
        "limit of calls a day.*(it lifts at|at the latest)",
    ),
)
# Faults of the token call; every one is met before any data.
OF_TOKENS = (
    Row(
        "token answer lost, cut, broken, 429 or 5xx",
        {
            "lost": Fault.lost(),
            "cut": Fault.cut(20),
            "broken JSON": Fault.broken_json(),
            "HTML": Fault.html200(),
            "reset": Fault.reset(),
            "429": limited("minute", "5"),
            "503": Fault.status(503),
            "redirect": Fault.redirect("https://login.example/"),
        },
        "asks again with the same refresh token, which Xero accepts for 30 minutes; 8 times in all",
        Outcome.SURVIVED,
        "^token: .*; trying again in",
    ),
    Row(
        "refresh token refused",
        {"invalid_grant": Fault.invalid_grant()},
        "says to run `--authorize`",
        Outcome.RUN_ENDS,
        "refresh token refused .*run tap-xero --authorize",
    ),
    Row(
        "app refused",
        {"invalid_client": refused(400, b'{"error":"invalid_client"}')},
        "says to correct client id and secret",
        Outcome.RUN_ENDS,
        "correct client_id and client_secret",
    ),
)
# Faults with a test of their own.
OTHERS = (
    Row(
        "504 or no whole answer, twice in a row for over 50 records",
        {},
        "asks for pages of half the size, starting at the last stamp",
        Outcome.SURVIVED,
        "asking for pages of",
    ),
    Row(
        "connection refused",
        {},
        AGAIN,
        Outcome.SURVIVED,
        "connection refused; trying again in",
    ),
    Row(
        "text that is not UTF-8",
        {},
        "writes U+FFFD in place of the bytes",
        Outcome.SURVIVED,
        "",
    ),
    Row(
        "401 for a new token",
        {},
        "says to run `--authorize`",
        Outcome.RUN_ENDS,
        "refuses an access token that it has just given",
    ),
    Row(
        "403 for an organisation that the login does not reach",
        {},
        "lists the organisations it does reach",
        Outcome.RUN_ENDS,
        "does not reach the organisation",
    ),
    Row(
        "a lasting fault of one stream",
        {},
        "gives the cause and the number of tries",
        Outcome.STREAM_ENDS,
        r"after \d+ tries",
    ),
    Row(
        "a lasting fault of all streams",
        {},
        "gives the cause and the number of tries",
        Outcome.RUN_ENDS,
        r"cannot be reached: .*, after \d+ tries",
    ),
)
ROWS = (*PASSING, EXPIRED, *OTHERS[:3], *OF_A_STREAM, *OF_THE_RUN, *OF_TOKENS, *OTHERS[3:])


def details() -> str:
    """Render the table of docs/faults.md."""
    head = "| fault | what the tap does | how it ends |\n| --- | --- | --- |\n"
    return head + "".join(f"| {row.name} | {row.tap} | {row.outcome.value} |\n" for row in ROWS)


def documents() -> dict[Path, str]:
    """Return the document that holds the table of faults, as it should be."""
    path = ROOT / "docs" / "faults.md"
    return {path: _filled(path.read_text(), details())}


def _filled(text: str, table: str) -> str:
    begin, end = "<!-- begin faults -->\n", "<!-- end faults -->"
    before, _, rest = text.partition(begin)
    return before + begin + table + end + rest.partition(end)[2]


if __name__ == "__main__":
    for document, text in documents().items():
        document.write_text(text)
