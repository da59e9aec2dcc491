"""The difference of two texts by words."""

import pytest

MODULE = "evaluation/words.js"


def test_it_works(evaluate):
    found = evaluate("difference('the quick fox', 'the slow fox')")

    assert [piece["text"] for piece in found["before"] if not piece["same"]] == ["quick"]
    assert [piece["text"] for piece in found["after"] if not piece["same"]] == ["slow"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ""),
        ("a", ""),
        ("", "a"),
        ("same", "same"),
        ("日本語 です", "日本語 だ"),
        ("a\n\nb", "a b"),
        ("👩\u200d🔬!", "👩?"),
        ("a  b", "a b"),
    ],
)
def test_both_texts_are_whole(evaluate, before, after):
    found = evaluate("difference(before, after)", before=before, after=after)

    assert "".join(piece["text"] for piece in found["before"]) == before
    assert "".join(piece["text"] for piece in found["after"]) == after
    same = ["".join(piece["text"] for piece in found[side] if piece["same"]) for side in ("before", "after")]
    assert same[0] == same[1]


def test_long_texts_are_not_compared(evaluate):
    assert evaluate("difference('a '.repeat(5000), 'b')") is None
