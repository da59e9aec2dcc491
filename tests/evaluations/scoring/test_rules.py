"""Rules that look at an answer by itself, against published examples."""

import random
import time

import pytest
from sacrebleu.metrics import CHRF

from services.evaluations.scoring.overlap import chrf, rouge_l, token_f1
from services.evaluations.scoring.rules import make_score
from tests.support.seeds import for_seeds


def score(rule, answer, expected, **parameters):
    return make_score(rule, parameters)(answer, expected)


@pytest.mark.parametrize(
    ("rule", "answer", "expected", "parameters", "is_right"),
    [
        ("exact", "ls", "ls", {}, True),
        ("exact", "ls ", "ls", {}, False),
        ("contains", "It is **Paris**, of course.", "paris", {}, True),
        ("contains", "<think>Paris?</think>Rome", "Paris", {}, False),
        ("contains", "a comparison", "paris", {}, False),
        ("number", "42", "42", {}, True),
        ("number", "$1,234.50", "1234.5", {}, True),
        ("number", "The answer is 42.", "42", {}, True),
        ("number", "3 + 4 = 7\n#### 7", "7", {}, True),
        ("number", "2 boxes of 3 make 6", "6", {}, False),
        ("number", "\\boxed{-0.5}", "-0.5", {}, True),
        ("number", "42.4", "42", {"tolerance": 0.5}, True),
        ("number", "42.6", "42", {"tolerance": 0.5}, False),
        ("number", "none", "42", {}, False),
        ("number", "1e400", "42", {}, False),
        ("json", '{"b": 1, "a": [1, 2]}', '{"a": [1, 2], "b": 1.0}', {}, True),
        ("json", '```json\n{"a": 1}\n```', '{"a": 1}', {}, True),
        ("json", '{"a": true}', '{"a": 1}', {}, False),
        ("json", '{"a": 1, "b": 2}', '{"a": 1, "b": 3}', {"fields": ["a"]}, True),
        ("json", '{"b": 2}', '{"a": 1, "b": 2}', {"fields": ["a"]}, False),
        ("json", "[" * 100_000, "[]", {}, False),
        ("regex", "So the answer is (B).", "B", {"pattern": r"answer is \(([A-D])\)"}, True),
        ("regex", "So the answer is (B).", "C", {"pattern": r"answer is \(([A-D])\)"}, False),
        ("regex", "no answer", "B", {"pattern": r"answer is \(([A-D])\)"}, False),
        ("regex", "id 42, total 17", "17", {"pattern": r"id (\d+), total (\d+)", "group": 2}, True),
        ("regex", "id 42, total 17", "17", {"pattern": r"total (?P<n>\d+)", "group": "n"}, True),
        ("regex", "id 42, total 17", "total 17", {"pattern": r"total (\d+)", "group": 0}, True),
        ("regex", "<think>7</think> 8", "8", {"pattern": r"\d"}, True),
        ("regex", "x" * 100_000 + "y: 5", "5", {"pattern": r"y: (\d)"}, True),
        ("regex", "", "5", {"pattern": r"(\d)?"}, False),
        ("regex", "Größe: Été", "été", {"pattern": r"Größe: (\pL+)"}, True),
        ("json", "no JSON", "{}", {}, False),
    ],
)
def test_it_works(rule, answer, expected, parameters, is_right):
    assert score(rule, answer, expected, **parameters) == is_right


@pytest.mark.parametrize(
    ("answer", "expected", "f1"),
    [
        ("The Eiffel Tower!", "eiffel tower", 1),
        ("in the Eiffel Tower", "Eiffel Tower", 0.8),
        ("Rome", "Paris", 0),
        ("the", "a", 1),
        ("the", "Paris", 0),
        ("a a b", "a b b c", 0.5),
    ],
)
def test_token_f1_is_that_of_squad(answer, expected, f1):
    # "a" is an article: of the last pair b and b, b, c are left.
    assert token_f1(answer, expected) == pytest.approx(f1)


@pytest.mark.parametrize(
    ("answer", "expected", "f1"),
    [
        ("police kill the gunman", "police killed the gunman", 3 / 4),  # Lin 2004, section 3
        ("the gunman kill police", "police killed the gunman", 2 / 4),  # the same
        ("the gunman police killed", "police killed the gunman", 2 / 4),  # the same
        ("Hello, World!", "hello world", 1),
        ("привет мир", "привет, мир", 1),
        ("", "a", 0),
    ],
)
def test_rouge_l_is_that_of_the_paper(answer, expected, f1):
    assert rouge_l(answer, expected) == pytest.approx(f1)


@for_seeds(50)
def test_the_longest_common_subsequence_is_that_of_the_table(seed):
    draw = random.Random(seed)
    first, second = ([draw.choice("abcd") for _ in range(draw.randint(1, 90))] for _ in range(2))
    table = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for row, left in enumerate(first, 1):
        for column, right in enumerate(second, 1):
            above = max(table[row - 1][column], table[row][column - 1])
            table[row][column] = table[row - 1][column - 1] + 1 if left == right else above

    assert rouge_l(" ".join(first), " ".join(second)) == 2 * table[-1][-1] / (len(first) + len(second))


def test_a_huge_answer_takes_no_more_than_its_share():
    began = time.process_time()
    rouge_l("word other " * 500_000, "word " * 500_000)

    assert time.process_time() - began < 20  # the whole table would take hours


@for_seeds(100)
def test_chrf_is_that_of_sacrebleu(seed):
    draw = random.Random(seed)
    letters = draw.choice(["ab", "abcdefgh ", "aé日\U0001f600 .\n"])
    texts = ["".join(draw.choices(letters, k=draw.choice([0, 1, 3, 7, 40, 300]))) for _ in range(2)]
    reference = CHRF().sentence_score(texts[0], [texts[1]]).score / 100

    assert chrf(*texts) == pytest.approx(reference, abs=1e-9)


def test_a_hard_pattern_takes_no_time_that_grows_without_bound():
    # Of Python's own engine this would be 2^64 steps.
    assert score("regex", "x" * 1_000_000, "y", pattern=r"(x+x+)+y") == 0
