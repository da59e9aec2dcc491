"""A job's page around its log: its head, curves by keyboard, what is announced, logs that are gone or huge."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from tests.support.log_page import LIVE, ROWS, row, rows, wait_for, wait_for_end, wait_for_status


def test_the_head_says_how_far_it_is_and_who_was_heard_of(jobs, open_page):
    job = jobs.make(name="half way", dataset_id=7, running=False)
    jobs.change(job, status="running", kernel="kernel-9", heartbeat_s=3600, progress=0.25)
    page = open_page(f"/ui/jobs/{job}")

    facts = page.locator(".facts").first
    for words in ("running", "25 %", "left", "7", "kernel-9", "Last heard of"):
        expect(facts).to_contain_text(words)
    expect(page.get_by_role("progressbar", name="Progress")).to_have_attribute("value", "0.25")
    jobs.change(job, status="failed", error="out of memory")
    expect(facts).to_contain_text("out of memory")
    expect(facts).not_to_contain_text("Last heard of")
    expect(page.get_by_role("button", name="Cancel job")).to_have_count(0)


def test_a_kernel_that_is_silent_is_said_to_be_late(jobs, open_page):
    job = jobs.make()
    page = open_page("/ui/jobs")

    def silent(route):
        record = route.fetch().json()
        route.fulfill(json=record | {"heartbeat_s": 10, "last_seen_at": "2026-01-01T00:00:00Z"})

    page.route(f"**/api/v1/jobs/{job}", silent)
    page.goto(f"/ui/jobs/{job}")

    expect(page.locator(".facts").first).to_contain_text("it promised to be heard of every 10 s")


def test_a_curve_is_read_by_keyboard(jobs, open_page):
    job = jobs.make()
    jobs.push(job, [f"{{'loss': {1 / step:.4f}, 'step': {step}}}" for step in range(1, 201)])
    jobs.change(job, status="completed")
    page = open_page(f"/ui/jobs/{job}")
    curve = page.get_by_role("slider", name="loss")
    curve.focus()

    page.keyboard.press("Home")
    expect(curve).to_have_attribute("aria-valuetext", "step 1: 1")
    page.keyboard.press("ArrowRight")
    expect(curve).to_have_attribute("aria-valuetext", "step 2: 0.5")
    expect(page.locator(".curve-values")).to_have_text("step 2: 0.5")
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    expect(curve).to_have_attribute("aria-valuenow", "198")
    page.keyboard.press("Enter")

    expect(row(page, 199)).to_have_class(re.compile("chosen"))
    expect(row(page, 199)).to_be_in_viewport()


def test_a_point_that_was_reported_leads_to_the_line_of_its_time(jobs, open_page):
    job = jobs.make()
    jobs.push(job, [{"message": f"second {n}", "timestamp": f"2026-02-19T10:00:{n:02}Z"} for n in range(60)])
    points = [{"step": n, "timestamp": f"2026-02-19T10:00:{n:02}Z", "values": {"loss": n}} for n in range(60)]
    jobs.report(job, points)
    jobs.change(job, status="completed")
    page = open_page(f"/ui/jobs/{job}")
    curve = page.get_by_role("slider", name="loss")
    curve.focus()

    page.keyboard.press("Home")
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    expect(curve).to_have_attribute("aria-valuetext", "step 20: 20")
    page.keyboard.press("Enter")

    expect(page.locator(".log-row.chosen")).to_contain_text("second 20")


def test_new_lines_are_announced_as_a_count_and_only_while_one_follows(jobs, open_page):
    job = jobs.make()
    jobs.push(job, [f"line {number}" for number in range(1, 101)])
    page = open_page("/ui/jobs")
    page.clock.install()
    page.goto(f"/ui/jobs/{job}")
    wait_for_status(page, LIVE)
    heard = page.locator("#announcements")
    expect(page.get_by_role("log")).to_have_attribute("aria-live", "off")

    jobs.push(job, ["one", "two", "three"])
    wait_for_end(page, 103)
    page.clock.fast_forward(10_000)
    expect(heard).to_have_text("3 new lines")
    page.keyboard.press("g")
    expect(row(page, 1)).to_be_in_viewport()
    jobs.push(job, ["four"])
    expect(page.locator(".log-status")).to_contain_text("104 lines")
    page.clock.fast_forward(10_000)
    page.keyboard.press("G")
    jobs.push(job, ["five", "six"])
    wait_for_end(page, 106)
    page.clock.fast_forward(10_000)
    expect(heard).to_have_text("2 new lines")


def test_a_filtered_log_is_downloaded(jobs, open_page):
    job = jobs.make()
    jobs.push(job, ["fine", {"message": "bad\nworse", "level": "error"}])
    page = open_page(f"/ui/jobs/{job}?level=error")
    row(page, 2).wait_for()

    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()

    assert re.fullmatch(r"\S+Z \[ERROR\] kernel: bad\n    worse\n", download.value.path().read_text())


def test_an_expired_log_says_since_when(jobs, open_page):
    job = jobs.make()
    page = open_page("/ui/jobs")
    gone = {"code": 410, "status": "Gone", "message": "The log is gone."}
    page.route(f"**/api/v1/jobs/{job}/logs*", lambda route: route.fulfill(status=410, json=gone))
    page.route(
        f"**/api/v1/jobs/{job}",
        lambda route: route.fulfill(json=route.fetch().json() | {"log_expired_at": "2020-02-19T10:30:45Z"}),
    )
    page.goto(f"/ui/jobs/{job}")

    expect(page.locator(".log")).to_contain_text(re.compile(r"The log was deleted [0-9,]+ d ago"))
    expect(page.locator(".log-row")).to_have_count(0)


LAST = 3_000_000
"""More lines than elements can be high, one to a row."""


@pytest.fixture
def huge(jobs, open_page):
    """The page of a log of LAST lines, which are made as they are asked for, and what was asked."""
    job = jobs.make()
    jobs.change(job, status="completed")
    page = open_page("/ui/jobs")
    asked = []

    def answer(route):
        query = {name: values[0] for name, values in parse_qs(urlsplit(route.request.url).query).items()}
        if "text/event-stream" in route.request.headers["accept"]:
            return route.fulfill(status=204)
        asked.append(query)
        limit = int(query.get("limit", 100))
        if query.get("level") or query.get("q"):
            return route.fulfill(json={"logs": [], "has_more": False, "count": 0})
        first = LAST - limit + 1 if query.get("order") == "desc" else int(query.get("after", 0)) + 1
        numbers = range(first, min(first + limit, LAST + 1))
        time = "2026-02-19T10:30:45Z"
        lines = [
            {"ID": number, "level": "info", "source": "kernel", "timestamp": time, "message": f"line {number}"}
            for number in numbers
        ]
        if query.get("order") == "desc":
            lines.reverse()
        return route.fulfill(json={"logs": lines, "has_more": True, "count": len(lines), "next_after": numbers[-1]})

    page.route(f"**/api/v1/jobs/{job}/logs*", answer)
    return page, f"/ui/jobs/{job}", asked


@pytest.mark.parametrize("number", [1, 1_234_567, LAST - 5])
def test_any_line_of_a_huge_log_has_an_address(huge, number):
    page, path, _ = huge
    page.goto(f"{path}#L{number}")

    expect(row(page, number)).to_contain_text(f"line {number}")
    expect(row(page, number)).to_be_in_viewport()
    page.keyboard.press("j")
    expect(row(page, number + 1)).to_be_in_viewport()


def test_a_huge_log_is_scrolled_anywhere_line_by_line_by_the_wheel(huge):
    page, path, asked = huge
    page.goto(path)
    wait_for_end(page, LAST)

    for part in (0.0, 0.25, 0.7, 1.0):
        page.locator(".log-scroller").evaluate("(log, part) => { log.scrollTop = part * log.scrollHeight; }", part)
        near = f"Math.abs(({ROWS})()[0]?.[0] - {part * LAST}) < 1000"
        wait_for(page, f"() => !document.querySelector('.of-blank') && {near}")
        seen = rows(page)
        assert seen == [(number, f"line {number}") for number in range(seen[0][0], seen[0][0] + len(seen))]
    before = rows(page)[0][0]
    page.locator(".log-scroller").hover()
    page.mouse.wheel(0, -200)
    wait_for(page, f"() => ({ROWS})()[0]?.[0] === {before - 10}")
    assert len(asked) < 20
