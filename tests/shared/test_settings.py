"""Settings from the environment"""

from dataclasses import dataclass
from typing import Literal

import pytest

from shared.settings import HttpUrl, Port, Positive, RedisUrl, SettingsError, Visible, load


@dataclass(frozen=True)
class Settings:
    redis_url: str
    port: int = 8080
    host: str | None = None
    limit: int | None = None
    enabled: bool = True
    order: Literal["one", "two"] = "one"


def test_it_works():
    environ = {
        "REDIS_URL": "redis://",
        "PORT": "1",
        "HOST": "h",
        "LIMIT": "2",
        "ENABLED": "0",
        "ORDER": "two",
        "X": "y",
    }
    assert load(Settings, environ) == Settings("redis://", 1, "h", 2, False, "two")


def test_what_is_unset_or_empty_has_its_default():
    assert load(Settings, {"REDIS_URL": "r", "PORT": "", "HOST": ""}) == Settings("r")


@pytest.mark.parametrize("environ", [{}, {"REDIS_URL": ""}])
def test_it_names_what_is_missing(environ):
    with pytest.raises(SettingsError, match="^REDIS_URL is not set$"):
        load(Settings, environ)


@pytest.mark.parametrize(
    ("variable", "text", "problem"),
    [
        ("PORT", "x", "must be a whole number"),
        ("PORT", "-1", "must be a whole number"),
        ("PORT", "٣", "must be a whole number"),
        ("PORT", "1.0", "must be a whole number"),
        ("LIMIT", "1 0", "must be a whole number"),
        ("ENABLED", "true", "must be 0 or 1"),
        ("ORDER", "three", "must be one of one, two"),
    ],
)
def test_it_names_what_is_bad(variable, text, problem):
    with pytest.raises(SettingsError, match=f"{variable}={text!r}: {problem}"):
        load(Settings, {"REDIS_URL": "r", variable: text})


def test_white_space_around_a_value_goes():
    assert load(Settings, {"REDIS_URL": " r\r\n"}).redis_url == "r"


def test_it_rejects_control_characters_without_showing_the_value():
    with pytest.raises(SettingsError, match="^REDIS_URL: must have no control characters$"):
        load(Settings, {"REDIS_URL": "sec\rret"})


@dataclass(frozen=True)
class Kinds:
    days: Positive | None = None
    port: Port = 1
    key: Visible | None = None
    api_url: HttpUrl = ""
    redis_url: RedisUrl | None = None


def test_kinds_are_checked():
    environ = {
        "DAYS": "1",
        "PORT": "65535",
        "KEY": "sk-1",
        "API_URL": "https://u:p@[::1]:443/v1?a=b",
        "REDIS_URL": "unix:///run/redis.sock",
    }
    assert load(Kinds, environ) == Kinds(1, 65535, "sk-1", environ["API_URL"], environ["REDIS_URL"])
    assert load(Kinds, {}) == Kinds()


@pytest.mark.parametrize(
    ("variable", "text", "problem"),
    [
        ("DAYS", "0", "DAYS='0': must be at least 1"),
        ("PORT", "65536", "PORT='65536': must be at most 65535"),
        ("KEY", "secret key", "KEY: must be visible ASCII characters"),
        ("API_URL", "user:secret@host", "API_URL: must begin with http:// or https://"),
        ("API_URL", "http://user:secret@", "API_URL: is no valid URL"),
        ("API_URL", "http://user:secret@host:port", "API_URL: is no valid URL"),
        ("API_URL", "http://user:secret@[host", "API_URL: is no valid URL"),
        ("REDIS_URL", "user:secret@host", "REDIS_URL: must begin with redis://, rediss:// or unix://"),
        ("REDIS_URL", "redis://user:secret@host:0", "REDIS_URL: is no valid URL"),
    ],
)
def test_it_names_what_is_of_another_kind_without_showing_a_secret(variable, text, problem):
    with pytest.raises(SettingsError) as refused:
        load(Kinds, {variable: text})
    assert str(refused.value) == problem
