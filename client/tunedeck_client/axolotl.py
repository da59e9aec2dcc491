"""A plugin for axolotl: `plugins: [tunedeck_client.axolotl.TunedeckPlugin]` in its configuration."""

from __future__ import annotations

import os
from typing import Any

from axolotl.integrations.base import BasePlugin

from tunedeck_client.training import Training
from tunedeck_client.transformers import TunedeckCallback


class TunedeckPlugin(BasePlugin):
    """Reports as TunedeckCallback does; the output folder goes up once axolotl has saved the model there."""

    def __init__(self) -> None:
        super().__init__()
        self._training = Training()

    def add_callbacks_pre_trainer(self, cfg: Any, model: Any) -> list[Any]:
        return [TunedeckCallback(training=self._training)]

    def post_train(self, cfg: Any, model: Any) -> None:
        if os.environ.get("RANK", "0") == "0":
            self._training.end(self._training.upload(cfg.output_dir, cfg.base_model))
