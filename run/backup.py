"""`make backup TO=folder`: the databases, each as of one moment, and the objects that they name; while all goes on."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from run.dumps import Read, dumped
from run.object_copies import CopyDiffers, ObjectCopy, copy_object, drop_others
from run.parts import SERVICES
from run.places import Places, find_places
from run.settings import Settings
from shared.errors import ServiceError
from shared.s3.bucket import Bucket
from shared.s3.client import S3Client, connect
from shared.settings import exit_on, load
from shared.timestamps import format_time
from shared.version import VERSION

INDEX = "backup.json"
OBJECTS = "objects"

_FILES = """SELECT model.storage_path || '/' || file.path, file.size, file.etag, file.sha256
    FROM file JOIN model ON model.id = file.model_id ORDER BY file.id"""


@dataclass(frozen=True)
class _Arguments:
    to: str


def main(arguments: list[str]) -> None:
    with exit_on(ServiceError, CopyDiffers, OSError):
        folder = Path(load(_Arguments, dict(argument.split("=", 1) for argument in arguments)).to)
        back_up(find_places(load(Settings)), folder)


def dump_name(service: str, url: str) -> str:
    return f"{service}.{'sqlite' if url.startswith('sqlite:') else 'pg_dump'}"


def back_up(places: Places, folder: Path) -> None:
    """Back up what is at these places; a folder that has a backup gets what is new, and loses what is gone."""
    objects = folder / OBJECTS
    objects.mkdir(parents=True, exist_ok=True)
    client = connect(places.store)
    began = datetime.now(UTC)
    copies: list[ObjectCopy] = []
    lost: list[str] = []
    for service in SERVICES:
        url = places.databases[service]
        with dumped(url, folder / dump_name(service, url)) as read:
            print(f"{service}: dumped", flush=True)
            for bucket, wanted in _objects(service, read, client):
                copy = copy_object(bucket, objects, *wanted)
                lost += [wanted[0]] if copy is None else []
                copies += [] if copy is None else [copy]
    index = {"version": VERSION, "began_at": format_time(began), "objects": [copy._asdict() for copy in copies]}
    draft = folder / f"{INDEX}.draft"
    draft.write_text(json.dumps(index, indent=1) + "\n")
    draft.replace(folder / INDEX)
    dropped = len(list(drop_others(objects, copies)))
    print(f"{len(copies)} objects, {sum(copy.size for copy in copies):,} bytes; {dropped} of earlier backups dropped")
    for key in lost:
        # A model that is still being uploaded, or was purged since its database was dumped.
        print(f"not there any more: {key}")


_Wanted = tuple[str, int, str, str | None]


def _objects(service: str, read: Read, client: S3Client) -> Iterator[tuple[Bucket, _Wanted]]:
    """Yield the objects that a service's tables name, and every test set."""
    if service == "models":
        models = Bucket(client, "models")
        for key, size, etag, sha256 in read(_FILES):
            yield models, (key, size, etag, sha256)
    elif service == "evaluations":
        datasets = Bucket(client, "datasets")
        for found in datasets.list(""):
            yield datasets, (found.key, found.size, found.etag, None)


if __name__ == "__main__":
    main(sys.argv[1:])
