"""The log on a job's page: each line once, in order, and never live without being so."""

from __future__ import annotations

import contextlib
import os
import re
import signal

import pytest
from playwright.sync_api import expect

from tests.support.waiting import wait_until

ROWS = """() => [...document.querySelectorAll('.log-row')]
    .filter((row) => {
        const place = row.getBoundingClientRect();
        const frame = document.querySelector('.log-frame').getBoundingClientRect();
        return place.bottom > frame.top + 1 && place.top < frame.bottom - 1;
    })
    .map((row) => [Number(row.dataset.id), row.querySelector('.message').textContent])"""
LIVE = "● Live"
COMPLETE = "■ The log is complete"


def rows(page):
    """The rows in sight, as (number, message)."""
    return [tuple(row) for row in page.evaluate(ROWS)]


def wait_for(page, function, arg=None):
    """Wait until a function of the page is true; Playwright's own would need eval, which the policy forbids."""
    wait_until(lambda: page.evaluate(function, arg))


def row(page, number):
    return page.locator(f'.log-row[data-id="{number}"]')


def wait_for_status(page, text):
    expect(page.locator(".log-status .live")).to_contain_text(text)


def wait_for_end(page, number):
    """Wait until the newest line is the last in sight."""
    wait_for(page, f"(() => {{ const rows = ({ROWS})(); return rows.at(-1)?.[0] === {number}; }})()")


def wait_for_rows(page, expected):
    """Wait until the rows in sight are these; what is in sight instead is in the error."""
    with contextlib.suppress(AssertionError):
        wait_until(lambda: rows(page) == expected)
    assert rows(page) == expected


