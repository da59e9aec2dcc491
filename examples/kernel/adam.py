"""The Adam optimizer (Kingma and Ba, 2015, algorithm 1)."""

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.floating[Any]]

_MEAN, _SQUARE, _EPSILON = 0.9, 0.999, 1e-8


class Adam:
    """Updates the given arrays in place."""

    def __init__(self, weights: Sequence[Array], learning_rate: float) -> None:
        self._weights = weights
        self._learning_rate = learning_rate
        self._means = [np.zeros_like(array) for array in weights]
        self._squares = [np.zeros_like(array) for array in weights]
        self._steps = 0

    def step(self, gradients: Sequence[Array]) -> None:
        """Update once; the gradients have the order and the shapes of the weights."""
        self._steps += 1
        rate = self._learning_rate * math.sqrt(1 - _SQUARE**self._steps) / (1 - _MEAN**self._steps)
        moments = zip(self._weights, gradients, self._means, self._squares, strict=True)
        for weights, gradient, mean, square in moments:
            mean += (1 - _MEAN) * (gradient - mean)
            square += (1 - _SQUARE) * (gradient**2 - square)
            weights -= rate * mean / (np.sqrt(square) + _EPSILON)
