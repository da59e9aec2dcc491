"""Who makes a request, by its token, ticket or cookie; and what is signed in a caller's name."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from flask import g, request

from shared.auth import session, tickets
from shared.auth.caller import EVERYBODY, Caller, of_token
from shared.auth.settings import AuthSettings
from shared.auth.signing import JOB_TOKEN, SERVICE_TOKEN, SecretSigner, in_seconds, service_headers
from shared.auth.tokens import TokenFile
from shared.errors import Conflict

JOB_TOKEN_S = 30 * 86_400

SAFE = ("GET", "HEAD")
TICKET = f"{tickets.PARAMETER}="
"""With what a ticket begins in a query string."""


class Identities:
    """Whom a service knows, by its file of tokens and its secret; without the file nobody is asked."""

    def __init__(self, settings: AuthSettings) -> None:
        secret, previous = settings.auth_secret, settings.auth_secret_previous
        self._signer = None if secret is None else SecretSigner(secret, previous)
        self._tokens = None if settings.tokens_file is None else TokenFile(Path(settings.tokens_file))

    @property
    def enabled(self) -> bool:
        return self._tokens is not None

    @property
    def signer(self) -> SecretSigner:
        """What signs; Conflict where there is nothing to sign for."""
        if self._signer is None or self._tokens is None:
            raise Conflict("Authentication is off: nobody needs a token.")
        return self._signer

    def find_token(self, token: str) -> Caller | None:
        """Return whose token of the file this is, or None."""
        found = None if self._tokens is None else self._tokens.find(token)
        return None if found is None else of_token(found)

    def find_session(self) -> Caller | None:
        """Return who makes the present request, to one of the endpoints that are open."""
        return self.identify(None) if self.enabled else EVERYBODY

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

    def identify(self, ticket: str | None) -> Caller | None:
        sent = request.environ.get("HTTP_AUTHORIZATION")
        if sent is not None:
            scheme, _, token = sent.partition(" ")
            return self._read_bearer(token.strip()) if scheme.lower() == "bearer" else None
        if ticket is not None:
            # Werkzeug's path is decoded, as the ticket's is.
            path, query = request.path, request.query_string.decode("latin-1")
            kind: tickets.TicketKind = "ticket" if request.method in SAFE else "upload"
            maker = tickets.read_ticket(self.signer, self._find_entry, ticket, path, query, kind)
            return maker if request.method in (*SAFE, "POST") else None
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


def current_caller() -> Caller:
    """Return who makes the present request."""
    return cast(Caller, g.caller)


def take_ticket() -> str | None:
    """Return the request's ticket, and have the rest of the request see none: it is no parameter of any endpoint."""
    rest, ticket = tickets.split_ticket(request.environ["QUERY_STRING"])
    request.environ["QUERY_STRING"] = rest
    request.query_string = rest.encode("latin-1")
    request.__dict__.pop("args", None)
    return ticket
