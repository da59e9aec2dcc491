"""The tables of the models service."""

from __future__ import annotations

from pathlib import Path

import peewee
from peewee import BigAutoField, BigIntegerField, BooleanField, CharField, CompositeKey, DatabaseProxy, TextField

from services.models.repo_ids import OURS
from shared.database.connect import connected_to
from shared.database.fields import JSONField, TimeField

MIGRATIONS = Path(__file__).parent / "migrations"

database = DatabaseProxy()
connected = connected_to(database)


class _Table(peewee.Model):
    class Meta:
        database = database
        legacy_table_names = False
        only_save_dirty = True


class Model(_Table):
    id = BigAutoField()
    name = CharField()
    description = TextField()
    base_model = CharField()
    type = CharField()
    job_id = BigIntegerField(null=True)
    served_name = CharField()
    storage_path = TextField()
    lora_adapters_path = TextField()
    gguf_path = TextField()
    training_metrics = JSONField()
    eval_results = JSONField(null=True)
    status = CharField()
    total_size = BigIntegerField(default=0)
    revision = BigIntegerField(default=0)
    """Counts the changes to the model's files, so that a listing of the store can be told from a stale one."""
    created_at = TimeField()
    updated_at = TimeField()
    request_key = CharField(null=True)
    request_digest = CharField(null=True)
    own_repo_id = CharField(null=True)

    @property
    def repo_id(self) -> str:
        """The name by which the Hub API knows it, for life."""
        return self.own_repo_id or f"{OURS}/model-{self.id}"

    @property
    def folders(self) -> tuple[str, str]:
        """The folders of adapters and of GGUF files, below the storage path; ``""`` is that itself."""
        start = len(self.storage_path) + 1
        return self.lora_adapters_path[start:], self.gguf_path[start:]


class File(_Table):
    """A file of a model: while it is uploading what came through the service, once ready the frozen manifest."""

    id = BigAutoField()
    model_id = BigIntegerField()
    path = TextField()
    """Below the model's storage path. On PostgreSQL in the collation "C": both databases sort by the UTF-8 bytes."""
    folded = TextField()
    """The path as a file system that ignores case would know it."""
    size = BigIntegerField()
    etag = CharField()
    crc32 = BigIntegerField(null=True)
    sha256 = CharField(null=True)
    error = TextField(null=True)
    """Why the checksums will never be known or, where they are, why the object has others."""
    holder = CharField(null=True)
    """The checksum process that reads it, until ``held_until``."""
    held_until = TimeField(null=True)
    announced_sha256 = CharField(null=True)
    """What its sender says; where the file has another, that is its ``error``."""


class Generated(_Table):
    """A small file that was made from the record when the model was frozen, because the store had none."""

    model_id = BigIntegerField()
    path = CharField()
    content = TextField()

    class Meta:
        primary_key = CompositeKey("model_id", "path")


class InParts(_Table):
    """What its sender puts into the store in parts; no table of its own."""

    id = BigAutoField()
    model_id = BigIntegerField()
    size = BigIntegerField()
    part_size = BigIntegerField()
    key = TextField()
    store_id = TextField()
    """What the store calls the upload."""
    etag = CharField(null=True)
    """The object's, once it was put together."""
    expires_at = TimeField()


class Upload(InParts):
    """A file that its sender puts into the store in parts; once completed it is remembered until it expires."""

    path = TextField()
    sha256 = CharField(null=True)
    """What its sender says it has."""

    @property
    def status(self) -> str:
        return "open" if self.etag is None else "completed"


class StagedObject(InParts):
    """Content that a push brings by its SHA-256, before a commit says where it belongs."""

    sha256 = CharField()
    parts = JSONField(null=True)
    """Once all came of an object that the commit puts together, in its place: ``number`` and ``etag`` of each."""

    @property
    def is_whole(self) -> bool:
        """Whether all of it came."""
        return self.etag is not None or self.parts is not None


class AnnouncedFile(_Table):
    """A file that a push will send by LFS, which says of it no more than size and SHA-256."""

    id = BigAutoField()
    model_id = BigIntegerField()
    path = TextField()
    size = BigIntegerField()
    expires_at = TimeField()


class DeletedModel(_Table):
    """A model whose record was deleted and whose objects were not; it may still be purged."""

    id = BigIntegerField(primary_key=True)
    storage_path = TextField()


class Hold(_Table):
    """A change to a model's stored files that is under way; no model is frozen meanwhile."""

    id = BigAutoField()
    model_id = BigIntegerField()
    path = TextField(null=True)
    exclusive = BooleanField(default=False)
    """Whether nobody else may change the file meanwhile: the change is to what its sender knows."""
    held_until = TimeField()