def wait_for_frames(page):
    """Wait until the page was drawn anew twice: what a key asked for has been done."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def read_all(page, last):
    """Read the whole log from its beginning, a screen at a time."""
    page.keyboard.press("g")
    row(page, 1).wait_for()
    found = {}
    while last not in found:
        wait_for(page, "() => !document.querySelector('.log-row.of-blank')")
        seen = rows(page)
        assert seen
        found.update(seen)
        page.evaluate(
            "() => { const log = document.querySelector('.log-scroller'); log.scrollTop += log.clientHeight - 40; }"
        )
        wait_for(page, f"(before) => ({ROWS})()[0]?.[0] !== before || {str(last in found).lower()}", seen[0][0])
    return found


def test_it_works(jobs, open_page):
    job = jobs.make(name="a training")
    jobs.push(job, [f"line {number}" for number in range(1, 11)])

    page = open_page(f"/ui/jobs/{job}")
    wait_for_end(page, 10)
    wait_for_status(page, LIVE)
    jobs.push(job, ["line 11"])
    wait_for_end(page, 11)

    wait_for_rows(page, [(number, f"line {number}") for number in range(1, 12)])
    jobs.change(job, status="completed")
    wait_for_status(page, COMPLETE)
    expect(page.locator(".facts")).to_contain_text("completed")


def test_lines_that_come_while_it_is_read_are_there_once_and_in_order(jobs, open_page):
    job = jobs.make()
    page = open_page(f"/ui/jobs/{job}")
    wait_for_status(page, LIVE)

    for start in range(1, 4_001, 100):
        jobs.push(job, [f"line {number}" for number in range(start, start + 100)])
    wait_for_end(page, 4_000)

    assert read_all(page, 4_000) == {number: f"line {number}" for number in range(1, 4_001)}


def test_a_worker_that_is_killed_costs_no_line(jobs, open_page, system):
    job = jobs.make()
    page = open_page(f"/ui/jobs/{job}")
    wait_for_status(page, LIVE)

    for start in range(1, 1_001, 100):
        jobs.push(job, [f"line {number}" for number in range(start, start + 100)])
        if start in (301, 601):
            master, *workers = sorted(system.processes("services.logs.app"))
            for worker in workers:
                os.kill(worker, signal.SIGKILL)
    wait_for_end(page, 1_000)
    wait_for_status(page, LIVE)

    assert read_all(page, 1_000) == {number: f"line {number}" for number in range(1, 1_001)}


def test_a_stream_that_is_cut_goes_on_where_it_was_and_says_so_meanwhile(jobs, open_page):
    job = jobs.make()
    jobs.push(job, ["before"])
    page = open_page(f"/ui/jobs/{job}")
    wait_for_status(page, LIVE)

    page.context.set_offline(True)
    wait_for_status(page, "Not live")
    jobs.push(job, ["meanwhile"])
    wait_for_rows(page, [(1, "before")])
    page.context.set_offline(False)
    wait_for_end(page, 2)
    wait_for_status(page, LIVE)

    wait_for_rows(page, [(1, "before"), (2, "meanwhile")])


def test_a_stream_with_a_gap_is_left_for_what_is_missing(jobs, open_page):
    job = jobs.make()
    jobs.push(job, ["line 1"])
    page = open_page("/ui/jobs")
    record = '{{"ID":{0},"level":"info","source":"kernel","timestamp":"2026-02-19T10:30:45Z","message":"line {0}"}}'
    event = f"data: {record}\nid: {{0}}\n\n"
    asked = []

    def leave_out_line_3(route):
        asked.append(route.request.url)
        if len(asked) == 1:
            jobs.push(job, ["line 2", "line 3", "line 4"])
            route.fulfill(content_type="text/event-stream", body=event.format(2) + event.format(4))
        else:
            route.continue_()

    page.route("**/logs?format=json*", leave_out_line_3)
    page.goto(f"/ui/jobs/{job}")
    wait_for_end(page, 4)

    assert asked[1].endswith("last_event_id=2")
    wait_for_rows(page, [(number, f"line {number}") for number in range(1, 5)])


def test_a_hidden_tab_has_no_stream_and_catches_up(jobs, open_page):
    job = jobs.make()
    jobs.push(job, ["before"])
    page = open_page(f"/ui/jobs/{job}")
    wait_for_status(page, LIVE)
    with page.expect_event("requestfailed", lambda request: "last_event_id" in request.url):
        page.evaluate("setHidden(true)")
    wait_for_status(page, "Not live while the tab is hidden")

    jobs.push(job, [f"meanwhile {number}" for number in range(2, 101)])
    jobs.push(job, ["error"])
    page.evaluate("setHidden(false)")
    wait_for_end(page, 101)

    assert len(read_all(page, 101)) == 101


def test_after_a_long_absence_only_the_end_is_fetched(jobs, open_page):
    job = jobs.make()
    jobs.push(job, ["before"])
    page = open_page(f"/ui/jobs/{job}")
    wait_for_status(page, LIVE)
    page.evaluate("setHidden(true)")
    jobs.push(job, [f"line {number}" for number in range(2, 30_001)])
    streams = []
    page.on("request", lambda request: streams.append(request.url) if "last_event_id" in request.url else None)

    page.evaluate("setHidden(false)")
    wait_for_end(page, 30_000)

    assert all("last_event_id=30000" in url for url in streams)
    wait_for(page, "() => !document.querySelector('.log-row.of-blank')")
    assert all(message == f"line {number}" for number, message in rows(page))


def test_a_laptop_that_slept_goes_on(jobs, open_page):
    job = jobs.make()
    page = open_page("/ui/jobs")
    page.clock.install()
    page.goto(f"/ui/jobs/{job}")
    wait_for_status(page, LIVE)
    streams = []
    page.on("request", lambda request: streams.append(request.url) if "last_event_id" in request.url else None)

    page.clock.fast_forward("03:00:00")
    jobs.push(job, ["after the sleep"])
    page.clock.fast_forward(10_000)
    wait_for(page, "() => document.querySelector('.log-row')")
    wait_for_status(page, LIVE)

    assert streams, "a stream that was silent for hours is taken for dead"
    wait_for_rows(page, [(1, "after the sleep")])


def test_ten_tabs_of_one_browser_all_work(jobs, open_page, browser, system):
    job = jobs.make()
    jobs.push(job, ["one"])
    first = open_page(f"/ui/jobs/{job}")
    tabs = [first]
    for _ in range(9):  # over HTTP/1.1 a browser has six connections to a host: the tabs that are hidden must hold none
        tabs[-1].evaluate("setHidden(true)")
        tab = first.context.new_page()
        tab.add_init_script(
            "let hidden = false; Object.defineProperty(document, 'hidden', { get: () => hidden });"
            "window.setHidden = (value) => { hidden = value; document.dispatchEvent(new Event('visibilitychange')); };"
        )
        tab.goto(f"/ui/jobs/{job}")
        wait_for_status(tab, LIVE)
        tabs.append(tab)
    jobs.push(job, ["two"])

    wait_for_end(tabs[-1], 2)
    for tab in tabs[:-1]:
        tab.evaluate("setHidden(false)")
        wait_for_end(tab, 2)
        tab.evaluate("setHidden(true)")


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
    assert all(number % 10 == 0 for number, _ in rows(page))
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


def test_a_filtered_log_is_live_too(jobs, open_page):
    job = jobs.make()
    jobs.push(job, ["info", {"message": "bad", "level": "error"}])
    page = open_page(f"/ui/jobs/{job}?level=error")
    wait_for_status(page, LIVE)

    jobs.push(job, ["more", {"message": "worse", "level": "error"}])
    wait_for_end(page, 4)

    wait_for_rows(page, [(2, "bad"), (4, "worse")])
    expect(page.locator(".pinned")).to_contain_text("worse")


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


def test_an_empty_log_says_what_to_type_until_the_first_line(jobs, open_page):
    job = jobs.make(running=False, dataset_id=77)
    page = open_page(f"/ui/jobs/{job}")

    expect(page.locator(".log-empty")).to_contain_text(f"tunedeck-log --job {job}")
    jobs.push(job, ["first"])
    wait_for_end(page, 1)
    expect(page.locator(".log-empty")).to_have_count(0)


def test_a_deleted_log_says_so(jobs, open_page, system):
    job = jobs.make()
    jobs.push(job, ["secret"])
    jobs.change(job, status="completed")
    system.request("DELETE", f"/jobs/{job}/logs").raise_for_status()

    page = open_page(f"/ui/jobs/{job}")

    expect(page.locator(".log")).to_contain_text("The log was deleted")
    expect(page.locator(".log-row")).to_have_count(0)


def test_a_job_is_cancelled(jobs, open_page, system):
    job = jobs.make()
    page = open_page(f"/ui/jobs/{job}")

    page.get_by_role("button", name="Cancel job").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel job").click()

    expect(page.locator(".facts")).to_contain_text("cancelled")
    assert system.get(f"/jobs/{job}").json()["status"] == "cancelled"


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
