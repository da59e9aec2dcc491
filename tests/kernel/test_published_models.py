"""Models that others pushed are served under their names"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from examples.kernel import api as kernel_api
from examples.kernel import formats, lora
from examples.kernel.api import Api
from examples.kernel.model import Classifier
from examples.kernel.published_models import fetch
from examples.kernel.served_models import ServedModels
from tests.kernel.conftest import StandIn


@pytest.fixture
def gguf(tmp_path: Path, base: Classifier) -> bytes:
    adapter = lora.new_adapter()
    formats.write(tmp_path / "made", "mine", adapter, adapter.merged_into(base))
    return (tmp_path / "made" / formats.GGUF).read_bytes()


@pytest.fixture
def served(services: StandIn, tmp_path: Path, base: Classifier) -> ServedModels:
    return ServedModels(tmp_path / "models", base, partial(fetch, Api(services.url, services.url)))


def publish(services: StandIn, name: str, content: bytes, status: str = "ready") -> int:
    number = int(services.add_model({"name": name, "status": status})["ID"])
    services.files[number, formats.GGUF] = content
    return number


def test_the_newest_ready_one_of_a_name_is_served(
    services: StandIn, served: ServedModels, gguf: bytes, base: Classifier
) -> None:
    publish(services, "mine", b"an older one")
    number = publish(services, "mine", gguf)
    publish(services, "mine", b"not ready", status="uploading")
    model = served.find("mine")
    assert model is not None
    assert model.label("I love it", among=("positive", "negative")) == base.label(
        "I love it", among=("positive", "negative")
    )
    assert served.names()[-1] == "mine"
    assert (served.folder_of(number) / formats.GGUF).read_bytes() == gguf
    services.away = True
    assert served.find("mine") is model


def test_a_name_that_nobody_has(services: StandIn, served: ServedModels) -> None:
    assert served.find("none") is None
    services.away = True
    assert served.find("none") is None


@pytest.mark.parametrize("content", [b"", b"GGUF", b"\0" * 1000])
def test_what_is_no_classifier_is_not_served(services: StandIn, served: ServedModels, content: bytes) -> None:
    publish(services, "mine", content)
    assert served.find("mine") is None
    assert served.names() == ["example-base"]


def test_what_is_too_large_is_not_served(
    services: StandIn, served: ServedModels, gguf: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel_api, "MAX_DOWNLOAD", len(gguf) - 1)
    publish(services, "mine", gguf)
    assert served.find("mine") is None
