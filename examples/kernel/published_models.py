"""Models that others have pushed to Tunedeck, fetched when somebody asks for one by its served name."""

import logging
from pathlib import Path

from examples.kernel import formats
from examples.kernel.api import Api, ApiError

LOG = logging.getLogger(__name__)


def fetch(api: Api, folder: Path, served_name: str) -> int | None:
    """Download the newest ready model of that name, if it is one that we can serve, and return its number.

    Its GGUF lies below `<folder>/<ID>/` then, where `formats` has it.
    """
    try:
        for record in api.ready_models():
            if record["served_name"] == served_name:
                return _download(api, folder, record["ID"])
    except ApiError as error:
        LOG.warning("Model %r cannot be fetched: %s", served_name, error)
    return None


def _download(api: Api, folder: Path, model_id: int) -> int | None:
    link = api.gguf_link(model_id)
    if link is None:
        return None
    target = folder / str(model_id) / formats.GGUF
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_suffix(".draft")
    draft.write_bytes(api.download(link))
    try:
        formats.read_gguf(draft)
    except (KeyError, ValueError, IndexError) as error:
        draft.unlink()
        LOG.warning("Model %d is no classifier as this kernel makes them: %s", model_id, error)
        return None
    draft.replace(target)
    return model_id
