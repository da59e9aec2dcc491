"""The pages of evaluations and test sets: the verdict and what it rests on, in each state that they can be in."""

from __future__ import annotations

import json
import re

from playwright.sync_api import expect

from tests.support.accessibility import require_accessible
from tests.support.waiting import wait_until


def test_an_evaluation(evaluation, open_page):
    page = open_page(f"/ui/evaluations/{evaluation}")

    expect(page.locator(".verdict")).to_contain_text("better by")
    expect(page.get_by_role("img", name=re.compile("95 % interval of the difference"))).to_be_visible()
    table = page.get_by_role("table", name="Which model was right")
    expect(table).to_be_visible()
    assert sum(int(cell) for cell in table.locator("td").all_inner_texts() if cell) == 102
    expect(page.locator(".pair")).to_have_count(25)
    page.get_by_label("Show").select_option("fine_tuned")
    expect(page).to_have_url(re.compile("winner=fine_tuned"))
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
    answer = system.request("POST", f"/models/{model}/evaluate", json=body)
    answer.raise_for_status()
    return answer.json()["evaluation_id"]


def test_figures_of_an_outside_worker_show_where_they_are_there(system, trained, evaluation, open_page):
    system.stop_worker()
    try:
        reported = begin_evaluation(system, trained[1])
        system.request("PUT", f"/evaluations/{reported}", json=REPORT).raise_for_status()
    finally:
        system.resume_worker()
    page = open_page(f"/ui/evaluations/{reported}")

    expect(page.locator(".verdict")).to_be_visible()
    expect(page.get_by_role("region", name="By label")).to_contain_text("yes")
    expect(page.get_by_role("region", name="Fine-tuned")).to_contain_text("invalid")
    expect(page.locator(".notice")).to_contain_text("All rows have one answer.")
    expect(page.locator(".facts").last).to_contain_text("base model: timeout (no answer) 3")
    expect(page.locator(".pair")).to_contain_text("no answer")
    page.get_by_label("Show").select_option("error")
    expect(page).to_have_url(re.compile("error=true"))
    expect(page.locator(".pair")).to_contain_text("✕ timeout")
    page.get_by_label("Show").select_option("tie")
    expect(page.get_by_text("None of that kind.")).to_be_visible()


def test_a_running_evaluation_counts_answers(system, trained, open_page):
    rows = "".join(f'{{"input": "row {row}", "expected": "positive"}}\n' for row in range(20_000))
    system.request("PUT", "/datasets/long.jsonl", data=rows).raise_for_status()
    body = {"test_set_path": "datasets/long.jsonl", "scoring": "text"}
    running = system.request("POST", f"/models/{trained[1]}/evaluate", json=body).json()["evaluation_id"]
    wait_until(lambda: ((system.get(f"/evaluations/{running}").json()["progress"]) or {}).get("answers"))
    system.stop_worker()
    try:
        answers = system.get(f"/evaluations/{running}").json()["progress"]["answers"]
        page = open_page(f"/ui/evaluations/{running}")

        expect(page.locator(".block[role=status]")).to_contain_text(f"{answers:,} of 40,000 answers")
        expect(page.get_by_role("progressbar", name="Answers")).to_have_attribute("max", "40000")
        expect(page.locator(".block[role=status]")).to_contain_text(re.compile(" %: .*, about .* left"))
        require_accessible(page)
        page.get_by_role("button", name="Cancel evaluation").click()
        page.get_by_role("dialog").get_by_role("button", name="Cancel evaluation").click()
        expect(page.locator(".problem")).to_contain_text("cancelled")
        expect(page.get_by_role("button", name="Cancel evaluation")).to_have_count(0)
        expect(page.get_by_role("button", name="Retry failed rows")).to_be_visible()
    finally:
        system.resume_worker()
    assert system.get(f"/evaluations/{running}").json()["status"] == "failed"


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
    expect(page.locator(".drop [role=status]")).to_have_text("my rows.jsonl: 20 rows")
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


def test_a_model_alone_has_its_figure_and_its_interval(system, trained, open_page):
    body = {"test_set_path": "datasets/test_split.json", "base": None}
    number = system.request("POST", f"/models/{trained[1]}/evaluate", json=body).json()["evaluation_id"]
    wait_until(lambda: system.get(f"/evaluations/{number}").json()["status"] == "completed")
    page = open_page(f"/ui/evaluations/{number}")

    expect(page.locator(".verdict")).to_have_text(re.compile(r"Right in [0-9.]+ % of 102 rows\."))
    expect(page.locator(".verdict-detail")).to_contain_text("95 % interval: ")
    expect(page.locator(".facts").first).to_contain_text("no base")
    expect(page.get_by_role("region", name="The model’s metrics")).to_contain_text("95 % interval")
    expect(page.get_by_role("region", name="Fine-tuned")).to_contain_text("invalid")
    expect(page.locator(".pair")).to_have_count(25)
    expect(page.locator(".pair").first).not_to_contain_text("Base model")
    expect(page.get_by_role("button", name="Retry failed rows")).to_have_count(0)


