"""The console's pages in the machine's own Chromium, against a system of its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.support.reported_jobs import Jobs
from tests.support.system import System
from tests.support.waiting import wait_until

WAIT_MS = 60_000
expect.set_options(timeout=WAIT_MS)
WIDE = {"width": 1440, "height": 900}


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or "chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        yield started
        started.close()


OpenPage = Callable[..., Page]

_HIDEABLE = """
    let hidden = false;
    Object.defineProperty(document, 'hidden', { get: () => hidden });
    window.setHidden = (value) => { hidden = value; document.dispatchEvent(new Event('visibilitychange')); };
"""
"""A headless browser shows all of its tabs; with this a test hides one."""


@pytest.fixture
def open_page(browser: Browser, system: System) -> Iterator[OpenPage]:
    """Open an address of the console. Whatever the page reports as wrong fails the test, but for what it expects."""
    contexts = []
    wrong: list[str] = []

    def report(message: ConsoleMessage) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:
            wrong.append(message.text)

    def open_page(path: str, *, hidden: bool = False, **options: Any) -> Page:
        context = browser.new_context(**{"viewport": WIDE, "base_url": system.url, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.add_init_script(_HIDEABLE + ("setHidden(true);" if hidden else ""))
        page.on("console", report)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: wrong.append(f"a dialog: {dialog.message}"))
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not wrong


@pytest.fixture(scope="session")
def jobs(system: System) -> Jobs:
    return Jobs(system)


@pytest.fixture(scope="module")
def trained(system: System, jobs: Jobs) -> tuple[int, int]:
    """What the example kernel makes of a job: (job, model)."""
    job = jobs.make(running=False, dataset_id=1, name="sentiment", configuration={"epochs": 2})
    wait_until(lambda: system.get(f"/jobs/{job}").json()["status"] == "completed")
    found = wait_until(lambda: system.get(f"/models?job_id={job}").json()["data"])
    return job, found[0]["ID"]


@pytest.fixture(scope="module")
def evaluation(system: System, trained: tuple[int, int]) -> int:
    """An evaluation that is over, of that model."""
    body = {"test_set_path": "datasets/test_split.json"}
    number = system.request("POST", f"/models/{trained[1]}/evaluate", json=body).json()["evaluation_id"]
    wait_until(lambda: system.get(f"/evaluations/{number}").json()["status"] == "completed")
    return number
