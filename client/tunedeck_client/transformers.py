"""A callback for transformers' Trainer, and so for TRL and unsloth: `callbacks=[TunedeckCallback()]`."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback

from tunedeck_client.training import Training


class TunedeckCallback(TrainerCallback):
    """Reports the metrics and the progress of the job that TUNEDECK_JOB names; without one it does nothing.

    A cancelled job stops the training at its next step. With `upload` the model is saved to the output folder
    at the end, and that folder becomes the job's model; `base_model` is what it was trained from, by default
    what its adapter or its configuration says.
    """

    def __init__(
        self, *, upload: bool = True, base_model: str | None = None, training: Training | None = None
    ) -> None:
        self._upload = upload
        self._base_model = base_model
        self._training = training or Training()
        self._ends = training is None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.is_world_process_zero:
            self._training.begin()

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        self._training.log(logs or {}, state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self._training.advance(state.global_step, state.max_steps):
            control.should_training_stop = True

    def on_train_end(
        self,
        args: Any,
        state: Any,
        control: Any,
        model: Any = None,
        processing_class: Any = None,
        **kwargs: Any,
    ) -> None:
        if not state.is_world_process_zero or not self._ends:
            return
        error = None
        if self._upload:
            for part in (model, processing_class):
                if hasattr(part, "save_pretrained"):
                    part.save_pretrained(args.output_dir)
            named = getattr(getattr(model, "config", None), "_name_or_path", None)
            error = self._training.upload(args.output_dir, self._base_model or named or None)
        self._training.end(error)
