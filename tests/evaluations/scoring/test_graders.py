"""What an answer says."""

import pytest

from services.evaluations.scoring import graders
from services.evaluations.scoring.graders import LabelGrader, TextGrader
from shared.errors import Unprocessable

FEELINGS = ("Positive", "negative", "neutral")


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("positive", "positive"),
        (" POSITIVE!\n", "positive"),
        ("very positive", None),
        ("", None),
        ("positive, negative", None),
    ],
)
def test_it_works(answer, label):
    assert LabelGrader(FEELINGS, extract=False).grade(answer, "Positive") == (label, False)


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("The sentiment is positive.", "positive"),
        ("**Positive**", "positive"),
        ("Label: negative\n\nThe customer was let down, so: negative", "negative"),
        ("(neutral)", "neutral"),
        ("positive, although not by much", "positive"),
        ("positively", None),
        ("non-positive", None),
        ("positive-ish", None),
        ("positive or negative", None),
        ("it is not positive", None),
        ("It isn't really positive", None),
        ("it isn’t positive", None),
        ("this is never negative", None),
        ("das ist nicht positive", None),
        ("ce n'est pas positive", None),
        ("no es negative; nunca", None),
        ("I cannot tell", None),
    ],
)
def test_a_label_is_found_in_a_longer_answer(answer, label):
    grader = LabelGrader(FEELINGS, extract=True)

    assert grader.grade(answer, "Positive") == (label, label is not None)
    assert LabelGrader(FEELINGS, extract=False).grade(answer, "Positive") == (None, False)


@pytest.mark.parametrize(
    ("labels", "answer", "label"),
    [
        (("spam", "not spam"), "This is not spam.", "not spam"),
        (("spam", "not spam"), "This is spam.", "spam"),
        (("yes", "no"), "No, it is not.", "no"),
        (("yes", "no"), "There is no doubt: yes", None),
        (("C", "C++"), "I would say C++, of course", "c++"),
        (("C",), "I would say C++", None),
        (("a.b",), "it is axb", None),
        (("正面", "负面"), "正面。", "正面"),
        (("ÜBEL",), "es ist übel", "übel"),
        (("STRASSE",), "die Straße", "strasse"),
    ],
)
def test_labels_are_whole_words(labels, answer, label):
    assert LabelGrader(labels, extract=True).grade(answer, labels[0]).answer == label


def test_an_answer_that_is_a_label_was_not_extracted():
    assert LabelGrader(("not good", "good"), extract=True).grade("Not good!", "good") == ("not good", False)


def test_text_is_compared_whole():
    grader = TextGrader()

    assert grader.grade(" The Answer. ", "the answer").answer == grader.label("the answer")
    assert grader.grade("the answer is 4", "4").answer != grader.label("4")


def test_the_default_suits_the_set():
    assert graders.choose_grader(None, ["a", "b"], extract_label=False).name == "labels"
    assert graders.choose_grader(None, [str(number) for number in range(50)], extract_label=False).name == "labels"
    assert graders.choose_grader(None, [str(number) for number in range(51)], extract_label=False).name == "text"
    assert graders.choose_grader(None, None, extract_label=False).name == "text"


def test_what_is_asked_for_is_used():
    many = [str(number) for number in range(77)]

    assert graders.choose_grader("labels", many, extract_label=False).name == "labels"
    assert graders.choose_grader(None, many, extract_label=True).name == "labels"
    assert graders.choose_grader("text", ["a", "b"], extract_label=False).name == "text"


@pytest.mark.parametrize(
    ("scoring", "extract_label", "field"), [("labels", False, "scoring"), (None, True, "extract_label")]
)
def test_labels_of_a_set_without_any_are_refused(scoring, extract_label, field):
    with pytest.raises(Unprocessable) as refused:
        graders.choose_grader(scoring, None, extract_label=extract_label)

    assert list(refused.value.errors) == [field]
