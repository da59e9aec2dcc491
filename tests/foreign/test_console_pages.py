"""The other pages: from a new job to its verdict, by clicks, and each state that they can be in."""

from __future__ import annotations

import json
import os
import re
import signal

import pytest
from playwright.sync_api import expect

from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def trained(system, jobs):
    """What the example kernel makes of a job: (job, model)."""
    job = jobs.make(running=False, dataset_id=1, name="sentiment", configuration={"epochs": 2})
    wait_until(lambda: system.get(f"/jobs/{job}").json()["status"] == "completed")
    found = wait_until(lambda: system.get(f"/models?job_id={job}").json()["data"])
    return job, found[0]["ID"]


@pytest.fixture(scope="module")
def evaluation(system, trained):
    body = {"test_set_path": "datasets/test_split.json"}
    number = system.request("POST", f"/models/{trained[1]}/evaluate", json=body).json()["evaluation_id"]
    wait_until(lambda: system.get(f"/evaluations/{number}").json()["status"] == "completed")
    return number


def test_it_works_from_a_new_job_to_the_verdict_without_any_docs(open_page):
    page = open_page("/")
    page.get_by_role("button", name="New job").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("my first")
    dialog.get_by_role("button", name="Create job").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("my first")
    expect(page.locator(".facts")).to_contain_text("completed", timeout=30_000)
    expect(page.locator(".log-status")).to_contain_text("The log is complete")
    expect(page.locator(".curve").first).to_contain_text("loss")

    page.locator(".facts").get_by_role("link", name=re.compile("Model from Job")).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Model from Job")
    page.get_by_role("button", name="Evaluate").click()
    page.get_by_role("dialog").get_by_label("Test set").select_option("datasets/test_split.json")
    page.get_by_role("dialog").get_by_role("button", name="Evaluate").click()

    expect(page.locator(".verdict")).to_contain_text("The fine-tuned model is better by", timeout=30_000)
    expect(page.locator(".verdict-detail")).to_contain_text("of 102 rows")


def test_jobs_are_found_and_the_address_says_how(jobs, open_page):
    jobs.make(name="Needle in the list")
    page = open_page("/ui/jobs")
    expect(page.locator("tbody")).to_contain_text("Needle in the list")
    page.keyboard.press("/")
    page.keyboard.type("needle IN")

    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody")).to_contain_text("Needle in the list")
    assert "q=needle%20IN" in page.url
    page.reload()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_label("Name").fill("nobody has this name")
    expect(page.locator(".empty")).to_contain_text("No jobs match")


def test_the_list_of_jobs_stays_up_to_date(jobs, open_page):
    job = jobs.make(name="will fail")
    page = open_page("/ui/jobs?q=will+fail")
    expect(page.locator("tbody")).to_contain_text("running")

    jobs.change(job, status="failed", error="exit code 1")

    expect(page.locator("tbody")).to_contain_text("failed", timeout=15_000)


def test_pages_of_a_list(jobs, open_page):
    for number in range(27):
        jobs.make(running=False, dataset_id=4242, name=f"paged {number}")
    page = open_page("/ui/jobs?dataset=4242")

    expect(page.locator(".pager")).to_contain_text("1–25 of 27")
    page.get_by_role("link", name="Next").click()
    expect(page.locator("tbody tr")).to_have_count(2)
    page.go_back()
    expect(page.locator("tbody tr")).to_have_count(25)


def test_the_latest_job(jobs, open_page):
    job = jobs.make(name="the latest")

    page = open_page("/ui/jobs/latest")

    expect(page).to_have_url(re.compile(f"/ui/jobs/{job}$"))


def test_a_bad_configuration_is_said_and_kept(open_page):
    page = open_page("/ui/jobs")
    page.get_by_role("button", name="New job").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Configuration").fill("{epochs: 3}")
    dialog.get_by_role("button", name="Create job").click()

    expect(dialog.get_by_role("alert")).to_contain_text("no JSON")
    dialog.get_by_label("Configuration").fill("[]")
    dialog.get_by_role("button", name="Create job").click()
    expect(dialog.get_by_role("alert")).to_contain_text("must be a JSON object")


