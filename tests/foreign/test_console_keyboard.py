"""The console by keyboard alone, and its dialogs for whoever does not see them."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.support.accessibility import require_accessible

TAB_PRESSES = 150


def tab_to(page, words, times=TAB_PRESSES):
    """Press Tab until what has the focus has these words."""
    for _ in range(times):
        page.keyboard.press("Tab")
        focused = page.evaluate("`${document.activeElement.textContent} ${document.activeElement.ariaLabel ?? ''}`")
        if words in focused:
            return
    raise AssertionError(f"Tab does not get to {words!r}")


def test_it_works_from_a_new_job_to_the_verdict(trained, open_page):
    page = open_page("/ui/jobs")
    expect(page.locator("tbody tr").first).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    tab_to(page, "New job")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.type("by keyboard")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("by keyboard")
    expect(page.get_by_role("heading", level=1)).to_be_focused()

    expect(page.locator(".facts").first).to_contain_text("completed")
    expect(page.locator(".facts").first).to_contain_text("Model from Job")
    tab_to(page, "Model from Job")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Model from Job")
    tab_to(page, "Evaluate")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Test set").focus()
    page.keyboard.type("test_split")
    tab_to(page, "Evaluate")
    page.keyboard.press("Enter")
    expect(page.locator(".verdict")).to_contain_text("better by")
    tab_to(page, "all rows")
    page.keyboard.type("only the fine")
    expect(page).to_have_url(re.compile("winner=fine_tuned"))


PLACES = ["jobs", "jobs/{job}", "models", "models/{model}", "evaluations", "evaluations/{evaluation}", "datasets"]

_REACHABLE = """[...document.querySelectorAll('a[href], button, input, select, textarea, summary, canvas')]
    .filter((one) => one.checkVisibility({ visibilityProperty: true }) && !one.disabled && !one.closest('.log-scroller')
        && one.type !== 'file')
    .map((one) => {
        one.dataset.place ??= String(window.places = (window.places ?? 0) + 1);
        return one.dataset.place;
    })"""
"""What one can click, but for the log's rows, which have keys of their own, and fields that a button stands for."""


@pytest.mark.parametrize("place", PLACES)
def test_tab_gets_to_everything(trained, evaluation, open_page, place):
    page = open_page(f"/ui/{place.format(job=trained[0], model=trained[1], evaluation=evaluation)}")
    expect(page.locator("h1").first).to_be_visible()
    expect(page.locator(".loading")).to_have_count(0)
    page.wait_for_timeout(500)  # for what is drawn later, so that it is looked for, too
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    wanted = set(page.evaluate(_REACHABLE))

    reached = set()
    for _ in range(len(wanted) + 60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.dataset.place"))
    missing = '(places) => places.map((one) => document.querySelector(`[data-place="${one}"]`)?.outerHTML)'
    assert page.evaluate(missing, sorted(wanted - reached)) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize(
    ("place", "opens"),
    [
        ("jobs", "New job"),
        ("jobs", "Keyboard shortcuts"),
        ("jobs/{running}", "Cancel job"),
        ("models/{model}", "Evaluate"),
        ("models/{model}", "Delete"),
    ],
)
def test_everybody_can_use_its_dialogs(trained, jobs, open_page, place, opens, width, scheme):
    running = jobs.make() if "running" in place else None
    path = f"/ui/{place.format(running=running, model=trained[1])}"
    page = open_page(path, viewport={"width": width, "height": 740}, color_scheme=scheme)
    page.get_by_role("button", name=opens, exact=True).first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()

    require_accessible(page)
    assert dialog.evaluate("(one) => one.scrollWidth <= one.clientWidth && one.getBoundingClientRect().left >= 0")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
