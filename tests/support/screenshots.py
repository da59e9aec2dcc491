"""`python -m tests.support.screenshots`: the README's pictures, of what the example kernel makes."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from run.parts import ROOT
from tests.support.system import System, start_system
from tests.support.waiting import wait_until

PICTURES = ROOT / "docs" / "pictures"
SIZE = {"width": 1280, "height": 760}


def train_and_evaluate(system: System) -> None:
    """Run two jobs of the example kernel, one after the other, and judge what the second made."""
    for number, epochs in enumerate((3, 40), start=1):
        body = {"dataset_id": 1, "name": f"sentiment, {epochs} epochs", "configuration": {"epochs": epochs}}
        system.request("POST", "/jobs", json=body).raise_for_status()
        wait_until(lambda number=number: system.get(f"/jobs/{number}").json()["status"] == "completed")
    body = {"test_set_path": "datasets/test_split.json"}
    system.request("POST", "/models/2/evaluate", json=body).raise_for_status()
    wait_until(lambda: system.get("/evaluations/1").json()["status"] == "completed")


def take(browser: Browser, system: System, path: str, shown: str, name: str, scheme: str) -> None:
    page = browser.new_page(base_url=system.url, viewport=SIZE, color_scheme=scheme)
    page.goto(path)
    page.locator(shown).first.wait_for()
    page.wait_for_timeout(1_000)  # for what is drawn later
    page.screenshot(path=PICTURES / f"{name}.png")
    page.close()


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        system = start_system(Path(folder) / "data")
        try:
            system.wait_until_ready()
            train_and_evaluate(system)
            executable = shutil.which("chromium") or "chromium"
            browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
            take(browser, system, "/ui/jobs/2", ".curve", "job", "light")
            take(browser, system, "/ui/evaluations/1", ".verdict", "evaluation", "light")
            take(browser, system, "/ui/jobs", "tbody tr", "jobs", "dark")
            browser.close()
        finally:
            system.stop()


if __name__ == "__main__":
    main()
