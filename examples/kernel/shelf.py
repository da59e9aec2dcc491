"""The models that can be asked: the base, and every tuned one in a folder that outlives the process."""

import json
from pathlib import Path

from examples.kernel import formats
from examples.kernel.model import BASE_NAME, Classifier

_LABEL = "served.json"


class Shelf:
    """A model lies in `<folder>/<ID>/`; it counts once its label, the file written last, is there."""

    def __init__(self, folder: Path, base: Classifier) -> None:
        self._folder = folder
        self._models = {BASE_NAME: base}
        for label in sorted(folder.glob(f"*/{_LABEL}"), key=lambda path: int(path.parent.name)):
            name = json.loads(label.read_text(encoding="utf-8"))["served_name"]
            self._models[name] = formats.read_gguf(label.parent / formats.GGUF)

    def names(self) -> list[str]:
        """The base first, then the oldest."""
        return list(self._models)

    def find(self, name: str) -> Classifier | None:
        """None where no model has that name."""
        return self._models.get(name)

    def place(self, model_id: int) -> Path:
        """Where the files of a model belong, at the paths that `formats` names."""
        return self._folder / str(model_id)

    def add(self, model_id: int, served_name: str) -> None:
        """Serves the model whose files are in place, now and in every later life."""
        # Read back and not passed in: it answers today as it will after a restart.
        model = formats.read_gguf(self.place(model_id) / formats.GGUF)
        label = self.place(model_id) / _LABEL
        draft = label.with_suffix(".draft")
        draft.write_text(json.dumps({"served_name": served_name}) + "\n", encoding="utf-8")
        draft.replace(label)
        self._models[served_name] = model
