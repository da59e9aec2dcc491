"""A training script that knows nothing of Tunedeck: `python -m examples.script FOLDER`.

It fine-tunes the example kernel's base, prints what some trainer would print, and leaves a folder as PEFT does. Under
`tunedeck run` its log is live, its curve is shown, and the folder becomes a model.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from examples.kernel import data, formats, lora
from examples.kernel.model import fit_base

Show = Callable[[int, int, float, float], None]
"""Prints an epoch: its number, how many there are, the loss and the learning rate."""


def main() -> None:
    options = _options()
    base = fit_base(data.general())
    dataset = data.datasets()[1]
    print(f"Training on {len(dataset.train)} sentences", flush=True)
    adapter = lora.new_adapter()
    epochs = {"epochs": options.epochs, "learning_rate": options.learning_rate}
    for epoch in lora.train(adapter, base, dataset.train, **epochs):
        STYLES[options.style](epoch.number, options.epochs, epoch.loss, options.learning_rate)
        time.sleep(options.pause)
    formats.write(options.folder, options.folder.name, adapter, adapter.merged_into(base))
    print(f"Model saved to {options.folder}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--learning-rate", type=float, default=0.01)
    parser.add_argument("--style", choices=STYLES, default="transformers", help="what is printed, as by this trainer")
    parser.add_argument("--pause", type=float, default=0.0, metavar="SECONDS", help="after each epoch")
    return parser.parse_args()


def _as_transformers(number: int, count: int, loss: float, rate: float) -> None:
    done = 10 * number // count
    bar = f"{100 * number // count:3d}%|{'█' * done:10}| {number}/{count} [00:{number:02d}<00:{count - number:02d}]"
    print(bar, end="\n" if number == count else "\r", file=sys.stderr, flush=True)
    print({"loss": f"{loss:.4f}", "learning_rate": f"{rate:g}", "epoch": f"{number:g}"})


def _as_torchtune(number: int, count: int, loss: float, rate: float) -> None:
    print(f"Step {number} | loss:{loss:.6f} lr:{rate:g} tokens_per_second_per_gpu:812.3")


def _as_nanogpt(number: int, count: int, loss: float, rate: float) -> None:
    print(f"iter {number}: loss {loss:.4f}, time 23.40ms, mfu 20.40%")


STYLES: dict[str, Show] = {"transformers": _as_transformers, "torchtune": _as_torchtune, "nanogpt": _as_nanogpt}

if __name__ == "__main__":
    main()
