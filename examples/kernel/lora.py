"""Low-rank adaptation (LoRA, arXiv 2106.09685): trains a product B·A that is added to a frozen base."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from examples.kernel import features
from examples.kernel.adam import Adam, Array
from examples.kernel.data import Examples
from examples.kernel.model import HIDDEN, Classifier, cross_entropy

RANK = 8
ALPHA = 64
SCALE = ALPHA / RANK

_BATCH = 16
_SEED = 7


@dataclass(frozen=True)
class Adapter:
    """The two matrices: `a` is (RANK, features.WIDTH), `b` is (HIDDEN, RANK)."""

    a: Array
    b: Array

    def merged_into(self, base: Classifier) -> Classifier:
        """Return a copy of the base with the encoder W + (alpha / r)·B·A."""
        return replace(base, encoder=base.encoder + SCALE * self.b @ self.a)


@dataclass(frozen=True)
class Epoch:
    """The metrics of one epoch: mean loss in nats, accuracy from 0 to 1."""

    number: int
    loss: float
    accuracy: float


def new_adapter() -> Adapter:
    """Return an untrained adapter: B is zero, so that it does not change its base."""
    a = np.random.default_rng(_SEED).standard_normal((RANK, features.WIDTH), dtype=np.float32)
    return Adapter(a / math.sqrt(features.WIDTH), np.zeros((HIDDEN, RANK), dtype=np.float32))


def train(
    adapter: Adapter, base: Classifier, examples: Examples, *, epochs: int, learning_rate: float
) -> Iterator[Epoch]:
    """Train the adapter in place, and yield after each epoch so that the caller can log or stop."""
    random = np.random.default_rng(_SEED)
    adam = Adam([adapter.a, adapter.b], learning_rate)
    x, targets = features.matrix(examples.texts), np.array(examples.targets)
    frozen = x @ base.encoder.T  # the costly product, and the same in every epoch
    for number in range(1, epochs + 1):
        order = random.permutation(len(targets))
        # A learning rate that is far too high overflows, which the loss shows: numpy need not warn too.
        with np.errstate(over="ignore", invalid="ignore"):
            measured = [
                _train_batch(adapter, base, adam, x[batch], frozen[batch], targets[batch])
                for batch in np.array_split(order, len(order) // _BATCH)
            ]
        losses, hits = zip(*measured, strict=True)
        yield Epoch(number, float(np.mean(losses)), sum(hits) / len(targets))


def _train_batch(
    adapter: Adapter, base: Classifier, adam: Adam, x: Array, frozen: Array, targets: NDArray[np.int64]
) -> tuple[float, int]:
    low = x @ adapter.a.T
    hidden = np.tanh(frozen + SCALE * low @ adapter.b.T)
    logits = base.logits(hidden)
    loss, gradient = cross_entropy(logits, targets)
    inner = SCALE * (gradient @ base.head) * (1 - hidden**2)
    adam.step([(inner @ adapter.b).T @ x, inner.T @ low])
    return loss, int(np.sum(logits.argmax(axis=1) == targets))
