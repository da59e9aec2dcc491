"""Low-rank adaptation (LoRA, arXiv 2106.09685): the base stays fixed, a product B·A beside it is trained."""

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
    """The trained pair: `a` is (RANK, features.WIDTH), `b` is (HIDDEN, RANK)."""

    a: Array
    b: Array

    def merged_into(self, base: Classifier) -> Classifier:
        """The base with the encoder W + (alpha / r)·B·A; the base itself is not changed."""
        return replace(base, encoder=base.encoder + SCALE * self.b @ self.a)


@dataclass(frozen=True)
class Epoch:
    """What one pass over the data measured on the way: mean loss in nats, accuracy from 0 to 1."""

    number: int
    loss: float
    accuracy: float


def new_adapter() -> Adapter:
    """B begins at zero, so an untrained adapter leaves its base as it is."""
    a = np.random.default_rng(_SEED).standard_normal((RANK, features.WIDTH), dtype=np.float32)
    return Adapter(a / math.sqrt(features.WIDTH), np.zeros((HIDDEN, RANK), dtype=np.float32))


def train(
    adapter: Adapter, base: Classifier, examples: Examples, *, epochs: int, learning_rate: float
) -> Iterator[Epoch]:
    """Changes the adapter in place, and yields after each epoch so that the caller may log or stop."""
    random = np.random.default_rng(_SEED)
    adam = Adam([adapter.a, adapter.b], learning_rate)
    x, targets = features.matrix(examples.texts), np.array(examples.targets)
    frozen = x @ base.encoder.T  # the costly product, and the same in every epoch
    for number in range(1, epochs + 1):
        order = random.permutation(len(targets))
        # A learning rate that is far too high overflows. That shows in the loss: no need for a warning too.
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
