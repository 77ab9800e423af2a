"""`--authorize`: get a person's consent, and save the tokens and the organisation in the config.

The person opens Xero's consent page. Xero sends the browser back to an address on this machine
with a code, and the tap exchanges the code for tokens (OAuth2 authorisation code grant; an app
without a secret uses PKCE, method S256: developer.xero.com, "OAuth 2.0 PKCE flow"). An answer
counts only with the random state of this run, so another web page cannot insert its own code.

The tap saves the refresh token as soon as it has checked the user, before the person chooses an
organisation, because Xero gives each refresh token only once. All messages go to stderr: stdout
is for Singer.
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import sys
import webbrowser
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlencode, urlsplit

from tap_xero.client import Client
from tap_xero.clock import Clock
from tap_xero.commands.inputs import scopes as scopes_for
from tap_xero.commands.loopback import Loopback, redirect_address
from tap_xero.commands.organisation import describe, read_organisation
from tap_xero.errors import AuthorizeError, InputError, SkipStreamError
from tap_xero.login.auth import XeroAuth
from tap_xero.login.connections import Tenant, choose_tenant
from tap_xero.login.token_endpoint import exchange_code
from tap_xero.login.token_file import TokenFile, update_file
from tap_xero.transport.exchange import Transport

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tap_xero.commands.inputs import Inputs
    from tap_xero.config import Config
    from tap_xero.login.token_endpoint import Token

# Without it Xero gives no refresh token.
OFFLINE = "offline_access"


@dataclass(frozen=True)
class Consent:
    """The values of one request for consent; `verifier` is None for an app with a secret."""

    redirect_uri: str
    state: str
    verifier: str | None

    def address(self, config: Config, scopes: str) -> str:
        """Return the address of Xero's consent page."""
        query = {
            "response_type": "code",
            "client_id": config.client_id or "",
            "redirect_uri": self.redirect_uri,
            "scope": scopes,
            "state": self.state,
        }
        if self.verifier:
            query |= {"code_challenge": _challenge(self.verifier), "code_challenge_method": "S256"}
        return f"{config.authorize_url}?{urlencode(query)}"

    def exchange(self, code: str) -> dict[str, str]:
        """Return the form fields that exchange `code` for tokens."""
        form = {"code": code, "redirect_uri": self.redirect_uri}
        return form | ({"code_verifier": self.verifier} if self.verifier else {})


def run(inputs: Inputs, *, port: int, browser: bool) -> int:
    """Log in, verify the login by a call, print the next commands; return the exit code.

    Raises what `authorize` raises.
    """
    clock = Clock()
    with inputs.config() as config:
        default_scopes = scopes_for(inputs.selections(config))
        authorized = authorize(config, default_scopes, clock, port=port, browser=browser)
    verify(authorized, clock)
    tell_next(inputs.config_files)
    return 0


def authorize(
    config: Config, default_scopes: str, clock: Clock, *, port: int, browser: bool = True
) -> Config:
    """Ask for consent, save tokens and organisation, and return the config that now works.

    `default_scopes` are used when the config has no scopes. The answer arrives on `port` of this
    machine (0: any free port), or, without `browser`, on stdin. Raises InputError when the config
    lacks a key or cannot be written. Raises AuthorizeError when consent, code, user or
    organisation is wrong, or when the tokens cannot be saved.
    """
    store = _store(config, clock)
    scopes = config.scopes or default_scopes
    if OFFLINE not in scopes.split():
        scopes = f"{OFFLINE} {scopes}"
    with closing(Transport(config.user_agent, clock)) as transport:
        consent, code = _ask_consent(config, scopes, port=port, browser=browser)
        answer = exchange_code(config, consent.exchange(code), transport, clock)
        granted = replace(config, access_token=answer.access_token)
        _check_user(granted, transport, clock)
        _save_token(config, answer, store, clock)
        connections = XeroAuth(granted, transport, clock).connections()
    chosen = _choose(connections, config)
    _save_tenant(config, chosen, clock)
    return replace(granted, tenant_id=chosen.tenant_id, organization_name=None)


def verify(config: Config, clock: Clock) -> None:
    """Ask Xero for the organisation and print the result."""
    with Client(config, clock) as client:
        try:
            organisation = read_organisation(client)
        except SkipStreamError as error:
            say(f"Not verified: the scopes do not reach the organisation's settings ({error}).")
        else:
            say(f"Verified by a call to Xero: {describe(organisation)}.")


def tell_next(config_files: Sequence[str]) -> None:
    """Print the commands to run next."""
    command = " ".join(["tap-xero", *(f"--config {path}" for path in config_files)])
    say("", "Next:", f"  {command} --check", f"  {command} > output.jsonl")


def say(*lines: str) -> None:
    """Write lines to stderr, for the person."""
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    sys.stderr.flush()


def code_in(text: str, state: str) -> str:
    """Return the code in the text that a person pasted: an address with the code, or the code.

    Raises AuthorizeError when the text has no code, an error from Xero, or the state of another
    run.
    """
    text = text.strip()
    query = urlsplit(text).query
    if not query and text and "=" not in text:
        return text
    return code_from(parse_qs(query or text), state)


def code_from(query: dict[str, list[str]], state: str) -> str:
    """Return the code in the query of Xero's answer; raises AuthorizeError as `code_in` does."""
    if not secrets.compare_digest(query.get("state", [""])[0].encode(), state.encode()):
        raise AuthorizeError(
            "the answer belongs to another run of --authorize (its state differs): open the "
            "address that this run prints"
        )
    if "error" in query:
        raise AuthorizeError(_refusal(query["error"][0]))
    code = query.get("code", [""])[0]
    if not code:
        raise AuthorizeError("the answer holds no code: run --authorize again")
    return code


