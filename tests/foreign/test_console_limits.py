"""What the console is held to: its budget, what hostile text can do, and who can use it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.support.accessibility import require_accessible
from tests.support.hostile_text import HOSTILE, LONG, HostileRecords
from tests.support.log_page import row
from tests.support.waiting import wait_until

MOST_BYTES = 80_000
MOST_FILES = 20
MOST_REQUESTS = 24

PAGES = ["jobs", "job", "failed job", "compare", "models", "model", "evaluations", "evaluation"]
PAGES += ["failed evaluation", "test set", "ranking", "datasets", "login", "none"]


@pytest.fixture(scope="module")
def pages(system, jobs, trained):
    """The addresses of pages that are full of hostile text, by name."""
    found = HostileRecords(system, jobs, trained[1]).pages
    assert list(found) == PAGES
    return found


def settle(page):
    """Wait until the page has shown what it has."""
    expect(page.locator("h1").first).to_be_visible()
    expect(page.locator(".loading")).to_have_count(0)
    page.wait_for_timeout(500)  # for what is drawn later, so that it is looked at, too


@pytest.mark.parametrize("name", PAGES)
def test_the_budget(pages, open_page, name):
    page = open_page("about:blank")  # of which no request can still be under way
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    addresses, sizes = {}, {}
    session.on(
        "Network.requestWillBeSent", lambda event: addresses.update({event["requestId"]: event["request"]["url"]})
    )
    session.on("Network.loadingFinished", lambda event: sizes.update({event["requestId"]: event["encodedDataLength"]}))
    page.goto(pages[name])
    settle(page)

    files = [
        number for number, address in addresses.items() if "/api/" not in address and not address.startswith("data:")
    ]
    assert len(files) <= MOST_FILES
    assert len(addresses) <= MOST_REQUESTS
    assert sum(sizes[number] for number in files) <= MOST_BYTES


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("name", PAGES)
def test_hostile_text_does_nothing_and_everybody_can_read_it(pages, open_page, name, width, scheme):
    """What ran, what the policy stopped, and what the page reports as wrong fails in ``open_page``."""
    page = open_page(pages[name], viewport={"width": width, "height": 900}, color_scheme=scheme)
    settle(page)

    assert page.evaluate("document.documentElement.scrollWidth") <= width, "the page scrolls sideways"
    if width == 360:  # where the navigation scrolls sideways by itself
        higher = "[...document.querySelectorAll('.sections')].some((one) => one.scrollHeight > one.clientHeight)"
        assert not page.evaluate(higher), "the navigation scrolls up and down"
    assert page.evaluate("document.querySelectorAll('main script, main img, main iframe, main style').length") == 0
    links = page.evaluate("[...document.querySelectorAll('a[href]')].map((link) => link.href)")
    assert all(re.match("https?://localhost", link) for link in links)
    require_accessible(page)


def test_hostile_lines_show_as_they_are(pages, open_page):
    page = open_page(pages["job"])
    expect(row(page, 1).locator(".message")).to_have_text(HOSTILE["markup"])
    expect(row(page, 3).locator(".message")).to_have_text("click red")
    expect(row(page, 4).locator(".message")).to_have_text(re.compile("^RLO"))

    heights = "[...document.querySelectorAll('.log-row')].map((row) => row.getBoundingClientRect().height)"
    assert set(page.evaluate(heights)) == {20}
    page.get_by_role("button", name=re.compile("Show all of line 10")).click()
    whole = row(page, 10).locator(".message")
    wait_until(lambda: whole.evaluate("(message) => message.textContent.length") == len(LONG))


def test_hostile_answers_show_as_they_are(pages, open_page):
    page = open_page(pages["evaluation"])
    markup = page.locator("#row-1")
    expect(markup.locator(".text").first).to_have_text(HOSTILE["markup"])
    expect(markup).to_contain_text(f"✕ {HOSTILE['markup']}")

    long = page.locator("#row-10")
    long.get_by_role("button", name="Show all 262,000 characters").first.click()
    wait_until(lambda: long.locator(".text").first.evaluate("(text) => text.textContent.length") == len(LONG))
    assert page.evaluate("document.documentElement.scrollWidth") <= 1440


@pytest.mark.parametrize("width", [360, 768])
@pytest.mark.parametrize("name", [name for name in PAGES if name not in ("evaluation", "compare", "failed job")])
def test_nothing_is_cut_off_where_it_is_narrow(pages, trained, open_page, name, width):
    """Lists, files and rankings become cards; only tables of figures, of any width, scroll by themselves."""
    # A word that cannot be broken is wider than any page: the tables of a hostile job and model scroll.
    tame = {"job": f"/ui/jobs/{trained[0]}", "model": f"/ui/models/{trained[1]}"}
    page = open_page(tame.get(name, pages[name]), viewport={"width": width, "height": 900})
    settle(page)

    wide = "[...document.querySelectorAll('.table-scroll')].filter((one) => one.scrollWidth > one.clientWidth)"
    assert page.evaluate(f"{wide}.map((one) => one.getAttribute('aria-label'))") == []


def test_what_moves_is_still_where_that_is_wanted(jobs, open_page):
    page = open_page("/ui/jobs", reduced_motion="reduce")
    settle(page)

    durations = page.evaluate(
        "[...document.querySelectorAll('button')].map((one) => getComputedStyle(one).transitionDuration)"
    )
    assert set(durations) == {"0s"}


def test_the_page_is_up_within_a_second(pages, open_page):
    page = open_page("/ui/login")
    page.goto(pages["job"])
    page.locator(".log-row").first.wait_for()

    assert (
        page.evaluate("performance.getEntriesByType('navigation')[0].domInteractive") < 5_000
    )  # ten times what it takes