def test_a_test_set_has_a_ranking(system, trained, evaluation, open_page):
    other = system.request(
        "POST", f"/models/{trained[1]}/evaluate", json={"test_set_path": "datasets/test_split.json"}
    ).json()["evaluation_id"]
    wait_until(lambda: system.get(f"/evaluations/{other}").json()["status"] == "completed")
    page = open_page("/ui/datasets")
    page.get_by_role("link", name="test_split.json").click()

    expect(page.get_by_role("heading", level=1)).to_contain_text("Test set test_split.json")
    expect(page.locator(".facts")).to_contain_text("positive 34")
    ranking = page.get_by_role("region", name="Ranking")
    expect(ranking).to_contain_text(f"{other}")
    expect(page.locator("main")).to_contain_text("corrected for their number (Holm)")
    page.set_viewport_size({"width": 360, "height": 740})
    for title in ("Rank", "Score", "95 % interval", "Rows", "Evaluation"):
        cell = ranking.locator(f'td[data-title="{title}"]').first
        expect(cell).to_be_in_viewport(ratio=1)
        assert cell.evaluate("(one) => getComputedStyle(one, '::before').content") == f'"{title} "'


def test_an_evaluation_says_what_it_rests_on_and_what_the_one_before_said(system, trained, evaluation, open_page):
    body = {"test_set_path": "datasets/test_split.json"}
    other = system.request("POST", f"/models/{trained[1]}/evaluate", json=body).json()["evaluation_id"]
    wait_until(lambda: system.get(f"/evaluations/{other}").json()["status"] == "completed")
    page = open_page(f"/ui/evaluations/{other}")

    side = page.get_by_role("region", name="Both models side by side")
    for metric in ("accuracy", "precision", "recall", "f1 score", "invalid", "p95 time"):
        expect(side.get_by_role("row", name=re.compile(f"^{metric}"))).to_be_visible()
    expect(page.locator("main")).to_contain_text(
        re.compile("Evaluation [0-9]+ of Model from Job.* by the same test set")
    )
    expect(page.locator(".facts").last).to_contain_text("McNemar’s test (mid-p), p < 0.001")
    page.locator("summary", has_text="Provenance").click()
    provenance = page.get_by_role("region", name="Provenance")
    expect(provenance).to_contain_text("manifest_digest")
    expect(page.get_by_text("files have changed since")).to_have_count(0)


def test_an_evaluation_of_what_the_model_was_says_so(evaluation, open_page):
    page = open_page("/ui/login")
    page.route(
        f"**/api/v1/evaluations/{evaluation}",
        lambda route: route.fulfill(json=route.fetch().json() | {"stale": True}),
    )
    page.goto(f"/ui/evaluations/{evaluation}")

    expect(page.locator(".notice")).to_contain_text("files have changed since")


def test_graded_scores_and_a_judge_show_in_each_row(system, trained, open_page):
    system.stop_worker()
    try:
        graded = begin_evaluation(system, trained[1])
        figures = {"score": 0.25, "accuracy": 0.0, "score_interval": [0.1, 0.4]}
        report = {
            "status": "completed",
            "results": {
                "base_model": figures,
                "fine_tuned": figures | {"score": 0.75},
                "n": 1,
                "significance": {
                    "n": 1,
                    "base_model_only": 0,
                    "fine_tuned_only": 1,
                    "test": "paired_bootstrap",
                    "p_value": 0.01,
                    "score_difference_interval": [0.4, 0.6],
                    "verdict": "better",
                },
                "scoring": {"rule": "judge", "model": "the judge"},
                "judge": {"n": 1, "agreed": 1, "tokens": {"input": 20, "output": 4}},
                "errors": {"base_model": {}, "fine_tuned": {}, "judge": {}},
            },
            "examples": [
                {
                    "input": "a",
                    "expected": "b",
                    "base_model_output": "c",
                    "fine_tuned_output": "d",
                    "base_model_score": 0.25,
                    "fine_tuned_score": 0.75,
                }
            ],
        }
        system.request("PUT", f"/evaluations/{graded}", json=report).raise_for_status()
    finally:
        system.resume_worker()
    page = open_page(f"/ui/evaluations/{graded}")

    expect(page.locator(".verdict")).to_contain_text("better by 50.0 points")
    expect(page.locator(".verdict-detail")).to_contain_text("Scored 75.0 % against the base model’s 25.0 %")
    expect(page.get_by_role("img", name=re.compile("95 % interval of the difference"))).to_be_visible()
    expect(page.locator(".facts").last).to_contain_text("the judge: 1 of 1 row alike in both orders")
    expect(page.locator(".facts").last).to_contain_text("judge 20 in, 4 out")
    expect(page.locator(".pair")).to_contain_text("0.25")
    expect(page.locator(".pair")).to_contain_text("The fine-tuned is better")
    expect(page.get_by_role("button", name="Retry failed rows")).to_have_count(0)
