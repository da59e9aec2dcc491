"""Access to a service: who makes each request, and whether they may, before any of its body is read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from flask import Flask, current_app, g, request

from shared.auth import session, tickets
from shared.auth.caller import EVERYBODY, NOBODY, Caller, of_token
from shared.auth.hosts import allowed_names, is_allowed, is_foreign_page, is_loopback, is_same_origin
from shared.auth.scopes import OPEN, RULES, Rule
from shared.auth.settings import AuthSettings
from shared.auth.signing import JOB_TOKEN, SERVICE_TOKEN, SecretSigner, in_seconds, service_headers
from shared.auth.tokens import TokenFile
from shared.errors import Conflict, Forbidden, Misdirected, NotFound, Unauthorized
from shared.settings import SettingsError

JOB_TOKEN_S = 30 * 86_400

_SAFE = ("GET", "HEAD")
_NAME = "tunedeck.access"
_TICKET = f"{tickets.PARAMETER}="
_HEALTH = ("/healthz", "/readyz")

log = logging.getLogger(__name__)


class Access:
    """The access to one service, as its settings say; without a file of tokens everybody may do everything.

    ``job_of_model`` gives the job of a model, or raises NotFound, in the service whose paths name models.
    """

    def __init__(
        self, settings: AuthSettings, job_of_model: Callable[[int], int | None] = lambda model_id: None
    ) -> None:
        self._job_of_model = job_of_model
        names = allowed_names(settings)
        self._is_allowed = lru_cache(256)(lambda host: is_allowed(host, names))
        self._origins = settings.cors_origins or ""
        secret, previous = settings.auth_secret, settings.auth_secret_previous
        self._signer = None if secret is None else SecretSigner(secret, previous)
        self._tokens = None if settings.tokens_file is None else TokenFile(Path(settings.tokens_file))
        if self._tokens is None and not settings.allow_anonymous and not is_loopback(settings.host or "127.0.0.1"):
            raise SettingsError(
                f"HOST={settings.host}: others could reach this, and no token is asked for. Make one "
                "(`make token NAME=you SCOPES=read,write`) and set TOKENS_FILE, or set ALLOW_ANONYMOUS=1"
            )

    @property
    def enabled(self) -> bool:
        return self._tokens is not None

    @property
    def signer(self) -> SecretSigner:
        """What signs; Conflict where there is nothing to sign for."""
        if self._signer is None or self._tokens is None:
            raise Conflict("Authentication is off: nobody needs a token.")
        return self._signer

    def check(self) -> None:
        """Let the present request pass, or raise Misdirected, Unauthorized, Forbidden or NotFound."""
        # Past the proxies, which would take longer than the rest: a single line has 0.4 ms for everything.
        asked, found = request._get_current_object(), g._get_current_object()  # type: ignore[attr-defined]
        environ, method, endpoint = asked.environ, asked.method, asked.endpoint
        found.caller = EVERYBODY if self._tokens is None else NOBODY
        if not self._is_allowed(environ.get("HTTP_HOST", "")) and asked.path not in _HEALTH:
            raise Misdirected("This is not the host that the request is for; ALLOWED_HOSTS names those that are.")
        ticket = _take_ticket() if _TICKET in environ.get("QUERY_STRING", "") else None
        if (
            method not in _SAFE
            and "HTTP_SEC_FETCH_SITE" in environ
            and is_foreign_page(asked.headers.get, self._origins)
        ):
            raise Forbidden("A page of another origin may not write; CORS_ORIGINS names those that may.")
        # What has no address is nobody's secret, and a preflight carries no token.
        if self._tokens is None or endpoint is None or method == "OPTIONS":
            return
        rule = RULES.get(endpoint)
        if rule == OPEN:
            return
        if rule is None:
            log.error("no scope is known for %s", endpoint)
            raise Forbidden("No scope is known for this endpoint.")
        caller = self._identify(ticket)
        if caller is None:
            raise Unauthorized(
                "A token is needed: send Authorization: Bearer <token>, one that is known and not expired."
            )
        found.caller = caller
        self._authorize(caller, rule)

    def find_token(self, token: str) -> Caller | None:
        """Return whose token of the file this is, or None."""
        found = None if self._tokens is None else self._tokens.find(token)
        return None if found is None else of_token(found)

    def find_session(self) -> Caller | None:
        """Return who makes the present request, to one of the endpoints that are open."""
        return self._identify(None) if self.enabled else EVERYBODY

    def is_current(self, caller: Caller) -> bool:
        """Whether what a caller came with is still good, for an answer that takes hours."""
        if self._tokens is None or caller.fingerprint is None:
            return True
        if caller.expires_at is not None and caller.expires_at <= datetime.now(UTC):
            return False
        return self._tokens.entry(caller.name, caller.fingerprint) is not None

    def make_job_token(self, job_id: int) -> tuple[str, datetime]:
        """Return a token for a job, and until when it is good; it dies with the token of whoever asked for it."""
        caller = current_caller()
        payload = {"n": caller.name, "f": caller.fingerprint, "j": job_id}
        limit = in_seconds(JOB_TOKEN_S)
        expires_at = limit if caller.expires_at is None else min(limit, caller.expires_at.replace(microsecond=0))
        return JOB_TOKEN + self.signer.sign("job", payload, expires_at), expires_at

    def add_ticket(self, address: str, expires_at: datetime) -> str:
        """Return a path with the present caller's ticket, or as it is where none is needed."""
        return self._add_ticket(address, expires_at, "ticket")

    def add_upload_ticket(self, address: str, expires_at: datetime) -> str:
        """Return a path with a ticket by which whoever has it ends the present caller's upload with a POST."""
        return self._add_ticket(address, expires_at, "upload")

    def _add_ticket(self, address: str, expires_at: datetime, kind: tickets.TicketKind) -> str:
        caller = current_caller()
        if not self.enabled or caller.fingerprint is None:
            return address
        return tickets.add_ticket(self.signer, caller, address, expires_at, kind)

    def service_headers(self, name: str) -> dict[str, str]:
        """Return the headers by which a service of this name asks another."""
        return service_headers(self._signer, name)

    def _identify(self, ticket: str | None) -> Caller | None:
        sent = request.environ.get("HTTP_AUTHORIZATION")
        if sent is not None:
            scheme, _, token = sent.partition(" ")
            return self._read_bearer(token.strip()) if scheme.lower() == "bearer" else None
        if ticket is not None:
            # Werkzeug's path is decoded, as the ticket's is.
            path, query = request.path, request.query_string.decode("latin-1")
            kind: tickets.TicketKind = "ticket" if request.method in _SAFE else "upload"
            maker = tickets.read_ticket(self.signer, self._find_entry, ticket, path, query, kind)
            return maker if request.method in (*_SAFE, "POST") else None
        return session.read_session(self.signer, self._find_entry)

    def _read_bearer(self, token: str) -> Caller | None:
        if token.startswith(JOB_TOKEN):
            return self._read_job_token(token.removeprefix(JOB_TOKEN))
        if token.startswith(SERVICE_TOKEN):
            signed = self.signer.read("service", token.removeprefix(SERVICE_TOKEN))
            return None if signed is None else Caller(signed[0]["n"], frozenset({"read", "write"}))
        return self.find_token(token)

    def _read_job_token(self, text: str) -> Caller | None:
        signed = self.signer.read("job", text)
        if signed is None:
            return None
        payload, expires_at = signed
        maker = self._find_entry(payload["n"], payload["f"])
        if maker is None or not (maker.has("write") or maker.has("kernel")):
            return None
        return Caller(maker.name, frozenset(), maker.fingerprint, payload["j"], expires_at)

    def _find_entry(self, name: str, fingerprint: str) -> Caller | None:
        entry = None if self._tokens is None else self._tokens.entry(name, fingerprint)
        return None if entry is None else of_token(entry)

    def _authorize(self, caller: Caller, rule: Rule) -> None:
        if caller.by_cookie and request.method not in _SAFE and not is_same_origin(request.headers.get):
            raise Forbidden("A write by cookie needs Sec-Fetch-Site: same-origin, or an Origin that is this host's.")
        if caller.has(rule.scope) or (rule.kernel and caller.has("kernel")):
            return
        if caller.job_id is None or rule.job is None:
            raise Forbidden(f"The scope {rule.scope} is missing.")
        self._authorize_job(caller.job_id, rule)

    def _authorize_job(self, job_id: int, rule: Rule) -> None:
        """Raise what a request for something that does not exist gets, for whatever is not this job's."""
        values = request.view_args or {}
        if rule.job == "path":
            require_job(values["job_id"])
        elif rule.job == "query" and request.args.getlist("job_id") != [str(job_id)]:
            raise Forbidden(f"The scope {rule.scope} is missing; a job's token lists with ?job_id={job_id} alone.")
        elif rule.job == "model" and self._job_of_model(values["model_id"]) != job_id:
            raise NotFound(f"There is no model {values['model_id']}.")


