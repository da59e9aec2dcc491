"""What an answer says."""

import pytest

from services.evaluations.scoring.choose_grader import choose_grader
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
    assert LabelGrader(FEELINGS, extract=False).grade(answer, "Positive")[:2] == (label, False)


@pytest.mark.parametrize(
    "answer",
    [
        "**Positive**",
        "__positive__.",
        "`positive`",
        '"Positive."',
        "“positive”",
        "(positive)",
        "- **Positive**",
        "1. positive",
        "```\npositive\n```",
        "\\boxed{positive}",
        "<think>It isn't bad.</think>positive",
        "<think>negative? No.</think>\n\n**Positive**",
        "[THINK]hm[/THINK]positive",
        "<|channel|>analysis<|message|>negative?<|end|><|channel|>final<|message|>positive",
        "po\u0073itive\r\n",
    ],
)
def test_formatting_and_reasoning_do_not_count(answer):
    assert LabelGrader(FEELINGS, extract=False).grade(answer, "Positive")[:2] == ("positive", False)
    assert TextGrader().grade(answer, "Positive").answer is not None


@pytest.mark.parametrize(
    "answer", ["<think>positive", "<think>positive? Let me", "<think>a</think>", "pos itive", "-positive"]
)
def test_reasoning_that_was_cut_off_and_what_is_not_formatting_is_no_answer(answer):
    assert LabelGrader(FEELINGS, extract=True).grade(answer, "Positive")[:2] == (None, False)


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("The sentiment is positive.", "positive"),
        ("Label: negative\n\nThe customer was let down, so: negative", "negative"),
        ("There is no doubt: positive", "positive"),
        ("**Answer:** positive", "positive"),
        ('{"label": "negative", "confidence": 0.9}', "negative"),
        ('```json\n{"sentiment": "negative"}\n```', "negative"),
        ("The answer is: neutral, since nothing is said.", "neutral"),
        ("Positive.\n\nThe customer does not regret it.", "positive"),
        ("I would say it is neutral", "neutral"),
        ("je dirais que cette phrase est neutral", None),  # "que" is no word that leads to a label
        ("positive, although not by much", None),
        ("positively", None),
        ("non-positive", None),
        ("positive-ish", None),
        ("positive or negative", None),
        ("Answer: positive\nAnswer: negative", None),
        ('{"positive": false}', None),
        ('{"a": "positive", "b": "negative"}', None),
        ("it is not positive", None),
        ("Definitely not: positive", None),
        ("It isn't really positive", None),
        ("it isn’t positive", None),
        ("this is never negative", None),
        ("positive? No.", None),
        ("das ist nicht positive", None),
        ("ce n'est pas positive", None),
        ("niet positive", None),
        ("den är inte positive", None),
        ("это не positive", None),
        ("no es negative; nunca", None),
        ("I cannot tell", None),
        ("x" * 100_000 + " positive", None),
    ],
)
def test_a_label_is_found_in_a_longer_answer(answer, label):
    grader = LabelGrader(FEELINGS, extract=True)

    assert grader.grade(answer, "Positive")[:2] == (label, label is not None)
    assert LabelGrader(FEELINGS, extract=False).grade(answer, "Positive")[:2] == (None, False)


def test_what_was_cut_may_have_gone_on_to_say_otherwise():
    grader = LabelGrader(FEELINGS, extract=True)

    assert grader.grade("The sentiment is positive", "Positive", truncated=True)[:2] == (None, False)
    assert grader.grade("Answer: positive\nBecause it", "Positive", truncated=True)[:2] == ("positive", True)


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("B", "b"),
        ("(B)", "b"),
        ("**B**", "b"),
        ("Answer: B", "b"),
        ("The answer is B.", "b"),
        ("The answer is (B), because", "b"),
        ("B. Paris", "b"),
        ("B) Paris", "b"),
        ("This is a difficult question.", None),
        ("A difficult question", None),
        ("I would choose B", None),
        ("The answer is a difficult one", None),
        ("(A) or (B)", None),
        ("It is not (B)", None),
        ("A. Rome\nB. Paris", None),
    ],
)
def test_a_lone_letter_is_never_taken_out_of_prose(answer, label):
    assert LabelGrader("ABCD", extract=True).grade(answer, "A").answer == label


def test_labels_that_differ_in_case_alone_are_told_apart():
    chemistry = LabelGrader(("Co", "CO", "yes", "no"), extract=True)

    assert [chemistry.grade(answer, "Co").answer for answer in ("Co", "CO", "co", "**CO**", "YES.")] == [
        *("Co", "CO", None, "CO", "yes"),
    ]
    assert chemistry.label("Co") != chemistry.label("CO")
    assert chemistry.ambiguous == ("CO", "Co")
    text = TextGrader(("true", "True", "ls"))
    assert [text.grade(answer, "True").answer is None for answer in ("True", "true", "TRUE")] == [False, True, True]


@pytest.mark.parametrize(
    ("labels", "answer", "label"),
    [
        (("spam", "not spam"), "This is not spam.", "not spam"),
        (("spam", "not spam"), "This is spam.", "spam"),
        (("yes", "no"), "No, it is not.", "no"),
        (("yes", "no"), "There is no doubt: yes", "yes"),
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
    assert LabelGrader(("not good", "good"), extract=True).grade("Not good!", "good")[:2] == ("not good", False)


@pytest.mark.parametrize(
    ("answer", "expected", "is_right"),
    [
        (" The Answer. ", "the answer", True),
        ("the\r\n  answer", "the answer", True),
        ("the answer is 4", "4", False),
        ("ls;", "ls", False),
        ("ls", "ls;", False),
        ("yes!", "yes", False),
        ("C#", "C", False),
    ],
)
def test_text_is_compared_whole(answer, expected, is_right):
    grader = TextGrader()

    assert (grader.grade(answer, expected).answer == grader.label(expected)) is is_right


def choose(scoring, labels, rows=1000, extract_label=False):
    return choose_grader(scoring, labels, rows=rows, extract_label=extract_label).name


def test_the_default_suits_the_set():
    assert choose(None, ["a", "b"]) == choose(None, [str(number) for number in range(50)]) == "labels"
    assert choose(None, [str(number) for number in range(51)]) == choose(None, None) == "text"


def test_answers_that_do_not_repeat_are_no_labels():
    assert choose(None, ["a", "b"], rows=4) == "labels"
    assert choose(None, ["a", "b"], rows=3) == "text"
    assert choose(None, ["a", "a long answer " * 10], rows=100) == "text"


def test_what_is_asked_for_is_used():
    many = [str(number) for number in range(77)]

    assert choose("labels", many) == choose(None, many, extract_label=True) == "labels"
    assert choose("text", ["a", "b"]) == "text"


@pytest.mark.parametrize(
    ("scoring", "extract_label", "field"), [("labels", False, "scoring"), (None, True, "extract_label")]
)
def test_labels_of_a_set_without_any_are_refused(scoring, extract_label, field):
    with pytest.raises(Unprocessable) as refused:
        choose_grader(scoring, None, rows=1, extract_label=extract_label)

    assert list(refused.value.errors) == [field]
