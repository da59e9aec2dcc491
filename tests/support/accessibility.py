"""What axe finds wrong with a page."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page


def require_accessible(page: Page) -> None:
    """Fail with the rules that the page breaks, and with some of the elements that break them."""
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    broken = [(rule["id"], [node["html"][:200] for node in rule["nodes"][:3]]) for rule in found]
    assert not broken, broken
