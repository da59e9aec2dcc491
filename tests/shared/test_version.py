"""The version of the project: written once, and said by everything that is asked."""

from __future__ import annotations

import re

import pytest
import tunedeck_client

from run.parts import ROOT
from shared.auth.access import Access
from shared.auth.settings import AuthSettings
from shared.http.service import create_service
from shared.version import VERSION


def test_it_works():
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)
    assert tunedeck_client.__version__ == VERSION


@pytest.mark.parametrize("path", ["Dockerfile", "pyproject.toml", "client/pyproject.toml", "shared/version.py"])
def test_it_is_written_in_no_second_place(path):
    assert VERSION not in (ROOT / path).read_text()


def test_a_service_says_it_in_its_health_and_its_openapi_document():
    client = create_service("logs", [], {}, Access(AuthSettings())).test_client()

    assert client.get("/healthz").json == {"status": "ok", "version": VERSION}
    assert client.get("/openapi.json").json["info"]["version"] == VERSION
