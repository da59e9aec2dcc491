"""Calls an endpoint with what a service's own OpenAPI document allows, and with what it does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    allow_header_conformance,
]


def check_endpoint(
    client: Any,
    path: str,
    method: str,
    mode: GenerationMode,
    known: Mapping[str, int],
    headers: Mapping[str, str] | None = None,
) -> None:
    """Make 20 generated calls: no 500, no answer that the document leaves out.

    ``known`` are ids that exist, put in the place of every other generated one, most of which find nothing.
    """
    document = schemathesis.openapi.from_url(f"{client.url}/openapi.json")

    @given(document[path][method].as_strategy(generation_mode=mode))
    @settings(max_examples=20, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def check(case: Any) -> None:
        for name, number in known.items():
            generated = case.path_parameters.get(name)
            if type(generated) is int and generated % 2:
                case.path_parameters[name] = number
        answer = case.call(headers=headers, session=client.session, timeout=30)
        if answer.status_code != 414:  # gunicorn's own, for a URL beyond its limit
            case.validate_response(answer, checks=CHECKS)

    check()


def endpoints(client: Any) -> set[tuple[str, str]]:
    """Return (path, method) of all that the document names."""
    paths = client.get("/openapi.json").json()["paths"]
    return {(path, method.upper()) for path, methods in paths.items() for method in methods if method != "parameters"}
