"""What is installed: pinned with hashes, under licences that we know, and held to advisories also offline."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from run.parts import ROOT, SERVICES

REQUIREMENTS = ROOT / "requirements"


@pytest.mark.parametrize("file", [*(f"{service}.txt" for service in SERVICES), "run.txt", "test.txt"])
def test_everything_is_pinned_with_its_hashes(file: str) -> None:
    for requirement in re.split(r"\n(?=[\w])", (REQUIREMENTS / file).read_text().strip()):
        assert re.match(r"[\w.-]+==\S+", requirement), requirement
        assert "--hash=sha256:" in requirement, requirement
    assert "://" not in (REQUIREMENTS / file).read_text()


def test_the_images_run_as_nobody_and_have_no_compiler() -> None:
    for file in (ROOT / "Dockerfile", ROOT / "gateway" / "Dockerfile"):
        text = file.read_text()
        assert re.search(r"^USER (nobody|65534)$", text, re.MULTILINE)
        assert not re.search(r"apt-get|apk |gcc|build-essential", text)
    # Nothing is built: a wheel for each of what the image installs.
    assert "--only-binary :all:" in (ROOT / "Dockerfile").read_text()


def test_the_licence_list_is_of_what_is_pinned() -> None:
    listed = dict(re.findall(r"^\| ([\w.-]+) \| (\S+) \|", (ROOT / "docs" / "licences.md").read_text(), re.MULTILINE))
    pinned = dict(re.findall(r"^([\w.-]+)==([^ ;\\]+)", (REQUIREMENTS / "run.txt").read_text(), re.MULTILINE))
    assert {name: version for name, version in listed.items() if name[0] != "-" and name != "distribution"} == pinned
    assert "unknown" not in (ROOT / "docs" / "licences.md").read_text()


def advisory(name: str, **affected: object) -> dict[str, object]:
    package = {"package": {"ecosystem": "PyPI", "name": name}}
    return {"id": f"OSV-{name}", "summary": "bad", "affected": [package | affected]}


def events(*events: dict[str, str]) -> dict[str, object]:
    return {"ranges": [{"type": "ECOSYSTEM", "events": list(events)}]}


@pytest.mark.parametrize(
    ("found", "affected"),
    [
        (True, events({"introduced": "0"})),
        (True, events({"introduced": "0"}, {"last_affected": "99999"})),
        (False, events({"introduced": "0"}, {"fixed": "1.0"})),
        (False, events({"introduced": "99999"})),
        (False, {"ranges": [{"type": "GIT", "events": [{"introduced": "0"}]}]}),
        (False, {"versions": ["0.0.1"]}),
    ],
)
def test_the_audit_finds_what_an_advisory_is_about(tmp_path: Path, found: bool, affected: dict[str, object]) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("1.json", json.dumps(advisory("Flask", **affected)))
        archive.writestr("2.json", json.dumps(advisory("Flask", **events({"introduced": "0"})) | {"withdrawn": "2024"}))
        archive.writestr("3.json", json.dumps(advisory("nothing-of-ours", **events({"introduced": "0"}))))

    command = [sys.executable, REQUIREMENTS / "audit.py", tmp_path / "all.zip"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, "OSV-Flask bad" in done.stdout) == (int(found), found), done.stdout + done.stderr
