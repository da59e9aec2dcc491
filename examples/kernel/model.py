"""The classifier, one hidden layer over the features of a text in plain numpy, and the base model."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from examples.kernel import features
from examples.kernel.adam import Adam, Array
from examples.kernel.data import LABELS, Examples

BASE_NAME = "example-base"
HIDDEN = 32

_SEED = 20240219
_STEPS = 20
_LEARNING_RATE = 0.03


@dataclass(frozen=True)
class Classifier:
    """Computes `head · tanh(encoder · x) + bias`, one number for each of LABELS.

    `encoder` is (HIDDEN, features.WIDTH), `head` is (labels, HIDDEN), `bias` is (labels,).
    """

    encoder: Array
    head: Array
    bias: Array

    def hidden(self, x: Array) -> Array:
        """Map features, (texts, WIDTH), to (texts, HIDDEN)."""
        hidden: Array = np.tanh(x @ self.encoder.T)
        return hidden

    def logits(self, hidden: Array) -> Array:
        """Map (texts, HIDDEN) to (texts, labels)."""
        return hidden @ self.head.T + self.bias

    def label(self, text: str, among: tuple[str, ...] = LABELS) -> str:
        """Return the likeliest label of `among`, a non-empty subset of LABELS."""
        scores = self.logits(self.hidden(features.matrix([text])))[0]
        return max(among, key=lambda label: scores[LABELS.index(label)])

    def measure(self, examples: Examples) -> tuple[float, float]:
        """Return the mean loss in nats, and the accuracy from 0 to 1."""
        logits = self.logits(self.hidden(features.matrix(examples.texts)))
        loss, _ = cross_entropy(logits, np.array(examples.targets))
        return loss, float(np.mean(logits.argmax(axis=1) == examples.targets))


def cross_entropy(logits: Array, targets: NDArray[np.int64]) -> tuple[float, Array]:
    """Return the mean loss in nats, and its gradient by the logits."""
    rows = np.arange(len(targets))
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_shares = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    gradient = np.exp(log_shares)
    gradient[rows, targets] -= 1
    return float(-log_shares[rows, targets].mean()), gradient / len(targets)


def fit_base(examples: Examples) -> Classifier:
    """Fit the base model, deterministically; takes a fraction of a second."""
    random = np.random.default_rng(_SEED)
    model = Classifier(
        encoder=random.standard_normal((HIDDEN, features.WIDTH), dtype=np.float32),
        head=random.standard_normal((len(LABELS), HIDDEN), dtype=np.float32) / math.sqrt(HIDDEN),
        bias=np.zeros(len(LABELS), dtype=np.float32),
    )
    adam = Adam([model.encoder, model.head, model.bias], _LEARNING_RATE)
    x, targets = features.matrix(examples.texts), np.array(examples.targets)
    for _ in range(_STEPS):
        hidden = model.hidden(x)
        _, gradient = cross_entropy(model.logits(hidden), targets)
        inner = gradient @ model.head * (1 - hidden**2)
        adam.step([inner.T @ x, gradient.T @ hidden, gradient.sum(axis=0)])
    return model
