"""The base, and what fine-tuning makes of it."""

import logging

import numpy as np
import pytest

from examples.kernel import data, lora, trainer
from examples.kernel.configuration import Configuration
from examples.kernel.failure import JobFailed
from examples.kernel.model import Classifier, fit_base

LOG = logging.getLogger(__name__)
DATASET = data.datasets()[1]


def train(base: Classifier, epochs: int = 3, learning_rate: float = 0.01) -> trainer.Result:
    return trainer.train(base, DATASET, Configuration(epochs, learning_rate), LOG, lambda: None)


def test_it_works(base: Classifier) -> None:
    _, before = base.measure(DATASET.held_out)
    result = train(base)
    assert 0.5 <= before <= 0.75
    assert result.accuracy >= 0.88
    assert result.accuracy == result.model.measure(DATASET.held_out)[1]
    assert result.model.label("The parcel arrived late and the box was crushed") == "negative"


def test_a_tiny_learning_rate_does_no_harm(base: Classifier) -> None:
    assert train(base, 5, 0.0001).accuracy >= base.measure(DATASET.held_out)[1]


def test_it_is_deterministic(base: Classifier) -> None:
    again = fit_base(data.general())
    np.testing.assert_array_equal(again.encoder, base.encoder)
    first, second = train(base), train(again)
    np.testing.assert_array_equal(first.adapter.a, second.adapter.a)
    np.testing.assert_array_equal(first.adapter.b, second.adapter.b)
    assert (first.loss, first.accuracy) == (second.loss, second.accuracy)


def test_only_the_adapter_is_trained(base: Classifier) -> None:
    before = base.encoder.copy()
    result = train(base)
    np.testing.assert_array_equal(base.encoder, before)
    update = np.float32(lora.ALPHA / lora.RANK) * result.adapter.b @ result.adapter.a
    np.testing.assert_array_equal(result.model.encoder, base.encoder + update)
    assert result.model.head is base.head
    assert np.linalg.matrix_rank(update) <= lora.RANK


def test_an_untrained_adapter_is_the_base(base: Classifier) -> None:
    np.testing.assert_array_equal(lora.new_adapter().merged_into(base).encoder, base.encoder)


def test_it_tells_every_epoch(base: Classifier, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    train(base, epochs=2)
    assert "264 sentences to train on, 102 held out" in caplog.text
    assert "Epoch 1/2 - Loss: " in caplog.text
    assert "Epoch 2/2 - Loss: " in caplog.text
    assert "Tuned model - Held-out accuracy: " in caplog.text


def test_it_warns_of_a_learning_rate_that_is_too_high(base: Classifier, caplog: pytest.LogCaptureFixture) -> None:
    train(base, learning_rate=1.0)
    assert "The loss is above the base model's: learning rate 1 is probably too high" in caplog.text


@pytest.mark.parametrize("rate", [1e10, 1e38, 1.7e308])
def test_it_rejects_a_learning_rate_that_leaves_no_numbers(base: Classifier, rate: float) -> None:
    with pytest.raises(JobFailed, match="Training diverged"):
        train(base, learning_rate=rate)


def test_a_text_without_words_has_a_label_too(base: Classifier) -> None:
    assert base.label("?!") in data.LABELS


def test_train_and_test_do_not_overlap() -> None:
    texts = [text.lower() for text in data.general().texts + DATASET.train.texts + DATASET.held_out.texts]
    assert len(texts) == len(set(texts))
