"""The other pages: from a new job to its verdict, by clicks, and each state that they can be in."""

from __future__ import annotations

import re
import zipfile

import pytest
from playwright.sync_api import expect

from tests.support.accessibility import require_accessible
from tests.support.waiting import wait_until


def test_it_works_from_a_new_job_to_the_verdict_without_any_docs(open_page):
    page = open_page("/")
    page.get_by_role("button", name="New job").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("my first")
    dialog.get_by_role("button", name="Create job").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("my first")
    expect(page.locator(".facts")).to_contain_text("completed")
    expect(page.locator(".log-status")).to_contain_text("The log is complete")
    expect(page.locator(".curve").first).to_contain_text("loss")

    page.locator(".facts").get_by_role("link", name=re.compile("Model from Job")).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Model from Job")
    page.get_by_role("button", name="Evaluate").click()
    page.get_by_role("dialog").get_by_label("Test set").select_option("datasets/test_split.json")
    page.get_by_role("dialog").get_by_role("button", name="Evaluate").click()

    expect(page.locator(".verdict")).to_contain_text("The fine-tuned model is better by")
    expect(page.locator(".verdict-detail")).to_contain_text("of 102 rows")


def test_jobs_are_found_and_the_address_says_how(jobs, open_page):
    jobs.make(name="Needle in the list")
    page = open_page("/ui/jobs")
    expect(page.locator("tbody")).to_contain_text("Needle in the list")
    page.keyboard.press("/")
    page.keyboard.type("needle IN")

    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody")).to_contain_text("Needle in the list")
    expect(page).to_have_url(re.compile("q=needle%20IN"))
    page.reload()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_label("Name").fill("nobody has this name")
    expect(page.locator(".empty")).to_contain_text("No jobs match")


def test_the_list_of_jobs_stays_up_to_date(jobs, open_page):
    job = jobs.make(name="will fail")
    page = open_page("/ui/jobs?q=will+fail")
    expect(page.locator("tbody")).to_contain_text("running")

    jobs.change(job, status="failed", error="exit code 1")

    expect(page.locator("tbody")).to_contain_text("failed")


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
    values = loss.locator(".curve-values")
    # What is drawn later may move it from under the mouse.
    wait_until(lambda: (loss.locator("canvas").hover(), "step" in values.inner_text())[1])
    expect(page.get_by_role("figure", name="lr").locator(".curve-values")).to_contain_text("step")
    page.get_by_label("Horizontal axis").select_option("epoch")
    page.get_by_label("log y").check()
    page.get_by_label("Smoothing").fill("0.9")
    for value in ("x=epoch", "log=1", "smooth=0.9"):
        expect(page).to_have_url(re.compile(rf"[?&]{re.escape(value)}(&|$)"))
    page.get_by_label("Horizontal axis").select_option("time")
    expect(page).to_have_url(re.compile("[?&]x=time(&|$)"))
    jobs.report(job, [{"step": 1_001, "values": {"loss": 7.25}}])
    page.mouse.move(5, 5)
    expect(values).to_have_text("7.25")


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


def test_a_model(trained, evaluation, open_page):
    job, model = trained
    page = open_page(f"/ui/models/{model}")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])

    expect(page.locator(".facts")).to_contain_text("ready")
    expect(page.locator(".facts").get_by_role("link")).to_have_attribute("href", f"/ui/jobs/{job}")
    row = page.get_by_role("row", name=re.compile("adapter_model.safetensors"))
    row.get_by_role("button", name="Copy").click()
    wait_until(lambda: re.fullmatch("[0-9a-f]{64}", page.evaluate("navigator.clipboard.readText()")))
    with page.expect_download() as download:
        row.get_by_role("link").click()
    assert download.value.path().stat().st_size > 100_000
    expect(page.locator("main")).to_contain_text(
        re.compile("3 files. Links open for everybody who has them; they end in")
    )
    with page.expect_download() as archive:
        page.get_by_role("link", name="Download ZIP").click()
    assert zipfile.ZipFile(archive.value.path()).testzip() is None
    expect(page.get_by_role("region", name="Evaluations").get_by_role("link")).to_have_text(f"Evaluation {evaluation}")


SNIPPETS = {
    "tunedeck": "tunedeck pull {model} model-{model}",
    "curl": "curl -fL -C - -o model-{model}.zip",
    "PEFT": "HF_ENDPOINT={url} .*AutoPeftModelForCausalLM.from_pretrained",
    "transformers": "HF_ENDPOINT={url} .*AutoModelForCausalLM.from_pretrained",
    "vLLM": "HF_ENDPOINT={url} .*vllm serve example-base --enable-lora",
    "llama.cpp": "llama-server --model-url '?http.*gguf",
    "Ollama": "FROM ./{model}/gguf/.*ollama create",
}


@pytest.mark.parametrize("program", SNIPPETS)
def test_a_model_says_what_to_type_for_each_program(system, trained, open_page, program):
    page = open_page(f"/ui/models/{trained[1]}")
    one = page.locator(".snippets details").filter(has=page.get_by_text(re.compile(f"^{program}")))
    if program != "tunedeck":  # which is open
        one.locator("summary").click()

    pattern = SNIPPETS[program].format(model=trained[1], url=re.escape(system.url))
    expect(one.locator("pre")).to_be_visible()
    expect(one.locator("pre")).to_have_text(re.compile(pattern, re.S))


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


@pytest.mark.parametrize("path", ["jobs/1", "compare?jobs=1,2", "models/1", "evaluations/1", "login"])
def test_a_page_whose_service_hangs_says_that_it_loads_and_can_be_left(path, open_page):
    page = open_page("/ui/jobs")
    page.route("**/api/v1/**", lambda route: None)
    page.goto(f"/ui/{path}")

    expect(page.get_by_role("heading", level=1)).to_have_text("Loading …")
    require_accessible(page)
    page.unroute_all()
    page.get_by_role("link", name="Models", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Models")


def test_a_server_that_is_away_is_said_and_what_was_there_stays(jobs, open_page):
    jobs.make(name="stays here")
    page = open_page("/ui/jobs?q=stays+here")
    expect(page.locator("tbody")).to_contain_text("stays here")

    page.context.set_offline(True)
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
    expect(page.locator("tbody")).to_contain_text("stays here")
    page.context.set_offline(False)
    expect(page.get_by_role("alert")).to_have_count(0)
