"""The presigned URLs of an answer, and the header that it must carry."""

from __future__ import annotations

from flask import request

from services.models.presigned_urls import PresignedUrls
from services.models.settings import Settings
from shared.auth.access import present_access
from shared.http.collaborators import collaborator

NO_STORE = {"Cache-Control": "no-store"}
"""Who has a presigned URL has the file, or can write the part."""


def request_urls() -> PresignedUrls:
    """Return the URLs for the address by which the present request came."""
    return PresignedUrls(collaborator(Settings), request.headers.get, present_access().add_ticket)
