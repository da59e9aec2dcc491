"""The endpoints that give somebody a part of what they may do themselves: tickets, and the tokens of jobs."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote, urlsplit

import marshmallow as ma
from flask import request

from services.logs.jobs import get_job
from services.logs.tables import Job
from shared.auth.access import present_access
from shared.auth.identities import current_caller
from shared.auth.signing import in_seconds
from shared.auth.tickets import MAX_SECONDS, PARAMETER
from shared.errors import Forbidden
from shared.gateway_address import GatewayAddress
from shared.http.collaborators import collaborator
from shared.http.fields import Integer, Time
from shared.http.schemas import BodySchema
from shared.http.service import Blueprint

NO_STORE = {"Cache-Control": "no-store"}

_HUB_FILE = re.compile(r"/[A-Za-z0-9._-]+/[A-Za-z0-9._-]+/resolve/")

blp = Blueprint("tickets", __name__, url_prefix="/api/v1")


def _check_path(path: str) -> None:
    parts = urlsplit(path)
    steps = unquote(parts.path).split("/")
    is_known = path.startswith("/api/v1/") or _HUB_FILE.match(path)
    if not is_known or not path.isprintable() or parts.fragment or {".", ".."} & set(steps):
        raise ma.ValidationError("Must be a path below /api/v1/, or of a file of a repository, with its query.")
    if f"{PARAMETER}=" in parts.query:
        raise ma.ValidationError("Must not have a ticket already.")


class NewTicketSchema(BodySchema):
    path = ma.fields.String(required=True, validate=[ma.validate.Length(1, 2000), _check_path])
    expires_in = Integer(minimum=1, maximum=MAX_SECONDS, load_default=3600)


class TicketSchema(ma.Schema):
    url = ma.fields.String()
    expires_at = Time()


class JobTokenSchema(ma.Schema):
    token = ma.fields.String()
    job_id = ma.fields.Integer()
    expires_at = Time()


@blp.post("/tickets")
@blp.arguments(NewTicketSchema)
@blp.response(201, TicketSchema)
def create_ticket(new: dict[str, Any]) -> Any:
    """Make a link to one address that opens as it stands, by GET and HEAD alone."""
    expires_at = in_seconds(new["expires_in"])
    address = collaborator(GatewayAddress).of(request.headers.get)
    url = address + present_access().add_ticket(new["path"], expires_at)
    return {"url": url, "expires_at": expires_at}, NO_STORE


@blp.post("/jobs/<id:job_id>/token")
@blp.response(201, JobTokenSchema)
def create_job_token(job_id: int) -> Any:
    """Make a token for a job's training, which may do what that needs and nothing else."""
    _require_claimed(get_job(job_id))
    token, expires_at = present_access().make_job_token(job_id)
    return {"token": token, "job_id": job_id, "expires_at": expires_at}, NO_STORE


def _require_claimed(job: Job) -> None:
    caller = current_caller()
    if caller.is_kernel and job.kernel != caller.name:
        raise Forbidden(f"The scope write is missing: {caller.name} gets the tokens of jobs claimed under that name.")
