"""Numbers, sizes, times and text as people read them."""

import pytest

MODULE = "lib/format.js"


def test_it_works(evaluate):
    assert evaluate("[count(1234567), figure(0.4523), percent(0.891), bytes(524288000), duration(3725)]") == [
        "1,234,567",
        "0.4523",
        "89.1 %",
        "524 MB",
        "1 h 2 min",
    ]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("0", "0"),
        ("0.1 + 0.2", "0.3"),
        ("2e-5", "2e-5"),
        ("-1.5e12", "-1.5e12"),
        ("12345.678", "12345.7"),
        ("100", "100"),
        ("'NaN'", "NaN"),
        ("'-Infinity'", "-∞"),
        ("NaN", "NaN"),
        ("Infinity", "∞"),
        ("null", "–"),
        ("'<img>'", "–"),
        ("{}", "–"),
    ],
)
def test_figures(evaluate, value, words):
    assert evaluate(f"figure({value})") == words


@pytest.mark.parametrize(
    ("value", "words"), [(0.382, "+38.2"), (-0.0213, "−2.1"), (0, "0.0"), (-0.00001, "0.0"), (None, "–")]
)
def test_points(evaluate, value, words):
    assert evaluate("points(value)", value=value) == words


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_950, "1.0 MB"), (5e15, "5.0 PB"), (None, "–")],
)
def test_sizes(evaluate, size, words):
    assert evaluate("bytes(size)", size=size) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59.6, "1 min 0 s"), (86400 * 400, "400 d 0 h"), (-5, "0 s"), (None, "–")],
)
def test_durations(evaluate, seconds, words):
    assert evaluate("duration(seconds)", seconds=seconds) == words


@pytest.mark.parametrize(
    ("then", "words"),
    [
        ("2026-02-19T10:00:00Z", "now"),
        ("2026-02-19T09:59:00Z", "1 min ago"),
        ("2026-02-20T09:00:00Z", "in 23 h"),
        ("2025-02-19T10:00:00Z", "365 d ago"),
        (None, "–"),
        ("soon", "–"),
    ],
)
def test_how_long_ago(evaluate, then, words):
    assert evaluate("ago(then, Date.parse('2026-02-19T10:00:00Z'))", then=then) == words


def test_what_would_not_show_is_marked(evaluate):
    pieces = evaluate("reveal(text)", text="pay\u202egpj.exe\u0000\u001b[2J\u200bend")

    assert [piece["mark"] for piece in pieces if piece["mark"]] == ["RLO", "NUL", "ESC", "ZWSP"]
    assert "".join(piece["text"] for piece in pieces) == "pay\u202egpj.exe\u0000\u001b[2J\u200bend"


@pytest.mark.parametrize(
    "text", ["plain", "тест", "日本語", "👩\u200d🔬", "a\tb", "first\nsecond", "Z" + "\u0334" * 1000, ""]
)
def test_what_shows_is_left_alone(evaluate, text):
    assert evaluate("reveal(text).map((piece) => piece.mark)", text=text) == ([None] if text else [])


@pytest.mark.parametrize(
    ("word", "quoted"),
    [
        ("model.zip", "model.zip"),
        ("a b", "'a b'"),
        ("it's; rm -rf /", "'it'\\''s; rm -rf /'"),
        ("$(id)", "'$(id)'"),
        ("", "''"),
    ],
)
def test_words_for_a_shell_are_quoted(evaluate, word, quoted):
    assert evaluate("shellWord(word)", word=word) == quoted


def test_names_are_spoken_but_not_changed(evaluate):
    assert evaluate("['fine_tuned', 'f1_score', '__proto__', 'a__b'].map(spoken)") == [
        "fine tuned",
        "f1 score",
        "__proto__",
        "a__b",
    ]
