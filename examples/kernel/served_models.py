"""The models that the kernel serves: the base, and every fine-tuned one in a folder on disk."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

from examples.kernel import formats
from examples.kernel.model import BASE_NAME, Classifier

_MARKER = "served.json"


class ServedModels:
    """Loads the models in `<folder>/<ID>/`; one is complete once its marker, the file written last, is there.

    `fetch` is asked for a name that is not among them, and returns the number of a model whose files it has brought.
    """

    def __init__(
        self, folder: Path, base: Classifier, fetch: Callable[[Path, str], int | None] = lambda folder, name: None
    ) -> None:
        self._folder = folder
        self._fetch = fetch
        self._fetching = threading.Lock()
        self._models = {BASE_NAME: base}
        for marker in sorted(folder.glob(f"*/{_MARKER}"), key=lambda path: int(path.parent.name)):
            name = json.loads(marker.read_text(encoding="utf-8"))["served_name"]
            self._models[name] = formats.read_gguf(marker.parent / formats.GGUF)

    def names(self) -> list[str]:
        """Return the served names: the base, then the others by age, the oldest first."""
        return list(self._models)

    def find(self, name: str) -> Classifier | None:
        """Return the model that is served under a name, or None."""
        if name not in self._models:
            with self._fetching:
                model_id = None if name in self._models else self._fetch(self._folder, name)
                if model_id is not None:
                    self.add(model_id, name)
        return self._models.get(name)

    def folder_of(self, model_id: int) -> Path:
        """Return the folder for the files of a model, at the paths that `formats` names."""
        return self._folder / str(model_id)

    def add(self, model_id: int, served_name: str) -> None:
        """Serve the model whose files are in its folder, now and after every restart."""
        # Read back and not passed in: it predicts now what it will predict after a restart.
        model = formats.read_gguf(self.folder_of(model_id) / formats.GGUF)
        marker = self.folder_of(model_id) / _MARKER
        draft = marker.with_suffix(".draft")
        draft.write_text(json.dumps({"served_name": served_name}) + "\n", encoding="utf-8")
        draft.replace(marker)
        self._models[served_name] = model
