"""Reading a log on a job's page: wherever it is long, by keys, filters and searches, copied, linked to, as text."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.support.log_page import (
    COMPLETE,
    ROWS,
    row,
    rows,
    wait_for,
    wait_for_end,
    wait_for_frames,
    wait_for_rows,
    wait_for_status,
)
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def long_job(jobs):
    """120,000 lines: every tenth a warning, two errors."""
    job = jobs.make(name="long")
    lines = []
    for number in range(1, 120_001):
        level = "error" if number in (5_000, 100_000) else "warn" if number % 10 == 0 else "info"
        lines.append({"message": f"line {number}" + (" needle" if number == 70_007 else ""), "level": level})
    jobs.push(job, lines)
    jobs.change(job, status="completed")
    return job


def test_a_long_log_opens_at_its_end_with_few_elements_and_requests(long_job, open_page):
    page = open_page("/ui/jobs")
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "/logs" in request.url else None)
    page.goto(f"/ui/jobs/{long_job}")
    wait_for_end(page, 120_000)
    wait_for_status(page, COMPLETE)

    assert len(asked) <= 3  # its end, its newest error, and a stream that is answered 204
    assert page.locator(".log-row").count() < 100
    expect(page.locator(".log-status")).to_contain_text("120,000 lines")
    expect(page.locator(".pinned")).to_contain_text("line 100,000")


@pytest.mark.parametrize("number", [1, 60_000, 119_990])
def test_an_address_opens_at_its_line(long_job, open_page, number):
    page = open_page(f"/ui/jobs/{long_job}#L{number}")

    expect(row(page, number)).to_contain_text(f"line {number}")
    expect(row(page, number)).to_be_in_viewport()
    expect(row(page, number)).to_have_class(re.compile("chosen"))


def test_the_scroll_bar_goes_anywhere(long_job, open_page):
    page = open_page(f"/ui/jobs/{long_job}")
    wait_for_end(page, 120_000)

    for part in (0.0, 0.5, 0.123, 1.0):
        page.locator(".log-scroller").evaluate("(log, part) => { log.scrollTop = part * log.scrollHeight; }", part)
        wait_for(
            page,
            f"() => !document.querySelector('.of-blank') && Math.abs(({ROWS})()[0]?.[0] - {part * 120_000}) < 100",
        )
        seen = rows(page)
        assert seen == [(number, f"line {number}") for number, _ in seen]
        assert [number for number, _ in seen] == list(range(seen[0][0], seen[0][0] + len(seen)))


def test_keys(long_job, open_page):
    page = open_page(f"/ui/jobs/{long_job}")
    wait_for_end(page, 120_000)

    page.keyboard.press("E")
    expect(row(page, 100_000)).to_have_class(re.compile("chosen"))
    page.keyboard.press("E")
    expect(row(page, 5_000)).to_have_class(re.compile("chosen"))
    page.keyboard.press("e")
    expect(row(page, 100_000)).to_have_class(re.compile("chosen"))
    page.keyboard.press("j")
    expect(row(page, 100_001)).to_have_class(re.compile("chosen"))
    page.keyboard.press("k")
    page.keyboard.press("k")
    expect(row(page, 99_999)).to_have_class(re.compile("chosen"))
    expect(page).to_have_url(re.compile("#L99999$"))
    page.keyboard.press("g")
    expect(row(page, 1)).to_be_in_viewport()
    page.keyboard.press("G")
    wait_for_end(page, 120_000)
    page.keyboard.press("/")
    page.keyboard.type("NEEDLE")
    page.keyboard.press("Enter")
    expect(row(page, 70_007).locator("mark")).to_have_text("needle")
    page.keyboard.press("Escape")
    page.keyboard.press("k")
    expect(row(page, 70_006)).to_have_class(re.compile("chosen"))
    page.keyboard.press("n")
    expect(row(page, 70_007)).to_have_class(re.compile("chosen"))
    page.keyboard.press("f")
    wait_for_end(page, 120_000)
    page.keyboard.press("N")
    expect(row(page, 70_007)).to_be_in_viewport()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Next error")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_keys_can_be_turned_off(long_job, open_page):
    page = open_page(f"/ui/jobs/{long_job}")
    wait_for_end(page, 120_000)
    page.keyboard.press("?")
    page.get_by_label("Shortcuts are on").uncheck()
    page.keyboard.press("Escape")

    page.keyboard.press("g")
    page.reload()
    wait_for_end(page, 120_000)
    page.keyboard.press("g")
    wait_for_frames(page)

    wait_for_end(page, 120_000)


def test_a_filter_is_in_the_address_and_goes_on_as_one_scrolls(long_job, open_page):
    page = open_page(f"/ui/jobs/{long_job}")
    wait_for_end(page, 120_000)
    page.get_by_label("Levels").select_option("warn")
    expect(page.locator(".log-status")).to_contain_text("found since line")

    expect(page).to_have_url(re.compile("level=warn"))
    wait_until(lambda: {number % 10 for number, _ in rows(page)} == {0})
    before = int(page.locator(".log-row").first.get_attribute("data-id"))
    page.keyboard.press("g")
    wait_for(page, "(before) => Number(document.querySelector('.log-row').dataset.id) < before - 9000", arg=before)
    page.reload()
    expect(page.get_by_label("Levels")).to_have_value("warn")
    expect(page.locator(".log-status")).to_contain_text("found since line")


def test_only_matches_are_found_far_back_and_their_end_is_said(long_job, open_page):
    page = open_page(f"/ui/jobs/{long_job}?q=needle&only=1")

    expect(page.locator(".log-status")).to_contain_text("1 line found in 120,000")
    wait_for_rows(page, [(70_007, "line 70007 needle")])


def test_a_filter_without_a_match_says_so(long_job, open_page):
    page = open_page(f"/ui/jobs/{long_job}?source=nobody")

    expect(page.locator(".log-empty")).to_contain_text("No line matches")


def test_a_message_of_several_lines_opens_and_closes(jobs, open_page):
    job = jobs.make()
    message = "Traceback:\n" + "\n".join(f"  frame {number}" for number in range(100)) + "\nRuntimeError"
    jobs.push(
        job, [*(f"before {number}" for number in range(200)), message, *(f"after {number}" for number in range(200))]
    )
    page = open_page(f"/ui/jobs/{job}#L201")

    page.get_by_role("button", name="Show 101 more lines of line 201").click()
    expect(row(page, 201)).to_contain_text("frame 50")
    page.evaluate("() => document.querySelector('.log-scroller').scrollBy(0, 1000)")
    expect(row(page, 201)).to_be_in_viewport()
    page.evaluate("() => document.querySelector('.log-scroller').scrollBy(0, 1200)")
    expect(row(page, 210)).to_be_in_viewport()
    page.keyboard.press("G")
    wait_for_end(page, 401)


def test_a_message_opens_and_chosen_lines_are_copied_by_keys(jobs, open_page):
    job = jobs.make()
    jobs.push(job, ["one", "two\nsecond\nthird", "three"])
    page = open_page(f"/ui/jobs/{job}#L2")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    expect(row(page, 2)).to_have_class(re.compile("chosen"))

    page.keyboard.press("o")
    expect(row(page, 2)).to_contain_text("third")
    page.keyboard.press("o")
    expect(row(page, 2)).not_to_contain_text("third")
    page.keyboard.press("c")
    expect(page.locator(".log-status")).to_contain_text("1 line copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert re.fullmatch(r"\S+Z \[INFO\] kernel: two\n    second\n    third", copied)


def test_long_lines_wrap(jobs, open_page):
    job = jobs.make()
    jobs.push(job, [f"{number} " + "word " * 150 for number in range(1, 301)])
    page = open_page(f"/ui/jobs/{job}")
    wait_for_end(page, 300)
    page.keyboard.press("w")
    wait_for(page, "() => document.querySelector('.log-row[data-id=\"300\"]').offsetHeight > 40")

    wait_for_end(page, 300)
    page.keyboard.press("g")
    expect(row(page, 1)).to_be_in_viewport()
    assert page.locator(".log-scroller").evaluate("(log) => log.scrollWidth <= log.clientWidth")


def test_what_is_copied_is_the_model_s(jobs, open_page):
    job = jobs.make()
    jobs.push(job, ["one", "two\nsecond\x1b[31m red", "three"])
    page = open_page(f"/ui/jobs/{job}")
    wait_for_end(page, 3)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])

    page.evaluate(
        """() => getSelection().setBaseAndExtent(
            document.querySelector('.log-row[data-id="1"] .message').firstChild, 0,
            document.querySelector('.log-row[data-id="3"] .message').firstChild, 5)"""
    )
    page.keyboard.press("Control+c")
    copied = page.evaluate("navigator.clipboard.readText()")

    assert re.sub(r"\d{4}-\S+Z", "TIME", copied) == (
        "TIME [INFO] kernel: one\nTIME [INFO] kernel: two\n    second red\nTIME [INFO] kernel: three"
    )


def test_lines_are_chosen_by_mouse_and_their_link_is_copied(jobs, open_page):
    job = jobs.make()
    jobs.push(job, [f"line {number}" for number in range(1, 11)])
    page = open_page(f"/ui/jobs/{job}")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    wait_for_end(page, 10)

    row(page, 3).locator(".line-number").click()
    row(page, 5).locator(".line-number").click(modifiers=["Shift"])
    expect(page).to_have_url(re.compile("#L3-5$"))
    page.keyboard.press("y")
    expect(page.locator(".log-status")).to_contain_text("Link copied")
    assert page.evaluate("navigator.clipboard.readText()") == page.url


def test_raw_opens_the_filtered_log_as_plain_text(jobs, open_page):
    job = jobs.make(name="raw")
    jobs.push(job, ["<b>fine</b>", {"message": "<img src=x onerror=alert(1)>", "level": "error"}])
    page = open_page(f"/ui/jobs/{job}?level=error")
    row(page, 2).wait_for()
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Raw").click()
    text = opened.value
    text.wait_for_load_state()
    assert text.evaluate("document.contentType") == "text/plain"
    assert text.locator("body").inner_text().strip().endswith("[ERROR] kernel: <img src=x onerror=alert(1)>")
    assert "fine" not in text.locator("body").inner_text()
