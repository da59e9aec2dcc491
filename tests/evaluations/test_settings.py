"""The worker's settings: what is bad stops the start and is named."""

import pytest

from services.evaluations.settings import WorkerSettings
from shared.settings import SettingsError, load

ENVIRON = {
    **dict.fromkeys(["DATABASE_URL", "S3_REGION", "S3_ACCESS_KEY", "S3_SECRET_KEY"], "x"),
    **dict.fromkeys(["S3_ENDPOINT", "MODELS_URL"], "http://localhost:1"),
    "REDIS_URL": "redis://localhost",
    "INFERENCE_URL": "http://localhost:11434/v1",
}


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
        ("INFERENCE_PATIENCE_S", "0", "must be at least 1"),
        ("INFERENCE_URL", "http://", "is no valid URL"),
        ("INFERENCE_URL", "http://host:port/v1", "is no valid URL"),
        ("INFERENCE_URL", "http://ho st/v1", "is no valid URL"),
        ("INFERENCE_API_KEY", "sk-a\rb", "must have no control characters"),
        ("INFERENCE_API_KEY", "sk-a b", "must be visible ASCII characters"),
        ("INFERENCE_API_KEY", "sk-ä", "must be visible ASCII characters"),
        ("S3_ENDPOINT", "localhost:9000", "must begin with http:// or https://"),
        ("MODELS_URL", "http://[::1", "is no valid URL"),
        ("REDIS_URL", "http://localhost", "must begin with redis://, rediss:// or unix://"),
    ],
)
def test_it_names_what_is_bad(variable, value, problem):
    with pytest.raises(SettingsError) as refused:
        load(WorkerSettings, ENVIRON | {variable: value})

    assert str(refused.value).startswith(variable)
    assert problem in str(refused.value)


def test_white_space_around_a_secret_goes_and_no_secret_is_shown():
    own = {"INFERENCE_API_KEY": " sk-secret\r\n", "INFERENCE_URL": "http://user:secret@host/v1?key=secret"}
    settings = load(WorkerSettings, ENVIRON | own)

    assert settings.inference_api_key == "sk-secret"
    assert "secret@" not in repr(settings)
    assert "sk-secret" not in repr(settings)
    with pytest.raises(SettingsError) as refused:
        load(WorkerSettings, ENVIRON | {"INFERENCE_URL": "http://user:secret@host:port/v1"})
    assert "secret" not in str(refused.value)