def install(app: Flask, access: Access) -> None:
    """Have an app ask its access about each request."""
    app.extensions[_NAME] = access
    app.before_request(access.check)


def present_access() -> Access:
    """Return the access to the present app."""
    return cast(Access, current_app.extensions[_NAME])


def current_caller() -> Caller:
    """Return who makes the present request."""
    return cast(Caller, g.caller)


def require_job(job_id: int | None) -> None:
    """Raise NotFound where the caller is another job's training."""
    own = current_caller().job_id
    if own is not None and job_id != own:
        raise NotFound(f"There is no job {job_id}.")


def require_claim(update: Mapping[str, Any]) -> None:
    """Raise Forbidden where a kernel does more to a job than to claim it under its own name."""
    caller = current_caller()
    claim = update.get("status") == "running" and update.get("kernel") == caller.name
    if caller.is_kernel and not claim:
        raise Forbidden(f"The scope write is missing: {caller.name} claims jobs under that name, and ends none.")


def _take_ticket() -> str | None:
    """Return the request's ticket, and have the rest of the request see none: it is no parameter of any endpoint."""
    rest, ticket = tickets.split_ticket(request.environ["QUERY_STRING"])
    request.environ["QUERY_STRING"] = rest
    request.query_string = rest.encode("latin-1")
    request.__dict__.pop("args", None)
    return ticket
