"""Errors of the Hub API, with the headers by which its clients tell them apart; pure."""

from __future__ import annotations

from shared.errors import NotFound, ServiceError


class RepoNotFound(NotFound):
    headers = {"X-Error-Code": "RepoNotFound"}

    def __init__(self, repo_id: str) -> None:
        super().__init__(f"There is no repository {repo_id}.")


class RevisionNotFound(NotFound):
    headers = {"X-Error-Code": "RevisionNotFound"}


class EntryNotFound(NotFound):
    """There is no such file in this revision; with the revision, a client remembers it."""

    def __init__(self, message: str, commit: str) -> None:
        super().__init__(message)
        self.headers = {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit}


class Elsewhere(ServiceError):
    """It is not ours: the upstream may have it."""

    status = 307

    def __init__(self, url: str) -> None:
        super().__init__("The repository is not here; the upstream may have it.")
        self.url = url
        self.headers = {"Location": url}


class NotOffered(ServiceError):
    """It is of the Hub's API, and not of what is answered here."""

    status = 501
