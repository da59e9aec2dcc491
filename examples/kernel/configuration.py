"""Validates a job's `configuration` and fills in the defaults."""

import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from examples.kernel.failure import JobFailed

MAX_EPOCHS = 1000


@dataclass(frozen=True)
class Configuration:
    """The parameters of a training; `learning_rate` is Adam's step size."""

    epochs: int = 3
    learning_rate: float = 0.01

    @classmethod
    def read(cls, given: Mapping[str, Any], log: logging.Logger) -> Self:
        """Validate a configuration; warn of unknown keys, raise JobFailed for a value that is out of range."""
        for key in sorted(given.keys() - {"epochs", "learning_rate"}):
            log.warning("Unknown configuration key %r is ignored", key)
        epochs = given.get("epochs", cls.epochs)
        # type() and not isinstance(): JSON's true is no number, though Python's True is an int.
        if type(epochs) is not int or not 1 <= epochs <= MAX_EPOCHS:
            raise JobFailed(f"Bad configuration: epochs must be an integer, 1 to {MAX_EPOCHS}, not {epochs!r}")
        rate = given.get("learning_rate", cls.learning_rate)
        if type(rate) not in (int, float) or not 0 < rate <= sys.float_info.max:
            raise JobFailed(f"Bad configuration: learning_rate must be a positive number, not {rate!r}")
        return cls(epochs, float(rate))
