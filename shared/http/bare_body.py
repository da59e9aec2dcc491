"""Uploads of a file as the bare body of a request: refused in any envelope, which would be stored as the file."""

from __future__ import annotations

from flask import request

from shared.errors import BadRequest, UnsupportedMediaType


def require_bare_body() -> None:
    """Raise UnsupportedMediaType or BadRequest where the request's body is more, or less, than the file itself."""
    if request.mimetype.startswith("multipart/"):
        raise UnsupportedMediaType("The body must be the file itself, no form: curl -T <file> sends it so.")
    coding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in ("", "identity"):
        raise UnsupportedMediaType(f"Content-Encoding: {coding[:100]} is not undone; send the file as it is.")
    if "Content-Range" in request.headers:
        raise BadRequest("A file is sent whole, or in parts by POST …/uploads; Content-Range is not understood.")
