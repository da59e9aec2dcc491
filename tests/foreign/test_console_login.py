"""Signing in, where tokens are asked for."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from run.token_file import add_token
from tests.support.accessibility import require_accessible
from tests.support.system import start_system


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A system that asks for tokens, and one of them."""
    data_dir = tmp_path_factory.mktemp("guarded") / "data"
    data_dir.mkdir()
    token = add_token(data_dir / "tokens.toml", "alice", ["read", "write"], None)
    system = start_system(data_dir, EXAMPLE_KERNEL="0")
    try:
        system.wait_until_ready()
        yield system, token
    finally:
        system.stop()


def test_it_works(guarded, open_page):
    system, token = guarded
    page = open_page("/ui/jobs?status=failed", base_url=system.url)
    expect(page).to_have_url(re.compile(r"/ui/login\?then="))
    require_accessible(page)
    page.get_by_label("Token").fill(token)
    page.keyboard.press("Enter")

    expect(page).to_have_url(f"{system.url}/ui/jobs?status=failed")
    expect(page.locator(".empty")).to_contain_text("No jobs match")
    assert page.evaluate("document.cookie") == ""
    page.goto("/ui/jobs")
    page.get_by_role("button", name="New job").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Create job").click()
    expect(page.locator(".log-status")).to_contain_text("Live")
    page.goto("/ui/login")
    expect(page.locator(".facts")).to_contain_text("alice")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Token")).to_be_visible()


def test_a_wrong_token_is_refused_and_stays_nowhere(guarded, open_page):
    system, _ = guarded
    page = open_page("/ui/login", base_url=system.url)
    page.get_by_label("Token").fill("td_wrong")
    page.keyboard.press("Enter")

    expect(page.get_by_role("alert")).to_be_visible()
    require_accessible(page)
    assert "td_wrong" not in page.url
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0


@pytest.mark.parametrize("path", ["jobs/1", "models", "evaluations", "datasets", "compare?jobs=1,2"])
def test_every_page_asks_for_a_token(guarded, open_page, path):
    system, _ = guarded

    expect(open_page(f"/ui/{path}", base_url=system.url)).to_have_url(re.compile("/ui/login"))
