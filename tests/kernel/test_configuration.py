"""What a job may ask for."""

import logging
from typing import Any

import pytest

from examples.kernel.configuration import Configuration
from examples.kernel.failure import JobFailed

LOG = logging.getLogger(__name__)


def test_it_works() -> None:
    assert Configuration.read({"epochs": 5, "learning_rate": 1}, LOG) == Configuration(5, 1.0)
    assert Configuration.read({}, LOG) == Configuration(3, 0.01)


@pytest.mark.parametrize("epochs", [0, -1, 1001, 2.0, 2.5, "3", True, None, [3]])
def test_it_rejects_epochs(epochs: Any) -> None:
    with pytest.raises(JobFailed, match="epochs must be an integer, 1 to 1000, not "):
        Configuration.read({"epochs": epochs}, LOG)


@pytest.mark.parametrize("rate", [0, -0.1, float("inf"), float("nan"), 10**400, "0.1", True, None, {}])
def test_it_rejects_a_learning_rate(rate: Any) -> None:
    with pytest.raises(JobFailed, match="learning_rate must be a positive number, not "):
        Configuration.read({"learning_rate": rate}, LOG)


def test_it_warns_of_an_unknown_key(caplog: pytest.LogCaptureFixture) -> None:
    assert Configuration.read({"epoch": 7}, LOG) == Configuration()
    assert [(line.levelname, line.message) for line in caplog.records] == [
        ("WARNING", "Unknown configuration key 'epoch' is ignored")
    ]
