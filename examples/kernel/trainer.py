"""Trains a job's model and logs every step: from a dataset and a base to a fine-tuned model."""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from examples.kernel import lora
from examples.kernel.configuration import Configuration
from examples.kernel.data import Dataset
from examples.kernel.failure import JobFailed
from examples.kernel.model import Classifier

RISE = 1.1  # times the base's loss; a smaller rise may be chance


@dataclass(frozen=True)
class Result:
    """The fine-tuned model; `loss` is the last epoch's, in nats, `accuracy` (0 to 1) that on the held-out split."""

    adapter: lora.Adapter
    model: Classifier
    loss: float
    accuracy: float
    epochs: int
    seconds: float


def train(
    base: Classifier,
    dataset: Dataset,
    configuration: Configuration,
    log: logging.Logger,
    after_epoch: Callable[[], None],
) -> Result:
    """Fine-tune the base. Raises JobFailed if it diverges, and whatever `after_epoch` raises to stop it."""
    started = time.monotonic()
    epochs, rate = configuration.epochs, configuration.learning_rate
    sizes = len(dataset.train), len(dataset.held_out)
    log.info("Dataset %s: %d sentences to train on, %d held out", dataset.name, *sizes)
    log.info("LoRA of rank %d, alpha %d, learning rate %g, %d epochs", lora.RANK, lora.ALPHA, rate, epochs)
    base_loss, _ = base.measure(dataset.train)
    _, before = base.measure(dataset.held_out)
    log.info("Base model - Loss: %.4f - Held-out accuracy: %.4f", base_loss, before)

    adapter, loss = lora.new_adapter(), base_loss
    for epoch in lora.train(adapter, base, dataset.train, epochs=epochs, learning_rate=rate):
        loss = epoch.loss
        log.info("Epoch %d/%d - Loss: %.4f - Accuracy: %.4f", epoch.number, epochs, loss, epoch.accuracy)
        if not math.isfinite(loss):
            raise JobFailed(f"Training diverged: the loss is {loss}, learning rate {rate:g} is too high")
        if loss > RISE * base_loss:
            log.warning("The loss is above the base model's: learning rate %g is probably too high", rate)
        after_epoch()

    model = adapter.merged_into(base)
    if np.abs(model.encoder).max() > np.finfo(np.float16).max:
        raise JobFailed(f"Training diverged: weights outgrew 16 bits, learning rate {rate:g} is too high")
    _, accuracy = model.measure(dataset.held_out)
    log.info("Tuned model - Held-out accuracy: %.4f (base: %.4f)", accuracy, before)
    if accuracy < before:
        log.warning("The tuned model is worse than its base")
    return Result(adapter, model, loss, accuracy, epochs, time.monotonic() - started)
