"""Test sets on their way to the service: a file is uploaded unless it is there already."""

from __future__ import annotations

import os
from urllib.parse import quote

from tunedeck_client.errors import blaming
from tunedeck_client.models.checksum import sha256_of
from tunedeck_client.transport.connections import Section
from tunedeck_client.transport.pages import Record, read_pages
from tunedeck_client.transport.service import Service

LOOKED_AT = 10_000
"""So many of the newest test sets are compared with a file."""


def upload_dataset(service: Service, path: str, name: str) -> Record:
    """Upload a test set and return its record; BadFolder where the file cannot be read, or changes."""
    place = f"/api/v1/datasets/{quote(name, safe='')}"
    with blaming(path), open(path, "rb") as opened:
        section = Section(opened, 0, os.fstat(opened.fileno()).st_size, lambda sent: None)
        return service.object_of(service.send("PUT", place, section))


def find_dataset(service: Service, test_set: str) -> str:
    """Return the name of a test set that is there, or of a file's, which is uploaded if need be.

    Where the file's name is that of another set, it gets the first digits of its SHA-256 as well.
    """
    if not os.path.isfile(test_set):
        return test_set[len("datasets/") :] if test_set.startswith("datasets/") else test_set
    name = os.path.basename(test_set)
    with blaming(test_set), open(test_set, "rb") as file:
        digest = sha256_of(file)
    there = {found["name"]: found["sha256"] for found in read_pages(service, "/datasets", {}, LOOKED_AT)}
    if there.get(name, digest) != digest:
        stem, dot, end = name.rpartition(".")
        name = f"{stem}-{digest[:8]}.{end}" if dot else f"{name}-{digest[:8]}"
    if there.get(name) != digest:
        upload_dataset(service, test_set, name)
    return name
