"""A callback for Lightning's Trainer, which finds it by an entry point: active where TUNEDECK_JOB is set."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from tunedeck_client.training import Training, is_active


def lightning_callbacks() -> list[Any]:
    """Return the callback for `import lightning.pytorch`, or none where no job is named."""
    return _callbacks("lightning.pytorch")


def pytorch_lightning_callbacks() -> list[Any]:
    """Return the callback for `import pytorch_lightning`, or none where no job is named."""
    return _callbacks("pytorch_lightning")


def _callbacks(package: str) -> list[Any]:
    if not is_active():
        return []
    # Lightning has two packages with a base class each, and the factory is told which by its group's name.
    base = import_module(package).Callback
    return [type("TunedeckCallback", (_Hooks, base), {})()]


class _Hooks:
    """Reports what the module logs, and the progress; a cancelled job stops the training."""

    def __init__(self) -> None:
        self._training = Training()

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        if trainer.is_global_zero:
            self._training.begin()

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        step = trainer.global_step
        if step % trainer.log_every_n_steps == 0:
            self._training.log(trainer.logged_metrics, step)
        if self._training.advance(step, trainer.estimated_stepping_batches):
            trainer.should_stop = True

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if not trainer.sanity_checking:
            self._training.log(trainer.callback_metrics, trainer.global_step)

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        self._training.end(f"{type(exception).__name__}: {exception}")

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self._training.log(trainer.callback_metrics, trainer.global_step)
        self._training.end()
