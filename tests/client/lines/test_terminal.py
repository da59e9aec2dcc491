"""What a terminal would show of a program's output, as lines."""

import io

import pytest
from tqdm import tqdm
from tunedeck_client.lines.terminal import Terminal


def fold(*chunks, every=5.0, times=None):
    terminal = Terminal(every)
    times = times or [0.0] * len(chunks)
    fed = [line for chunk, now in zip(chunks, times, strict=True) for line in terminal.feed(chunk, now)]
    return fed + terminal.end()


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
        (["\n\n"], ["", ""]),
        ([], []),
        (["|\b/\b-\b\\\b \bdone\n"], ["done"]),
        (["abc\x1b[2Dxy\n"], ["axy"]),
        (["half\x1b[2K\rwhole\n"], ["whole"]),
        (["10%\r\x1b[K20%\r\x1b[Kdone\n"], ["done"]),
        (["gone\x1b[1K\r\n"], []),
        (["x\x1b[K\n"], ["x"]),
        (["\x1b[31mred\x1b[0m\n"], ["\x1b[31mred\x1b[0m"]),
        (["\x1b]0;title\x07a\x1b[?25lb\x1b(Bc\x07\n"], ["abc"]),
        (["\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\n"], ["link"]),
        (["\x1b", "[31mred", "\x1b[3", "9m\n"], ["\x1b[31mred\x1b[39m"]),
        (["\x1b]0;ti", "tle\x07a\n"], ["a"]),
        (["\x1b[99999999999A\x1b[99999999999Bx\n"], ["x"]),
    ],
)
def test_it_shows_the_last_state(chunks, lines):
    assert fold(*chunks) == lines


def bars(**options):
    file = io.StringIO()
    for _ in tqdm(range(3), desc="outer", file=file, mininterval=0):
        for _ in tqdm(range(4), desc="inner", file=file, mininterval=0, **options):
            pass
    return file.getvalue()


def names(lines):
    return [line.split(":")[0] + line.split(":")[1][:5] for line in lines]


def test_a_bar_in_a_bar_is_one_line():
    assert names(fold(bars(leave=False))) == ["outer 100%"]
    assert names(fold(*bars(leave=False))) == ["outer 100%"], "whatever the chunks"


def test_bars_that_stay_are_a_line_each():
    assert names(fold(bars(leave=True))) == ["inner 100%"] * 3 + ["outer 100%"]


def test_bars_below_each_other_are_a_line_each_once_they_are_left():
    lines = fold("\ra 1%\n\rb 1%\x1b[A\ra 2%\n\rb 2%\x1b[A", "\ra 100%\n\rb 100%\n", "after\n")
    assert lines == ["a 100%", "b 100%", "after"]


def test_a_long_bar_shows_every_few_seconds_and_no_state_twice():
    chunks = [f"{n}%\r" for n in range(21)] + ["\n"]
    assert fold(*chunks, times=list(range(22))) == ["5%", "10%", "15%", "20%"]


def test_what_hangs_shows_without_further_output():
    terminal = Terminal()
    assert terminal.feed("\r 40%|####", 0.0) == []
    assert terminal.due_in(0.0) == 5.0
    assert terminal.due(4.9) == []
    assert terminal.due(5.0) == [" 40%|####"]
    assert terminal.due(10.0) == []
    assert terminal.due_in(10.0) is None


def test_dots_show_every_few_seconds_each_once():
    terminal = Terminal()
    lines = [line for now in range(12) for line in terminal.feed(".", float(now))] + terminal.feed("ok\n", 12.0)
    assert "".join(lines) == "." * 12 + "ok"
    assert [len(line) for line in lines] == [6, 5, 3]


def test_a_finished_bar_shows_in_a_moment():
    terminal = Terminal()
    assert terminal.feed("\r100%\n", 0.0) == []
    assert terminal.due_in(0.0) == 0.5
    assert terminal.due(0.5) == ["100%"]
    assert terminal.end() == []


def test_a_line_that_never_ends_is_cut_and_its_parts_count_through():
    terminal = Terminal()
    lines = [line for _ in range(100) for line in terminal.feed("€" * 10_000, 0.0)] + terminal.end()
    heads, parts = zip(*(line.split(" ", 1) for line in lines), strict=True)
    assert "".join(parts) == "€" * 1_000_000
    assert list(heads[:3]) == ["(1/…)", "(2/…)", "(3/…)"]
    assert heads[-1] == f"({len(lines)}/{len(lines)})"
    assert max(len(line.encode()) for line in lines) <= 256 * 1024


def test_escapes_without_an_end_hold_nothing_back():
    lines = fold("\x1b]" + "x" * 10_000, "\n", "after\n")
    assert lines[-1] == "after"