def test_an_error_shows_the_api_s_message_and_the_request_s_id(open_page):
    page = open_page("/ui/jobs?dataset=x")

    expect(page.get_by_role("alert")).to_contain_text("dataset_id")
    expect(page.get_by_role("alert").locator("code")).to_have_text(re.compile("[0-9a-f-]{36}"))


@pytest.mark.parametrize("path", ["jobs/999999", "models/999999", "evaluations/999999"])
def test_what_does_not_exist_is_said(open_page, path):
    page = open_page(f"/ui/{path}")

    expect(page.get_by_role("heading", level=1)).to_have_text("Not found")


def test_an_address_without_a_page_is_said(open_page):
    expect(open_page("/ui/nothing").get_by_role("heading", level=1)).to_have_text("There is no such page")


def test_curves(jobs, open_page):
    job = jobs.make(name="curves")
    points = [{"step": step, "epoch": step / 100, "values": {"loss": 1 / step, "lr": 0.1}} for step in range(1, 1_001)]
    points[500]["values"]["loss"] = "NaN"
    jobs.report(job, points)
    page = open_page(f"/ui/jobs/{job}")

    loss = page.get_by_role("figure", name="loss")
    expect(loss).to_contain_text("1 value no number")
    expect(loss.locator("tbody tr").first).to_contain_text("1")
    box = loss.locator("canvas").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 60)
    expect(loss.locator(".curve-values")).to_contain_text("step")
    expect(page.get_by_role("figure", name="lr").locator(".curve-values")).to_contain_text("step")
    page.get_by_label("Horizontal axis").select_option("epoch")
    page.get_by_label("log y").check()
    page.get_by_label("Smoothing").fill("0.9")
    assert {"x=epoch", "log=1", "smooth=0.9"} <= set(page.url.partition("?")[2].split("&"))
    jobs.report(job, [{"step": 1_001, "values": {"loss": 7.25}}])
    page.mouse.move(5, 5)
    expect(loss.locator(".curve-values")).to_have_text("7.25", timeout=15_000)


def test_a_click_on_a_curve_goes_to_its_line(jobs, open_page):
    job = jobs.make()
    jobs.push(job, [f"{{'loss': {1 / step:.4f}, 'step': {step}}}" for step in range(1, 2_001)])
    jobs.change(job, status="completed")
    page = open_page(f"/ui/jobs/{job}")
    canvas = page.get_by_role("figure", name="loss").locator("canvas")
    box = canvas.bounding_box()

    canvas.click(position={"x": box["width"] / 2, "y": 60})

    expect(page).to_have_url(re.compile("#L[0-9]+$"))
    assert 700 < int(page.url.rpartition("#L")[2]) < 1_150
    expect(page.locator(".log-row.chosen")).to_be_in_viewport()


def test_jobs_are_compared_and_only_what_differs_is_shown(jobs, open_page):
    made = [
        jobs.make(name=f"run {rank}", configuration={"lora": {"r": rank, "alpha": 16}, "model": "same"})
        for rank in (8, 16)
    ]
    for job in made:
        jobs.report(job, [{"step": step, "values": {"loss": job / step}} for step in range(1, 50)])
    page = open_page("/ui/jobs?q=run+")
    for job in made:
        page.get_by_label(f"Compare job {job}").check()
    page.get_by_role("link", name="Compare 2 jobs").click()

    expect(page).to_have_url(re.compile(f"jobs={made[0]},{made[1]}"))
    expect(page.locator(".configuration tbody tr")).to_have_count(1)
    expect(page.locator(".configuration tbody")).to_contain_text("lora.r")
    expect(page.get_by_role("figure", name="loss").locator(".swatch")).to_have_count(2)
    page.get_by_label("Show what is the same, too").check()
    expect(page.locator(".configuration tbody tr")).to_have_count(3)


