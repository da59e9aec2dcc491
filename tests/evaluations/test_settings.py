"""The worker's settings: what is bad stops the start and is named."""

import pytest

from services.evaluations.settings import WorkerSettings
from shared.settings import SettingsError, load

_OTHERS = "DATABASE_URL REDIS_URL S3_ENDPOINT S3_REGION S3_ACCESS_KEY S3_SECRET_KEY MODELS_URL"
ENVIRON = dict.fromkeys(_OTHERS.split(), "x") | {"INFERENCE_URL": "http://localhost:11434/v1"}


def test_it_works():
    settings = load(WorkerSettings, ENVIRON | {"INFERENCE_ORDER": "blocks", "INFERENCE_API_KEY": ""})

    assert (settings.inference_order, settings.inference_concurrency) == ("blocks", 8)
    assert settings.inference_api_key is None


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("INFERENCE_ORDER", "random", "must be one of interleave, blocks"),
        ("INFERENCE_URL", "localhost:11434/v1", "must begin with http:// or https://"),
        ("INFERENCE_URL", "", "is not set"),
        ("INFERENCE_CONCURRENCY", "0", "must be at least 1"),
        ("INFERENCE_TIMEOUT_S", "0", "must be at least 1"),
        ("INFERENCE_TIMEOUT_S", "1.5", "must be a whole number"),
    ],
)
def test_it_names_what_is_bad(variable, value, problem):
    with pytest.raises(SettingsError) as refused:
        load(WorkerSettings, ENVIRON | {variable: value})

    assert str(refused.value).startswith(variable)
    assert problem in str(refused.value)
