"""compose.yaml, checked by what can be checked without an engine."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml

from run import parts
from run.parts import StoreServer
from shared.settings import load

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]


def command_of(part: parts.Part) -> list[str]:
    """Return a part's start command as it reads in an image: its own Python, its own folder."""
    return ["python", *part.command[1:]]


@pytest.mark.parametrize("service", parts.SERVICES)
def test_start_commands_are_those_of_make_run(service):
    relative = [word.replace(f"{ROOT}/", "") for word in command_of(parts.gunicorn(service, {}, 8000, ()))]

    assert shlex.split(SERVICES[service]["command"]) == relative
    assert shlex.split(SERVICES[f"{service}-setup"]["command"]) == command_of(parts.setup(service, {}, ()))


@pytest.mark.parametrize("service", parts.SERVICES)
def test_each_service_has_every_setting_that_it_needs(service):
    settings = __import__(f"services.{service}.settings", fromlist=["Settings"]).Settings
    environ = {
        name: re.sub(r"\$\{\w+:-(.*?)\}", r"\1", str(value)) for name, value in SERVICES[service]["environment"].items()
    }

    assert load(settings, environ).database_url.endswith(f"/{service}")


def test_the_store_knows_the_keys_that_the_services_have():
    environ = {name: re.sub(r"\$\{\w+:-(.*?)\}", r"\1", str(value)) for name, value in COMPOSE["x-environment"].items()}
    server = StoreServer(
        "", *(environ[f"S3_{name}"] for name in ("ACCESS_KEY", "SECRET_KEY", "PARTS_ACCESS_KEY", "PARTS_SECRET_KEY"))
    )

    assert json.loads((ROOT / "compose" / "s3.json").read_text()) == parts.store_identities(server)


def test_the_gateway_has_every_variable_of_its_caddyfile():
    named = set(re.findall(r"\{\$(\w+)\}", (ROOT / "gateway" / "Caddyfile").read_text()))

    assert named <= set(SERVICES["gateway"]["environment"])


def test_the_console_is_mounted_where_the_gateway_looks_for_it():
    folder = re.search(r"\{\$CONSOLE_DIR:(\S+)\}", (ROOT / "gateway" / "Caddyfile").read_text())[1]

    assert f"./gateway/console:{folder}:ro" in SERVICES["gateway"]["volumes"]


def test_only_the_gateway_and_the_logs_port_are_published_and_on_loopback():
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert set(published) == {"gateway", "logs"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_every_long_running_service_restarts_and_steps_do_not():
    for name, service in SERVICES.items():
        assert ("restart" in service) == (not name.endswith("-setup")), name


def test_every_volume_and_file_that_is_mounted_is_there():
    for service in SERVICES.values():
        for mount in service.get("volumes", ()):
            source = mount.split(":")[0]
            assert (ROOT / source).exists() if source.startswith("./") else source in COMPOSE["volumes"]


def test_what_runs_for_ever_has_a_bounded_log():
    for name, service in SERVICES.items():
        if service.get("restart") == "unless-stopped":
            assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}, name