def _ask_consent(config: Config, scopes: str, *, port: int, browser: bool) -> tuple[Consent, str]:
    state = secrets.token_urlsafe(24)
    verifier = None if config.client_secret else secrets.token_urlsafe(48)
    with ExitStack() as stack:
        loopback = stack.enter_context(Loopback(port, state)) if browser else None
        redirect = loopback.redirect_uri if loopback else redirect_address(port)
        consent = Consent(redirect, state, verifier)
        address = consent.address(config, scopes)
        say(
            f"The Xero app must have the redirect address {redirect}",
            "Open this address in a browser, log in, choose organisations and allow access:",
            "",
            address,
            "",
        )
        if loopback is None:
            say("The browser then goes to a page that it cannot show. Paste that page's address:")
            return consent, code_in(_read_line(), state)
        if _has_screen():
            webbrowser.open(address)
        say("Waiting up to 10 minutes for the answer of the browser; Ctrl-C cancels …")
        return consent, code_from(loopback.wait(), state)


def _store(config: Config, clock: Clock) -> TokenFile:
    """Return the file for the refresh token, after a check that it can be written."""
    if not config.client_id:
        raise InputError(
            f"{config.path or 'config'}: client_id is missing; it is the id of your Xero app, "
            "from developer.xero.com/app/manage"
        )
    store = TokenFile.of(config)
    if store is None:
        raise InputError(
            "--authorize needs a file for the tokens: name one with --config FILE, or "
            "set token_file"
        )
    try:
        _make_private(store.path, clock)
    except OSError as error:
        raise InputError(f"{store.name}: cannot be written: {error.strerror}") from error
    return store


def _make_private(path: Path, clock: Clock) -> None:
    """Let only the owner read the file, before it contains a secret."""
    if path.exists():
        path.chmod(0o600)
    update_file(str(path), {}, clock)


def _check_user(granted: Config, transport: Transport, clock: Clock) -> None:
    """Raise AuthorizeError if the login belongs to another user than the config names.

    This checks the access token without the token file. So the refresh token of the previous login
    is neither used nor replaced, in case the new login is the wrong one.
    """
    alone = replace(granted, refresh_token=None, path=None, token_file=None)
    XeroAuth(alone, transport, clock).token()


def _save_token(config: Config, answer: Token, store: TokenFile, clock: Clock) -> None:
    if answer.refresh_token is None:
        raise AuthorizeError(
            f"Xero gave no refresh token: allow {OFFLINE} among the scopes of the app"
        )
    try:
        with store.locked(clock):
            store.save(answer.refresh_token)
    except OSError as error:
        raise AuthorizeError(
            f"{store.name}: the tokens could not be saved ({error.strerror}): correct that and run "
            "--authorize again"
        ) from error
    say(f"Tokens are saved in {store.path}.")
    if config.access_token and config.path:
        _set(config.path, "access_token", None, clock)


def _set(path: str, key: str, value: str | None, clock: Clock) -> None:
    """Set a key in the config. If it cannot be written, ask the person to set the key."""
    try:
        update_file(path, {key: value}, clock)
    except OSError as error:
        wish = f"set {key} to {value}" if value else f"remove {key}"
        say(f"{path} cannot be written ({error.strerror}): {wish} there.")


def _save_tenant(config: Config, chosen: Tenant, clock: Clock) -> None:
    if config.tenant_id == chosen.tenant_id:
        return
    if config.path:
        _set(config.path, "tenant_id", chosen.tenant_id, clock)
    else:
        say(f"Set TAP_XERO_TENANT_ID={chosen.tenant_id}")


def _choose(connections: Sequence[Tenant], config: Config) -> Tenant:
    """Return the organisation that the config names, the only one, or the person's choice."""
    named = [each for each in connections if each.tenant_id == config.tenant_id]
    if named:
        return _announced(named[0])
    if config.tenant_id:
        say(f"tenant_id {config.tenant_id} is not among the organisations that the login reaches.")
    elif config.organization_name:
        return _announced(choose_tenant(connections, config.organization_name))
    if len(connections) > 1:
        return _announced(_pick(connections))
    return _announced(choose_tenant(connections, None))


def _announced(chosen: Tenant) -> Tenant:
    say(f"Organisation: {chosen.name} ({chosen.tenant_id}).")
    return chosen


def _pick(connections: Sequence[Tenant]) -> Tenant:
    say("The login reaches:")
    for number, each in enumerate(connections, 1):
        say(f"  {number}  {each.name} ({each.tenant_id})")
    while True:
        say(f"Which organisation do you want to read? Type its number, 1 to {len(connections)}:")
        text = _read_line()
        if text.isascii() and text.isdigit() and 0 < int(text) <= len(connections):
            return connections[int(text) - 1]


def _read_line() -> str:
    line = sys.stdin.readline()
    if not line:
        raise AuthorizeError("stdin ended before an answer: run --authorize in a terminal")
    return line.strip()


def _refusal(error: str) -> str:
    if error == "access_denied":
        return "consent was refused on Xero's page (access_denied): run --authorize again"
    if error == "invalid_scope":
        return (
            "the app may not have all of these scopes (invalid_scope): set scopes in the config "
            "to those that the app has on developer.xero.com/app/manage"
        )
    shown = error if error.isascii() and error.isidentifier() else "an error without a name"
    return f"Xero refuses consent ({shown[:60]}): check the app on developer.xero.com/app/manage"


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _has_screen() -> bool:
    """Whether a browser can open a window; a browser in the terminal would hide our messages."""
    names = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    return sys.platform != "linux" or any(os.environ.get(name) for name in names)
