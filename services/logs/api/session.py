"""The endpoints of the console's session."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from flask import Response, jsonify

from shared.auth import session
from shared.auth.access import present_access
from shared.auth.caller import Caller
from shared.auth.signing import in_seconds
from shared.errors import Unauthorized
from shared.http.fields import Time
from shared.http.schemas import BodySchema
from shared.http.service import Blueprint

blp = Blueprint("session", __name__, url_prefix="/api/v1")


class NewSessionSchema(BodySchema):
    token = ma.fields.String(required=True)


class SessionSchema(ma.Schema):
    authentication = ma.fields.Boolean()
    name = ma.fields.String(allow_none=True)
    scopes = ma.fields.List(ma.fields.String())
    expires_at = Time(allow_none=True)


@blp.post("/session")
@blp.arguments(NewSessionSchema)
@blp.response(200, SessionSchema)
def create_session(new: dict[str, str]) -> Any:
    """Give the browser a cookie for its user's token, for 12 hours."""
    if not present_access().enabled:
        return _show(present_access().find_session())
    caller = present_access().find_token(new["token"])
    if caller is None:
        raise Unauthorized("The token is not known, or has expired.")
    expires_at = min(in_seconds(session.LIFETIME_S), caller.expires_at or in_seconds(session.LIFETIME_S))
    response = _show(Caller(caller.name, caller.scopes, caller.fingerprint, expires_at=expires_at))
    session.set_session(response, present_access().signer, caller, expires_at)
    return response


@blp.get("/session")
@blp.response(200, SessionSchema)
def get_session() -> Response:
    """Show whether tokens are asked for, and whose the request is."""
    return _show(present_access().find_session())


@blp.delete("/session")
def delete_session() -> Response:
    """End the browser's session."""
    response = jsonify({"message": "Session deleted successfully"})
    session.drop_session(response)
    return response


def _show(caller: Caller | None) -> Response:
    found = caller or Caller("", frozenset())
    response = jsonify(
        SessionSchema().dump(
            {
                "authentication": present_access().enabled,
                "name": found.name or None,
                "scopes": sorted(found.scopes),
                "expires_at": found.expires_at,
            }
        )
    )
    response.headers["Cache-Control"] = "no-store"
    return response
