"""What the console is held to: its budget, what hostile text can do, and who can use it."""

from __future__ import annotations

import json
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.support.waiting import wait_until

MOST_BYTES = 80_000
MOST_FILES = 20
MOST_REQUESTS = 24

HOSTILE = {
    "markup": '<img src=x onerror="alert(1)"><script>alert(2)</script><svg onload=alert(3)>',
    "link": "javascript:alert(4)",
    "terminal": "\x1b[2J\x1b]0;title\x07\x1b]8;;javascript:alert(5)\x1b\\click\x1b[31m red",
    "direction": "\u202egpj.exe \u2066isolated \u200f right",
    "unbroken": "x" * 5_000,
    "combining": "Z" + "\u0336\u0489" * 1_000,
    "replacement": "a\ufffdb\u2400",
    "template": "{{7*7}} ${7*7} %s %00 ' \" ` \\",
    "prototype": "__proto__",
}
NAMES = {kind: text.replace("\0", "")[:255] for kind, text in HOSTILE.items()}


@pytest.fixture(scope="module")
def pages(system, jobs):
    """One of everything, with hostile text in every place; the addresses of its pages by name."""
    configuration = dict(zip(NAMES.values(), HOSTILE.values(), strict=True))
    made = [jobs.make(name=name, configuration=configuration) for name in NAMES.values()]
    job = made[0]
    lines = [{"message": text, "source": NAMES[kind], "level": "error"} for kind, text in HOSTILE.items()]
    lines.append({"message": "y" * 262_000})
    lines.append({"message": "\n".join(HOSTILE.values()), "level": "warn"})
    jobs.push(job, lines)
    jobs.report(job, [{"step": step, "values": dict.fromkeys(NAMES.values(), step)} for step in range(1, 20)])
    for other in made[1:]:
        jobs.change(other, status="failed", error=HOSTILE["markup"])
    body = {
        "name": NAMES["markup"],
        "base_model": NAMES["direction"],
        "description": HOSTILE["markup"] + HOSTILE["combining"],
    }
    body |= {"training_metrics": configuration, "job_id": job, "served_name": NAMES["template"]}
    model = system.request("POST", "/models", json=body).json()["ID"]
    for path in (
        "lora_adapters/$(id) ' & img onerror=alert(6).json",
        "lora_adapters/adapter_config.json",
        "gguf/javascript;alert.gguf",
    ):
        system.request("PUT", f"/models/{model}/files/{path}", data=b"{}").raise_for_status()
    system.request("PUT", f"/models/{model}", json={"status": "ready"}).raise_for_status()
    rows = [{"input": text, "expected": "<b>yes</b>"} for text in HOSTILE.values()]
    system.request("PUT", "/datasets/(hostile).json", data=json.dumps(rows)).raise_for_status()
    begun = {"test_set_path": "datasets/(hostile).json", "base_model_name": NAMES["markup"]}
    evaluation = system.request("POST", f"/models/{model}/evaluate", json=begun).json()["evaluation_id"]
    examples = [
        {
            "input": text,
            "expected": "<b>yes</b>",
            "base_model_output": text[::-1],
            "fine_tuned_output": f"{text}!",
            "error": None,
        }
        for text in HOSTILE.values()
    ]
    report = {
        "status": "completed",
        "results": {"base_model": {"accuracy": 0.5}, "fine_tuned": {"accuracy": 0.6}},
        "examples": examples,
    }
    ended = system.request("PUT", f"/evaluations/{evaluation}", json=report)
    if not ended.ok:  # our own worker was faster, and failed for want of such a model
        wait_until(lambda: system.get(f"/evaluations/{evaluation}").json()["status"] == "failed")
    return {
        "jobs": "/ui/jobs",
        "job": f"/ui/jobs/{job}",
        "compare": f"/ui/compare?jobs={','.join(map(str, made[:4]))}",
        "models": "/ui/models",
        "model": f"/ui/models/{model}",
        "evaluations": "/ui/evaluations",
        "evaluation": f"/ui/evaluations/{evaluation}",
        "datasets": "/ui/datasets",
        "login": "/ui/login",
        "none": "/ui/<img src=x onerror=alert(7)>",
    }


PAGES = ["jobs", "job", "compare", "models", "model", "evaluations", "evaluation", "datasets", "login", "none"]


def settle(page):
    """Wait until the page has shown what it has."""
    expect(page.locator("h1").first).to_be_visible()
    expect(page.locator(".loading")).to_have_count(0)
    page.wait_for_timeout(500)  # for what is drawn later, so that it is looked at, too


@pytest.mark.parametrize("name", PAGES)
def test_the_budget(pages, open_page, name):
    page = open_page("/ui/login")
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
    assert page.evaluate("document.querySelectorAll('main script, main img, main iframe, main style').length") == 0
    links = page.evaluate("[...document.querySelectorAll('a[href]')].map((link) => link.href)")
    assert all(re.match("https?://localhost", link) for link in links)
    violations = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    assert [(found["id"], [node["html"][:200] for node in found["nodes"][:3]]) for found in violations] == []


def test_hostile_lines_show_as_they_are(pages, open_page):
    page = open_page(pages["job"])
    settle(page)
    shown = page.locator(".log-row .message").all_inner_texts()

    assert HOSTILE["markup"] in shown
    assert any(text.startswith("RLO") for text in shown)
    assert "click red" in shown
    heights = page.evaluate(
        "[...document.querySelectorAll('.log-row')].map((row) => row.getBoundingClientRect().height)"
    )
    assert set(heights) == {20}
    page.get_by_role("button", name=re.compile("Show all of line 10")).click()
    page.wait_for_timeout(500)
    assert (
        page.locator('.log-row[data-id="10"] .message').evaluate("(message) => message.textContent.length") == 262_000
    )


def test_the_keyboard_alone_is_enough(jobs, open_page):
    page = open_page("/ui/jobs")
    settle(page)
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "New job":
            break
    page.keyboard.press("Enter")
    page.keyboard.type("by keyboard")
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_contain_text("by keyboard")
    expect(page.get_by_role("heading", level=1)).to_be_focused()


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
