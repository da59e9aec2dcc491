"""The colours of a terminal's output, and nothing else of it."""

import pytest

MODULE = "log/ansi.js"


def texts(evaluate, text):
    return [(run["text"], run["front"], run["back"]) for run in evaluate("runs(text)", text=text)]


def test_it_works(evaluate):
    assert texts(evaluate, "a \x1b[31mred\x1b[0m b") == [("a ", None, None), ("red", 1, None), (" b", None, None)]


@pytest.mark.parametrize(
    ("code", "front", "back"),
    [
        ("1;32", 2, None),
        ("94", 4, None),
        ("41", None, 1),
        ("38;5;196", 1, None),
        ("38;5;10", 2, None),
        ("38;2;0;0;255", 4, None),
        ("38:2:255:255:0", 3, None),
        ("48;5;21", None, 4),
        ("38;5;232", 0, None),
        ("", None, None),
        ("38", None, None),
        ("999999999", None, None),
    ],
)
def test_colours(evaluate, code, front, back):
    runs = texts(evaluate, f"\x1b[{code}mx")

    assert runs[0][0] == "x"
    if code != "38":
        assert runs == [("x", front, back)]


@pytest.mark.parametrize(
    "sequence",
    [
        "\x1b[2J",
        "\x1b[1;1H",
        "\x1b[?25l",
        "\x1b]0;title\x07",
        "\x1b]8;;javascript:alert(1)\x1b\\",
        "\x1b]52;c;ZXZpbA==\x07",
        "\x1bP1$r\x1b\\",
        "\x1bc",
        "\x1b(B",
        "\x9b31m",
        "\x9d0;x\x9c",
    ],
)
def test_other_sequences_are_swallowed(evaluate, sequence):
    assert evaluate("plain(text)", text=f"a{sequence}b") == "ab"
    assert "".join(run[0] for run in texts(evaluate, f"a{sequence}b")) == "ab"


@pytest.mark.parametrize("text", ["\x1b", "\x1b[31", "\x1b]0;no end", "a\x1b[", "\x1b[31;"])
def test_what_was_cut_off_keeps_its_text(evaluate, text):
    assert evaluate("runs(text).map((run) => run.text).join('')", text=text) == text


@pytest.mark.parametrize(
    "text", ["\x1b[" + "1;" * 50_000 + "x", "\x1b]" * 20_000, "\x1b[" * 50_000, "\x1bP" + "a" * 200_000]
)
def test_a_hostile_line_takes_no_time(evaluate, text):
    assert isinstance(evaluate("runs(text).length", text=text), int)
