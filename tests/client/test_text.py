"""The pure functions."""

import pytest
from tunedeck_client import text


def test_it_cleans_what_the_service_refuses():
    assert text.clean("a\0b\ud800c\udfff") == "a\ufffdb\ufffdc\ufffd"
    assert text.clean("\ud83d\ude00 \U0001f600") == "\U0001f600 \U0001f600"
    assert text.clean("plain\r\n\u2028 é") == "plain\r\n\u2028 é"


def test_it_splits_a_long_message_without_losing_a_character():
    message = "€\U0001f600a" * 100_000
    parts = text.split(message)
    assert len(parts) == 4
    assert all(len(part.encode()) <= 256 * 1024 for part in parts)
    assert [part[:6] for part in parts] == [f"({n}/4) " for n in range(1, 5)]
    assert "".join(part[6:] for part in parts) == message


def test_it_leaves_a_message_at_the_limit_whole():
    assert text.split("x" * 256 * 1024) == ["x" * 256 * 1024]
    assert len(text.split("x" * (256 * 1024 + 1))) == 2


def test_it_prints_times_in_utc_with_microseconds():
    assert text.rfc3339(1708338900.25) == "2024-02-19T10:35:00.250000Z"
    assert text.rfc3339(1708338900) == "2024-02-19T10:35:00.000000Z"
    assert text.rfc3339(float("nan")).endswith("Z")


@pytest.mark.parametrize(
    ("number", "level"),
    [(5, "debug"), (10, "debug"), (20, "info"), (25, "info"), (30, "warn"), (35, "warn"), (40, "error"), (99, "error")],
)
def test_it_maps_a_level_to_the_nearest_below(number, level):
    assert text.level_of_number(number) == level


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("WARNING: x", "warn"),
        ("WARN: x", "warn"),
        ("[ERROR] x", "error"),
        ("ERROR - x", "error"),
        ("CRITICAL:root:x", "error"),
        ("DEBUG | x", "debug"),
        ("ERROR rate 0.1", "info"),
        ("ERRORS: 3", "info"),
        ("error: x", "info"),
        ("an ERROR: x", "info"),
    ],
)
def test_it_reads_the_level_word_that_a_line_begins_with(line, level):
    assert text.level_of_text(line, "info") == level


def fold(*chunks, every=5.0, times=None):
    splitter = text.LineSplitter(every)
    times = times or [0.0] * len(chunks)
    return [
        line for chunk, now in zip(chunks, times, strict=True) for line in splitter.feed(chunk, now)
    ] + splitter.end()


@pytest.mark.parametrize(
    ("chunks", "lines"),
    [
        (["10%\r20%\r100%\n"], ["100%"]),
        (["\r10%", "\r20%", "\r100%", "\ndone\n"], ["100%", "done"]),
        (["a\r\nb\r", "\nc"], ["a", "b", "c"]),
        (["100%\r     \r", "next\n"], ["next"]),
        (["100%\r     \r\n"], ["100%"]),
        (["one", " two\n\n  \n"], ["one two", "", "  "]),
        (["no end"], ["no end"]),
        ([], []),
    ],
)
def test_it_folds_a_bar_into_its_last_state(chunks, lines):
    assert fold(*chunks) == lines


def test_it_shows_a_long_bar_every_few_seconds_and_no_state_twice():
    chunks = [f"{n}%\r" for n in range(21)] + ["\n"]
    assert fold(*chunks, times=list(range(22))) == ["5%", "10%", "15%", "20%"]


def test_it_cuts_output_that_never_ends_its_line():
    splitter = text.LineSplitter()
    lines = [line for _ in range(100) for line in splitter.feed("x" * 65536, 0.0)]
    assert len("".join(lines + splitter.end())) == 100 * 65536
    assert len(lines) == 20
