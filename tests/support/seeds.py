"""Runs a test of random cases as one: for each of so many seeds, naming the one that fails."""

import functools
from collections.abc import Callable


def for_seeds(count: int) -> Callable[[Callable[..., None]], Callable[[], None]]:
    """Run the decorated ``test(seed)`` for the seeds 0 to ``count`` - 1."""

    def decorate(test: Callable[..., None]) -> Callable[[], None]:
        @functools.wraps(test)
        def run() -> None:
            for seed in range(count):
                try:
                    test(seed)
                except BaseException as error:
                    error.add_note(f"seed {seed}")
                    raise

        del run.__wrapped__  # type: ignore[attr-defined]  # pytest would look for a fixture named seed
        return run

    return decorate
