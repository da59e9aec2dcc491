"""A client of the Hub's protocol of pushes, in a few lines."""

from __future__ import annotations

import base64
import hashlib
import json

import requests

NDJSON = {"Content-Type": "application/x-ndjson"}


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def header(**value):
    return {"key": "header", "value": {"summary": "s", "description": "", **value}}


def inline(path, content):
    text = base64.b64encode(content).decode()
    return {"key": "file", "value": {"path": path, "content": text, "encoding": "base64"}}


def by_sha256(path, content):
    value = {"path": path, "algo": "sha256", "oid": sha256(content), "size": len(content)}
    return {"key": "lfsFile", "value": value}


def deleted(path, kind="deletedFile"):
    return {"key": kind, "value": {"path": path}}


class Pusher:
    """Pushes to a models service ``at`` a URL; links are signed for the store's own address."""

    def __init__(self, at, store_server):
        self.url = at.url
        self._headers = {"X-Forwarded-Proto": "http", "Host": store_server.endpoint.removeprefix("http://")}

    def call(self, method, path, **kwargs):
        kwargs.setdefault("timeout", 60)
        return requests.request(method, self.url + path, allow_redirects=False, **kwargs)

    def create(self, repo_id, **fields):
        organization, _, name = repo_id.rpartition("/")
        return self.call(
            "POST", "/api/repos/create", json={"name": name, "organization": organization or None, **fields}
        )

    def announce(self, repo_id, contents, revision="main", **kwargs):
        """Ask how files are to come, and return the answer."""
        files = [{"path": name, "size": len(content), "sample": ""} for name, content in contents.items()]
        return self.call("POST", f"/api/models/{repo_id}/preupload/{revision}", json={"files": files}, **kwargs)

    def offer(self, repo_id, *contents, **fields):
        """Ask LFS for the upload of contents, and return the answer."""
        objects = [{"oid": sha256(content), "size": len(content)} for content in contents]
        body = {"operation": "upload", "transfers": ["basic", "multipart"], "objects": objects, **fields}
        return self.call("POST", f"/{repo_id}.git/info/lfs/objects/batch", json=body, headers=self._headers)

    def send(self, offered, content):
        """PUT the parts of an offered object, and return what completes it."""
        (upload,) = [item for item in offered.json()["objects"] if item["oid"] == sha256(content)]
        links = upload["actions"]["upload"]["header"]
        size = int(links["chunk_size"])
        parts = []
        for number in sorted(int(name) for name in links if name.isdigit()):
            sent = requests.put(links[str(number)], data=content[(number - 1) * size : number * size], timeout=60)
            assert sent.status_code == 200, sent.text
            parts.append({"partNumber": number, "etag": sent.headers["ETag"]})
        return upload["actions"], {"oid": sha256(content), "parts": parts}

    def end(self, url, **kwargs):
        """POST to an address that an offer has, at the service itself."""
        return self.call("POST", "/" + url.split("/", 3)[3], **kwargs)

    def upload(self, repo_id, content):
        """Stage content by LFS."""
        actions, body = self.send(self.offer(repo_id, content), content)
        assert self.end(actions["upload"]["href"], json=body).status_code == 200
        said = self.end(actions["verify"]["href"], json={"oid": sha256(content), "size": len(content)})
        assert said.status_code == 200, said.text

    def commit(self, repo_id, *items, parent=None, query="", **kwargs):
        first = header(**({} if parent is None else {"parentCommit": parent}))
        body = b"".join(json.dumps(item).encode() + b"\n" for item in (first, *items))
        url = f"/api/models/{repo_id}/commit/main{query}"
        return self.call("POST", url, data=body, headers=NDJSON, **kwargs)

    def sha(self, repo_id):
        return self.call("GET", f"/api/models/{repo_id}").json()["sha"]

    def names(self, repo_id):
        return [file["rfilename"] for file in self.call("GET", f"/api/models/{repo_id}").json()["siblings"]]

    def read(self, repo_id, name):
        """Return the bytes of a file, or the refusal's status."""
        answer = self.call("GET", f"/{repo_id}/resolve/main/{name}", headers=self._headers)
        if answer.status_code == 302:
            answer = requests.get(answer.headers["Location"], timeout=60)
        return answer.content if answer.status_code == 200 else answer.status_code
