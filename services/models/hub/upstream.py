"""The Hub that may have what is not here: asked about a file on a client's behalf, and without its token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

import urllib3

_TIMEOUT = urllib3.Timeout(connect=2, read=4)
"""The Hub's clients wait ten seconds for an answer."""

_MOST_REDIRECTS = 5


class Told(NamedTuple):
    """What the Hub says of a file, to be passed on: 200, or 403 and 404 with a message."""

    status: int
    headers: dict[str, str]
    message: str = ""


class Upstream:
    """Asks a Hub."""

    def __init__(self) -> None:
        self._http = urllib3.PoolManager(maxsize=16, timeout=_TIMEOUT, retries=False)

    def find_file(self, url: str) -> Told | None:
        """Return the headers by which a client knows the file at ``url``, with the Location of its bytes.

        None where the Hub does not answer, or not as one.
        """
        for _ in range(_MOST_REDIRECTS):
            try:
                answer = self._http.request("HEAD", url, headers={"Accept-Encoding": "identity"}, redirect=False)
            except urllib3.exceptions.HTTPError:
                return None
            target = urljoin(url, answer.headers.get("Location", ""))
            # What it sends to another host are the bytes: what it says of the file it says itself.
            if not 300 <= answer.status < 400 or _origin(target) != _origin(url):
                return _read(answer, target)
            url = target
        return None


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _read(answer: urllib3.BaseHTTPResponse, location: str) -> Told | None:
    headers = answer.headers
    if answer.status in (401, 403, 404):
        return _refuse(headers.get("X-Error-Code", "RepoNotFound"), headers.get("X-Repo-Commit"))
    if answer.status >= 400:
        return None
    return _describe(headers, location, is_redirect=answer.status >= 300)


def _refuse(code: str, commit: str | None) -> Told:
    headers = {"X-Error-Code": code} | ({} if commit is None else {"X-Repo-Commit": commit})
    if code == "GatedRepo":
        return Told(403, headers, "It is not here, and the upstream has it for some of its users alone.")
    return Told(404, headers, "It is neither here nor at the upstream.")


def _describe(headers: Mapping[str, str], location: str, *, is_redirect: bool) -> Told | None:
    etag = headers.get("X-Linked-ETag") or headers.get("ETag")
    size = headers.get("X-Linked-Size") or (None if is_redirect else headers.get("Content-Length"))
    commit = headers.get("X-Repo-Commit")
    if etag is None or commit is None or size is None or not size.isdecimal():
        return None
    named = {"ETag": etag, "X-Linked-ETag": etag, "X-Repo-Commit": commit}
    return Told(200, named | {"X-Linked-Size": size, "Content-Length": size, "Location": location})
