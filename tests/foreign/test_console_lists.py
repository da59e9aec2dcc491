"""The lists: filters that are their address, what they show of each record, what they say where there is nothing."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import expect

from tests.support.accessibility import require_accessible


def test_models_are_found_by_name_base_and_status(system, open_page):
    for name, base in (("Alpha tuned", "base-one"), ("Alpha other", "base-two"), ("Beta tuned", "base-one")):
        system.request("POST", "/models", json={"name": name, "base_model": base}).raise_for_status()
    page = open_page("/ui/models")
    page.get_by_role("searchbox", name="Name").fill("alpha")
    expect(page.locator("tbody tr")).to_have_count(2)
    expect(page.locator("tbody tr").first).to_contain_text("Alpha other")
    page.get_by_label("Sorted by").select_option("total_size")
    page.get_by_label("Sorted by").select_option("name")
    expect(page).to_have_url(re.compile(r"\?q=alpha&sort=name$"))
    page.get_by_label("Sorted by").select_option("")
    page.get_by_label("Base model").fill("base-one")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_label("Status").select_option("uploading")

    expect(page).to_have_url(re.compile(r"\?q=alpha&base=base-one&status=uploading$"))
    page.reload()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody")).to_contain_text("Alpha tuned")
    page.get_by_label("Status").select_option("error")
    expect(page.locator(".empty")).to_contain_text("No models match")


def test_evaluations_are_found_and_a_failed_one_says_why(system, trained, open_page):
    system.stop_worker()
    try:
        body = {"test_set_path": "datasets/test_split.json"}
        number = system.request("POST", f"/models/{trained[1]}/evaluate", json=body).json()["evaluation_id"]
        report = {"status": "failed", "error": "nobody answers at the address"}
        system.request("PUT", f"/evaluations/{number}", json=report).raise_for_status()
    finally:
        system.resume_worker()
    page = open_page(f"/ui/evaluations?model={trained[1]}&status=failed")

    found = page.get_by_role("row", name=re.compile(f"Evaluation {number}"))
    expect(found).to_contain_text("failed")
    reason = found.get_by_text("nobody answers at the address")
    expect(reason).to_be_visible()
    assert reason.evaluate("(one) => one.closest('td').scrollWidth <= one.closest('td').clientWidth")
    page.get_by_label("Status").select_option("running")
    expect(page.locator(".empty")).to_contain_text("No evaluations match")


def test_test_sets_show_their_rows_and_labels(system, open_page):
    rows = [{"input": str(number), "expected": "abc"[number % 3]} for number in range(7)]
    system.request("PUT", "/datasets/three_labels.json", data=json.dumps(rows)).raise_for_status()
    texts = [{"input": str(number), "expected": f"text {number} " * 40} for number in range(3)]
    system.request("PUT", "/datasets/no_labels.json", data=json.dumps(texts)).raise_for_status()
    page = open_page("/ui/datasets")

    cells = page.get_by_role("row", name=re.compile("three_labels")).locator("td")
    expect(cells.nth(1)).to_have_text("7")
    expect(cells.nth(2)).to_have_text("3")
    expect(page.get_by_role("row", name=re.compile("no_labels")).locator("td").nth(2)).to_have_text("–")


def test_a_job_shows_its_last_loss_and_how_it_went(jobs, open_page):
    job = jobs.make(name="sparkling")
    jobs.report(job, [{"step": step, "values": {"loss": 1 / step}} for step in range(1, 9)])
    broken = jobs.make(name="diverged")
    jobs.report(broken, [{"step": step, "values": {"loss": 1.0 if step < 5 else "NaN"}} for step in range(1, 9)])
    page = open_page("/ui/jobs")

    found = page.get_by_role("row", name=re.compile("sparkling"))
    expect(found).to_contain_text("0.125")
    expect(found.locator(".sparkline path")).to_have_attribute("d", re.compile("^M.*(L.*){7}$"))
    diverged = page.get_by_role("row", name=re.compile("diverged"))
    expect(diverged).to_contain_text("NaN")
    expect(diverged.locator(".sparkline circle")).to_have_count(1)


NOTHING = {"data": [], "total": 0, "page": 1, "limit": 25}


@pytest.mark.parametrize(
    ("name", "said", "commands"),
    [
        ("jobs", "No jobs yet", ["tunedeck run -- python train.py", "curl -X POST"]),
        ("models", "No models yet", ["tunedeck push", "curl -T adapter_model.safetensors"]),
        ("evaluations", "No evaluations yet", []),
        ("datasets", "No test sets yet", ["curl -T -"]),
    ],
)
def test_an_empty_list_says_what_to_do(open_page, name, said, commands):
    page = open_page("/ui/login")
    page.route(f"**/api/v1/{name}?*", lambda route: route.fulfill(json=NOTHING))
    page.goto(f"/ui/{name}")

    expect(page.locator(".empty-title")).to_have_text(re.compile(said))
    for command in commands:
        expect(page.locator(".empty .command").filter(has_text=command).first).to_be_visible()
    require_accessible(page)


def test_a_hidden_list_asks_for_nothing(jobs, open_page):
    page = open_page("/ui/login")
    page.clock.install()
    page.goto("/ui/jobs")
    expect(page.locator("tbody tr").first).to_be_visible()
    page.wait_for_load_state("networkidle")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate("setHidden(true)")
    page.clock.fast_forward(60_000)
    jobs.make(name="meanwhile")

    assert asked == []
    with page.expect_request("**/api/v1/jobs?*"):
        page.evaluate("setHidden(false)")
    expect(page.locator("tbody")).to_contain_text("meanwhile")
