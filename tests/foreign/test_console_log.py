"""The log on a job's page: each line once, in order, and never live without being so."""

from __future__ import annotations

import os
import signal

from playwright.sync_api import expect

from tests.support.log_page import (
    COMPLETE,
    LIVE,
    ROWS,
    row,
    rows,
    wait_for,
    wait_for_end,
    wait_for_rows,
    wait_for_status,
)


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
            master, *workers = system.processes("services.logs.app")
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


def test_a_clock_that_was_set_back_hides_no_dead_stream(jobs, open_page):
    job = jobs.make()
    page = open_page("/ui/jobs")
    page.clock.install()
    page.goto(f"/ui/jobs/{job}")
    wait_for_status(page, LIVE)

    with page.expect_request(lambda request: "last_event_id" in request.url):
        page.clock.set_system_time("2020-02-19T10:30:45Z")
        page.clock.run_for(10_000)
    jobs.push(job, ["after it was set back"])
    wait_for_rows(page, [(1, "after it was set back")])
    wait_for_status(page, LIVE)


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
        wait_for_rows(tab, [(1, "one"), (2, "two")])
        tab.evaluate("setHidden(true)")


def test_a_filtered_log_is_live_too(jobs, open_page):
    job = jobs.make()
    jobs.push(job, ["info", {"message": "bad", "level": "error"}])
    page = open_page(f"/ui/jobs/{job}?level=error")
    wait_for_status(page, LIVE)

    jobs.push(job, ["more", {"message": "worse", "level": "error"}])
    wait_for_end(page, 4)

    wait_for_rows(page, [(2, "bad"), (4, "worse")])
    expect(page.locator(".pinned")).to_contain_text("worse")


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
