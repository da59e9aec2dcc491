"""A judge's question and its verdicts."""

import pytest

from services.evaluations.scoring.judging import judge_messages, read_verdict, settle


def read(text, truncated=False):
    return read_verdict(text, first="base_model", second="fine_tuned", truncated=truncated)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("Verdict: A", "base_model"),
        ("verdict: b", "fine_tuned"),
        ("**Verdict: tie**", "tie"),
        ("Verdict: **B**.", "fine_tuned"),
        ("B", "fine_tuned"),
        ('{"verdict": "A"}', "base_model"),
        ("A says too much: it is wrong. B is short.\n\nVerdict: B", "fine_tuned"),
        ("<think>Verdict: A?</think>\nVerdict: B", "fine_tuned"),
        ("Verdict: A\n", "base_model"),
        ("Both are good.", None),
        ("Verdict: A or B", None),
        ("A is better than B", None),
        ("<think>Verdict: A", None),
        ("", None),
    ],
)
def test_verdicts_are_read(text, verdict):
    assert read(text) == verdict


def test_the_roles_are_those_that_were_shown():
    assert read_verdict("Verdict: A", first="fine_tuned", second="base_model", truncated=False) == "fine_tuned"


def test_verdicts_that_disagree_are_a_tie():
    assert settle("base_model", "base_model") == "base_model"
    assert settle("base_model", "fine_tuned") == settle("tie", "fine_tuned") == settle("tie", "tie") == "tie"


def test_the_question_has_the_rubric_and_both_answers_in_their_order():
    system, user = judge_messages("Prefer {braces}.", "Why {0}?", "Because.", "first {answer}", "second")

    assert "Prefer {braces}." in system["content"]
    text = user["content"]
    places = [text.index(each) for each in ("Why {0}?", "Because.", "first {answer}", "second")]
    assert places == sorted(places)
