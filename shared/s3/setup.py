"""Makes the bucket of a service that keeps files; apart from `shared.setup`, since logs has no S3 client."""

from __future__ import annotations

from shared.s3.bucket import Bucket
from shared.s3.client import S3Settings, connect
from shared.settings import load


def set_up_bucket(name: str) -> None:
    """Make a bucket at ``S3_ENDPOINT`` unless it is there."""
    Bucket(connect(load(S3Settings)), name).create()
