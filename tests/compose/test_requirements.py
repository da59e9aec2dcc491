"""The requirements of each image: what its service imports is in its lock file, and no more than that is asked for."""

from __future__ import annotations

import re
import sys
from functools import cache
from importlib.metadata import packages_distributions

import grimp
import pytest

from run.parts import ROOT, SERVICES

NEEDED_UNIMPORTED = {
    "gunicorn": "serves the app",
    "packaging": "gunicorn's gevent worker imports it",
    "psycopg": "peewee's driver for PostgreSQL",
}


@cache
def imports() -> grimp.ImportGraph:
    return grimp.build_graph("services", "shared", include_external_packages=True)


def distributions(service: str) -> set[str]:
    """Return the distributions that the service's modules import, themselves or through ``shared``."""
    imported = imports().find_upstream_modules(f"services.{service}", as_package=True)
    names = {module.split(".")[0] for module in imported} - set(sys.stdlib_module_names) - {"services", "shared"}
    known = packages_distributions()
    return {normal(distribution) for name in names for distribution in known[name]}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(file: str) -> dict[str, str]:
    """Return the version of each distribution that a lock file pins."""
    pins = re.findall(r"^([\w.-]+)==([^ ;\\]+)", (ROOT / "requirements" / file).read_text(), re.MULTILINE)
    return {normal(name): version for name, version in pins}


def named(file: str) -> set[str]:
    """Return the distributions that an .in file asks for, itself or through those that it includes."""
    names: set[str] = set()
    for line in (ROOT / "requirements" / file).read_text().splitlines():
        if line.startswith("-r "):
            names |= named(line.removeprefix("-r "))
        elif requirement := re.match(r"[\w.-]+", line):
            names.add(normal(requirement[0]))
    return names


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_has_what_its_service_imports(service: str) -> None:
    assert distributions(service) <= set(locked(f"{service}.txt"))


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_asks_for_nothing_that_its_service_does_not_need(service: str) -> None:
    assert named(f"{service}.in") - distributions(service) <= set(NEEDED_UNIMPORTED)


def test_numpy_is_where_it_is_used_alone() -> None:
    assert [service for service in SERVICES if "numpy" in locked(f"{service}.txt")] == ["evaluations"]


def test_the_images_and_make_run_have_the_same_versions() -> None:
    versions = locked("test.txt")

    for file in (*(f"{service}.txt" for service in SERVICES), "run.txt"):
        assert locked(file).items() <= versions.items(), file


def test_the_image_installs_its_own_service_s_lock_file() -> None:
    assert "COPY requirements/${SERVICE}.txt requirements.txt" in (ROOT / "Dockerfile").read_text()
