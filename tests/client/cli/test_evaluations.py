"""`tunedeck evaluate`: the verdict, and a gate for CI."""

import json
import signal
from pathlib import Path

import pytest

TEST_SET = Path(__file__).parents[3] / "examples/kernel/data/test_split.json"


@pytest.fixture
def small_set(tmp_path):
    def make(name="small.json", rows=10, skip=0):
        path = tmp_path / name
        path.write_text(json.dumps(json.loads(TEST_SET.read_text())[skip : skip + rows]))
        return path

    return make


def test_it_works(tunedeck, trained):
    done = tunedeck("evaluate", trained["ID"], "--test-set", TEST_SET, "--wait", "--require", "better")
    rows = done.out.splitlines()
    assert rows[0].split() == ["example-base", *trained["name"].split(), "CHANGE"]
    assert rows[1].startswith("accuracy ")
    assert rows[-1].startswith("better: ")
    assert done.err.startswith("evaluation ")


def test_a_model_alone_has_no_verdict(tunedeck, trained):
    done = tunedeck("evaluate", trained["ID"], "--test-set", TEST_SET, "--no-base", "--wait")
    rows = done.out.splitlines()
    assert rows[0].split()[:2] == ["(no", "base)"]
    assert "right, 95 % interval" in rows[-1]
    for gate in (("--require", "better"), ("--base", "other")):
        refused = tunedeck("evaluate", trained["ID"], "--test-set", TEST_SET, "--no-base", *gate, code=2)
        assert "goes with neither" in refused.err


@pytest.fixture
def large_set(tmp_path):
    def make(name, rows):
        path = tmp_path / name
        path.write_text("".join(f'{{"input": "row {row}", "expected": "positive"}}\n' for row in range(rows)))
        return path

    return make


def test_a_terminal_has_a_bar_of_answers(tunedeck, trained, large_set):
    """Two a row; the inference server answers some hundred a second."""
    arguments = ("--test-set", large_set("bar.jsonl", 1_500), "--scoring", "text", "--wait")
    shown = tunedeck.on_terminal("evaluate", trained["ID"], *arguments)
    assert "━" in shown
    assert "/3000" in shown
    assert "95 % interval" in " ".join(shown.split())


def test_control_c_leaves_it_to_the_service_and_says_where(tunedeck, trained, system, large_set):
    arguments = ("--test-set", large_set("large.jsonl", 20_000), "--scoring", "text", "--wait")
    process = tunedeck.start("evaluate", trained["ID"], *arguments)
    number = process.stderr.readline().split()[1]
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert system.request("POST", f"/evaluations/{number}/cancel").status_code == 200, "it went on"
    assert (process.returncode, err) == (130, f"evaluation {number} goes on: {system.url}/ui/evaluations/{number}\n")


def test_without_wait_it_prints_the_id(tunedeck, trained, system):
    arguments = ("evaluate", trained["ID"], "--test-set", "datasets/test_split.json")
    number = tunedeck(*arguments).out.strip()
    assert system.get(f"/evaluations/{number}").json()["test_set_path"] == "datasets/test_split.json"
    assert tunedeck(*arguments, "--json").json["model_id"] == trained["ID"]


def test_what_is_required_is_the_exit_code(tunedeck, trained, small_set):
    itself = (
        "evaluate",
        trained["ID"],
        "--test-set",
        small_set(),
        "--base",
        trained["served_name"],
        "--allow-same-model",
    )
    done = tunedeck(*itself, "--require", "better", code=4)
    assert done.out.splitlines()[-1].startswith("not")
    assert done.err.endswith("tunedeck: required better, the verdict is not_distinguishable\n")
    assert tunedeck(*itself, "--require", "not-worse", "--json").json["status"] == "completed"
    swapped = ("--base", trained["served_name"], "--served-name", trained["base_model"], "--require", "not-worse")
    assert "is worse" in tunedeck("evaluate", trained["ID"], "--test-set", TEST_SET, *swapped, code=4).err


def test_an_evaluation_that_fails_is_1(tunedeck, trained, small_set):
    arguments = ("--test-set", small_set(), "--base", "nobody-has-it", "--wait")
    assert "failed: " in tunedeck("evaluate", trained["ID"], *arguments, code=1).err
    assert tunedeck("evaluate", trained["ID"], *arguments, "--json", code=1).out.startswith('{"id"')


def test_a_set_under_a_taken_name_gets_digits_and_one_that_is_there_is_not_sent_again(
    tunedeck, trained, small_set, system
):
    def path_of(file):
        return tunedeck("evaluate", trained["ID"], "--test-set", file, "--json").json["test_set_path"]

    first = path_of(small_set("taken.json"))
    other = path_of(small_set("taken.json", skip=10))
    assert first == "datasets/taken.json"
    assert other.startswith("datasets/taken-")
    assert other.endswith(".json")
    assert path_of(small_set("taken.json", skip=10)) == other
    names = [found["name"] for found in system.get("/datasets?limit=100").json()["data"]]
    assert len([name for name in names if name.startswith("taken")]) == 2


def test_it_rejects_what_the_service_does(tunedeck, trained, small_set):
    assert "nobody.json" in tunedeck("evaluate", trained["ID"], "--test-set", "nobody.json", code=3).err
    assert "999999" in tunedeck("evaluate", 999_999, "--test-set", small_set(), code=3).err
    assert "worst" in tunedeck("evaluate", 1, "--test-set", "x", "--require", "worst", code=2).err