def test_a_model(trained, open_page):
    job, model = trained
    page = open_page(f"/ui/models/{model}")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])

    expect(page.locator(".facts")).to_contain_text("ready")
    expect(page.locator(".facts").get_by_role("link")).to_have_attribute("href", f"/ui/jobs/{job}")
    row = page.get_by_role("row", name=re.compile("adapter_model.safetensors"))
    row.get_by_role("button", name="Copy").click()
    assert re.fullmatch("[0-9a-f]{64}", page.evaluate("navigator.clipboard.readText()"))
    with page.expect_download() as download:
        row.get_by_role("link").click()
    assert download.value.path().stat().st_size > 100_000
    expect(page.locator(".snippets")).to_contain_text("curl -fL -C -")


def test_a_model_is_deleted_only_by_its_name(system, open_page):
    model = system.request("POST", "/models", json={"name": "spare one", "base_model": "b"}).json()["ID"]
    page = open_page(f"/ui/models/{model}")
    page.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("spare")
    dialog.get_by_role("button", name="Delete").click()
    expect(dialog.get_by_role("alert")).to_contain_text("not the model’s name")
    assert system.get(f"/models/{model}").status_code == 200

    dialog.get_by_label("Name").fill("spare one")
    dialog.get_by_role("button", name="Delete").click()

    expect(page).to_have_url(re.compile("/ui/models$"))
    assert system.get(f"/models/{model}").status_code == 404


def test_an_evaluation(evaluation, open_page):
    page = open_page(f"/ui/evaluations/{evaluation}")

    expect(page.locator(".verdict")).to_contain_text("better by")
    expect(page.get_by_role("img", name=re.compile("95 % interval of the difference"))).to_be_visible()
    table = page.get_by_role("table", name="Which model was right")
    assert sum(int(cell) for cell in table.locator("td").all_inner_texts() if cell) == 102
    expect(page.locator(".pair")).to_have_count(25)
    page.get_by_label("Show").select_option("fine_tuned")
    assert "winner=fine_tuned" in page.url
    expect(page.locator(".pair").first).to_contain_text("Only the fine-tuned was right")
    expect(page.locator(".pair del").first).to_be_visible()
    expect(page.locator(".pair ins").first).to_be_visible()
    page.reload()
    expect(page.get_by_label("Show")).to_have_value("fine_tuned")


def test_a_row_of_an_evaluation_has_an_address(evaluation, open_page):
    page = open_page(f"/ui/evaluations/{evaluation}?row=60")

    expect(page.locator("#row-60")).to_be_in_viewport()
    expect(page.locator("#row-60")).to_have_class(re.compile("chosen"))
    page.get_by_role("link", name="Row 61").click()
    expect(page).to_have_url(re.compile(r"\?row=61$"))
    expect(page.locator("#row-61")).to_have_class(re.compile("chosen"))


REPORT = {
    "status": "completed",
    "results": {
        "base_model": {"accuracy": 0.5, "f1_score": None},
        "fine_tuned": {"accuracy": 0.5},
        "labels": [
            {"label": "yes", "n": 1, "base_model": {"f1_score": 1.0}, "fine_tuned": {"f1_score": 0.5}},
            {"label": "no", "n": 1, "base_model": {"f1_score": 0.0}, "fine_tuned": {"f1_score": 0.5}},
        ],
        "confusion": {
            "labels": ["yes", "no"],
            "base_model": [[1, 0, 0], [1, 0, 0]],
            "fine_tuned": [[1, 0, 0], [0, 0, 1]],
        },
        "warnings": ["All rows have one answer."],
        "errors": {"base_model": {"timeout": {"count": 3, "message": "no answer"}}, "fine_tuned": {}},
    },
    "examples": [
        {"input": "a", "expected": "yes", "base_model_output": "yes", "fine_tuned_output": None, "error": "timeout"}
    ],
}


def begin_evaluation(system, model):
    body = {"test_set_path": "datasets/test_split.json", "base_model_name": "nobody-serves-this"}
    return system.request("POST", f"/models/{model}/evaluate", json=body).json()["evaluation_id"]


def signal_worker(system, number):
    for pid in system.processes("services.evaluations.worker"):
        os.kill(pid, number)


