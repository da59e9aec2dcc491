"""The console's pages in the machine's own Chromium, against a system of its own."""

from __future__ import annotations

import gzip
import itertools
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests.support.system import System

WAIT_MS = 20_000
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


class Jobs:
    """Jobs of a training that reports here, made through the API."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._numbers = itertools.count(1)

    def make(self, *, running: bool = True, **fields: Any) -> int:
        job = self._request("POST", "/jobs", json=fields).json()["ID"]
        if running:
            self.change(job, status="running", kernel="test-kernel")
        return int(job)

    def change(self, job: int, **fields: Any) -> None:
        self._request("PUT", f"/jobs/{job}", json=fields)

    def push(self, job: int, lines: Iterable[str | dict[str, Any]]) -> None:
        """Push lines, a message or a record each; each batch is repeated until it is stored."""
        records = [line if isinstance(line, dict) else {"message": line} for line in lines]
        for start in range(0, len(records), 5_000):
            body = "\n".join(json.dumps(record) for record in records[start : start + 5_000])
            headers = {
                "Content-Type": "application/x-ndjson",
                "Content-Encoding": "gzip",
                "Idempotency-Key": f"console-{job}-{next(self._numbers)}",
            }
            for attempt in itertools.count():
                try:
                    self._request("POST", f"/jobs/{job}/logs", data=gzip.compress(body.encode(), 1), headers=headers)
                    break
                except requests.RequestException:
                    if attempt == 20:
                        raise

    def report(self, job: int, points: list[dict[str, Any]]) -> None:
        for start in range(0, len(points), 2_500):
            self._request("POST", f"/jobs/{job}/metrics", json={"metrics": points[start : start + 2_500]})

    def _request(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        answer = self._system.request(method, path, **kwargs)
        answer.raise_for_status()
        return answer


@pytest.fixture(scope="session")
def jobs(system: System) -> Jobs:
    return Jobs(system)
