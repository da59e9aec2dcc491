"""deploy/kubernetes as kubectl builds it, held to the schemas of Kubernetes' API and to what the services need."""

from __future__ import annotations

import shutil
import subprocess
from importlib import import_module
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from run import parts
from run.parts import ROOT
from shared.settings import load

DEPLOY = ROOT / "deploy" / "kubernetes"
OVERLAYS = ("single-node", "production")
VERSION = "1.32"
SECRETS = {"AUTH_SECRET", "S3_ACCESS_KEY", "S3_SECRET_KEY", "S3_PARTS_ACCESS_KEY", "S3_PARTS_SECRET_KEY"}
"""What the Secret `tunedeck` has."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, with the secrets of the single node made."""
    assert shutil.which("kubectl"), "kubectl is missing: make tools"
    copy = tmp_path_factory.mktemp("deploy") / "kubernetes"
    shutil.copytree(DEPLOY, copy, ignore=shutil.ignore_patterns("secrets"))
    subprocess.run(["sh", "make-secrets.sh"], cwd=copy / "overlays" / "single-node", check=True)
    return copy


@pytest.fixture(scope="module", params=OVERLAYS)
def objects(request: pytest.FixtureRequest, folder: Path) -> list[dict[str, Any]]:
    built = subprocess.run(
        ["kubectl", "kustomize", str(folder / "overlays" / request.param)], capture_output=True, text=True, check=False
    )
    assert (built.returncode, built.stderr) == (0, "")
    return list(yaml.safe_load_all(built.stdout))


def of_kind(objects: list[dict[str, Any]], *kinds: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in objects if one["kind"] in kinds}


def pods(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the pod's specification of each of our own workloads, and of servers that come along."""
    workloads = of_kind(objects, "Deployment", "StatefulSet", "Job")
    return {name: one["spec"]["template"]["spec"] for name, one in workloads.items()}


def literals(objects: list[dict[str, Any]], name: str) -> dict[str, str]:
    (found,) = [one for one in objects if one["kind"] == "ConfigMap" and one["metadata"]["name"].startswith(name)]
    data: dict[str, str] = found["data"]
    return data


def test_each_object_is_valid(objects: list[dict[str, Any]]) -> None:
    for one in objects:
        kubernetes_validate.validate(one, VERSION, strict=True)
        assert one["metadata"]["namespace"] == "tunedeck"


def test_nothing_runs_as_root_and_ours_write_nothing_but_tmp(objects: list[dict[str, Any]]) -> None:
    for name, pod in pods(objects).items():
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["automountServiceAccountToken"] is False, name
        for container in pod["containers"]:
            context = container["securityContext"]
            assert (context["allowPrivilegeEscalation"], context["capabilities"]) == (False, {"drop": ["ALL"]}), name
            assert container["resources"]["limits"]["memory"]
            if "tunedeck" in container["image"]:
                assert context["readOnlyRootFilesystem"] is True, name
                assert "/tmp" in [mount["mountPath"] for mount in container["volumeMounts"]]


@pytest.mark.parametrize("service", parts.SERVICES)
def test_each_service_has_every_setting_that_it_needs(objects: list[dict[str, Any]], service: str) -> None:
    environ = literals_of_services(objects)
    environ |= dict.fromkeys(SECRETS, "of the secret store, and 32 bytes long") | {"DATABASE_URL": "sqlite:///x"}
    load(import_module(f"services.{service}.settings").Settings, environ)

    (container,) = pods(objects)[service]["containers"]
    assert {"DATABASE_URL"} == {variable["name"] for variable in container["env"]}
    assert environ["HOST"] == "0.0.0.0"
    assert environ["TOKENS_FILE"].startswith("/run/tokens/")


def literals_of_services(objects: list[dict[str, Any]]) -> dict[str, str]:
    return dict(next(one["data"] for one in objects if one["kind"] == "ConfigMap" and "LOGS_URL" in one["data"]))


def test_the_gateway_finds_each_service_by_dns(objects: list[dict[str, Any]]) -> None:
    settings = literals(objects, "tunedeck-gateway")
    services = of_kind(objects, "Service")
    assert settings["UPSTREAMS"] == "dynamic"
    for name in parts.SERVICES:
        host, port = settings[f"{name.upper()}_UPSTREAM"].split()
        assert services[host]["spec"]["clusterIP"] == "None"
        assert int(port) == services[host]["spec"]["ports"][0]["port"]


def test_probes_ask_no_dependency_once_a_pod_has_started(objects: list[dict[str, Any]]) -> None:
    for service in parts.SERVICES:
        (container,) = pods(objects)[service]["containers"]
        assert container["startupProbe"]["httpGet"]["path"] == "/readyz"
        for probe in ("readinessProbe", "livenessProbe"):
            assert container[probe]["httpGet"]["path"] == "/healthz"


def test_every_pod_is_behind_a_policy_and_every_budget_and_scale_has_its_deployment(
    objects: list[dict[str, Any]],
) -> None:
    policies = of_kind(objects, "NetworkPolicy")
    assert policies["default-deny"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress"]}
    reached = {name for name in policies if name != "default-deny"}
    assert reached == {name for name in pods(objects) if not name.endswith("-setup")}
    deployments = of_kind(objects, "Deployment")
    for scaler in of_kind(objects, "HorizontalPodAutoscaler").values():
        assert scaler["spec"]["scaleTargetRef"]["name"] in deployments
    for budget in of_kind(objects, "PodDisruptionBudget").values():
        labels = budget["spec"]["selector"]["matchLabels"]
        assert labels["app.kubernetes.io/component"] in deployments


def test_production_has_two_of_each_and_no_secret_of_its_own(folder: Path) -> None:
    built = subprocess.run(
        ["kubectl", "kustomize", str(folder / "overlays" / "production")], capture_output=True, text=True, check=True
    )
    found = list(yaml.safe_load_all(built.stdout))
    assert not of_kind(found, "Secret", "StatefulSet")
    for name in (*parts.SERVICES, "gateway"):
        assert of_kind(found, "Deployment")[name]["spec"]["replicas"] == 2
    images = [container["image"] for pod in pods(found).values() for container in pod["containers"]]
    assert all(image.startswith("registry.example.com/") for image in images)