def test_figures_of_an_outside_worker_show_where_they_are_there(system, trained, evaluation, open_page):
    signal_worker(system, signal.SIGSTOP)
    try:
        reported = begin_evaluation(system, trained[1])
        system.request("PUT", f"/evaluations/{reported}", json=REPORT).raise_for_status()
    finally:
        signal_worker(system, signal.SIGCONT)
    page = open_page(f"/ui/evaluations/{reported}")

    expect(page.locator(".verdict")).to_be_visible()
    expect(page.get_by_role("region", name="By label")).to_contain_text("yes")
    expect(page.get_by_role("region", name="Fine-tuned")).to_contain_text("invalid")
    expect(page.locator(".notice")).to_contain_text("All rows have one answer.")
    expect(page.locator(".facts").last).to_contain_text("base model: timeout (no answer) 3")
    expect(page.locator(".pair")).to_contain_text("no answer")


def test_a_failed_evaluation_says_why_and_is_retried(system, trained, open_page):
    failing = begin_evaluation(system, trained[1])
    wait_until(lambda: system.get(f"/evaluations/{failing}").json()["status"] == "failed")
    page = open_page(f"/ui/evaluations/{failing}")

    expect(page.locator(".problem")).to_contain_text(system.get(f"/evaluations/{failing}").json()["error"][:40])
    with page.expect_response(re.compile("/retry$")) as answer:
        page.get_by_role("button", name="Retry failed rows").click()
    assert answer.value.ok


def test_a_test_set_is_uploaded_checked_and_evaluated_with(trained, open_page, tmp_path):
    file = tmp_path / "my rows.jsonl"
    file.write_text("".join(json.dumps({"input": f"row {n}", "expected": "positive"}) + "\n" for n in range(20)))
    broken = tmp_path / "broken.json"
    broken.write_text('[{"input": "no answer"}]')
    page = open_page("/ui/datasets")

    page.locator("input[type=file]").set_input_files(str(broken))
    expect(page.get_by_role("alert")).to_contain_text("expected")
    page.locator("input[type=file]").set_input_files(str(file))
    expect(page.locator("tbody")).to_contain_text("my rows.jsonl")
    row = page.get_by_role("row", name=re.compile("my rows"))
    expect(row).to_contain_text("20")
    row.get_by_role("button", name="Evaluate with it").click()
    page.get_by_role("dialog").get_by_role("button", name="Evaluate").click()
    expect(page).to_have_url(re.compile("/ui/evaluations/[0-9]+$"))


def test_a_test_set_is_dropped(open_page):
    page = open_page("/ui/datasets")
    expect(page.locator(".drop")).to_be_visible()
    page.evaluate(
        """() => {
            const data = new DataTransfer();
            data.items.add(new File(['[{"input": "a", "expected": "b"}]'], 'dropped.json'));
            const dropped = new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true });
            document.querySelector('.drop').dispatchEvent(dropped);
        }"""
    )

    expect(page.locator("tbody")).to_contain_text("dropped.json")


def test_where_no_token_is_asked_for_login_says_so(open_page):
    expect(open_page("/ui/login").locator("main")).to_contain_text("No token is needed here")


def test_a_token_is_asked_for_where_the_api_wants_one(open_page):
    page = open_page("/ui/login")
    refusal = {"status": 401, "json": {"code": 401, "status": "Unauthorized", "message": "A token is needed."}}
    page.route("**/api/v1/models/*", lambda route: route.fulfill(**refusal))
    page.route("**/api/v1/session", lambda route: route.fulfill(json={"authentication": True, "name": None}))
    page.goto("/ui/models/1")

    expect(page).to_have_url(re.compile(r"/ui/login\?then=%2Fui%2Fmodels%2F1"))
    expect(page.get_by_label("Token")).to_be_focused()


def test_a_server_that_is_away_is_said_and_what_was_there_stays(jobs, open_page):
    jobs.make(name="stays here")
    page = open_page("/ui/jobs?q=stays+here")
    expect(page.locator("tbody")).to_contain_text("stays here")

    page.context.set_offline(True)
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached", timeout=15_000)
    expect(page.locator("tbody")).to_contain_text("stays here")
    page.context.set_offline(False)
    expect(page.get_by_role("alert")).to_have_count(0, timeout=15_000)
