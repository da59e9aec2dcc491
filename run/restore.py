"""`make restore FROM=folder`: puts a backup's objects and then its databases in the place of what there is."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

from run.backup import INDEX, OBJECTS, dump_name
from run.dumps import load_dump, write
from run.object_copies import CopyDiffers, ObjectCopy, put_back
from run.parts import SERVICES
from run.places import Places, find_places
from run.settings import Settings
from shared.errors import ServiceError
from shared.s3.bucket import Bucket
from shared.s3.client import connect
from shared.settings import SettingsError, exit_on, load

_SET_ETAG = """UPDATE file SET etag = ? WHERE etag = ? AND id IN (
    SELECT file.id FROM file JOIN model ON model.id = file.model_id
    WHERE model.storage_path || '/' || file.path = ?)"""


def main(arguments: list[str]) -> None:
    with exit_on(ServiceError, CopyDiffers, OSError):
        given = dict(argument.split("=", 1) for argument in arguments)
        if not given.get("FROM"):
            raise SettingsError("FROM is not set: make restore FROM=folder")
        restore(find_places(load(Settings)), Path(given["FROM"]))


def restore(places: Places, folder: Path) -> None:
    """Restore a backup, objects first: until its database says so, nobody asks for them."""
    if not (folder / INDEX).exists():
        raise SettingsError(f"FROM={folder}: there is no backup")
    index = json.loads((folder / INDEX).read_text())
    dumps = {service: folder / dump_name(service, places.databases[service]) for service in SERVICES}
    for dump in dumps.values():
        if not dump.exists():
            raise SettingsError(f"{dump} is missing: a backup goes back to a database of its own kind")
    client = connect(places.store)
    buckets = {name: Bucket(client, name) for name in ("models", "datasets")}
    for bucket in buckets.values():
        bucket.create()
    put, renamed = Counter[str](), []
    for record in index["objects"]:
        copy = ObjectCopy(**record)
        etag = put_back(buckets[copy.bucket], folder / OBJECTS, copy)
        put[copy.bucket] += 1
        if etag != copy.etag and copy.bucket == "models":
            renamed.append((etag, copy.etag, copy.key))
    for service, dump in dumps.items():
        load_dump(places.databases[service], dump)
        print(f"{service}: restored", flush=True)
    # A store may have put an object together from parts of another size: the same bytes under another etag.
    write(places.databases["models"], _SET_ETAG, renamed)
    print(f"{put['models']} files of models, {put['datasets']} test sets; restart the services, which remember more")


if __name__ == "__main__":
    main(sys.argv[1:])
