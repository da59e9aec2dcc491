"""The log on a job's page as a test looks at it: what is in sight, and waiting for it."""

from __future__ import annotations

import contextlib

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
