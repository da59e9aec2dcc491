"""The models service with a second for minutes and few places: `gunicorn … tests.models.hasty:create_app()`."""

from services.models.app import create_app
from services.models.archive import download_limit, object_reader
from services.models.hub import commit_limit, resolve, tree

__all__ = ["create_app"]

download_limit.WRITE_TIMEOUT_S = 1.0
download_limit.MAX_DOWNLOADS = 3
object_reader.FIRST_PAUSE_S = 0.02
commit_limit.PATIENCE_S = 1.0
resolve.PATIENCE_S = 1.0
tree.PAGE = 5
