"""The lines of a log as the view has them."""

import pytest

MODULE = "log/lines.js"

SOME = """
    const all = new AllLines();
    const line = (id, message) => ({id, level: 'info', message});
    const some = (first, last, message = 'x') =>
        Array.from({length: last - first + 1}, (_, i) => line(first + i, message));
"""


def run(evaluate, steps):
    return evaluate(f"(() => {{ {SOME} {steps} }})()")


def test_it_works(evaluate):
    assert run(evaluate, "all.put(some(1, 5)); return [all.length, all.at(4).id, all.at(5)];") == [5, 5, None]


def test_the_newest_number_is_the_length(evaluate):
    steps = "all.put(some(4001, 5000)); return [all.length, all.at(0), all.missing(0, 10), all.missing(4990, 5000)];"

    assert run(evaluate, steps) == [5000, None, [0], []]


def test_pages_that_are_half_here_are_asked_for(evaluate):
    steps = (
        "all.put(some(1500, 2500)); return [[0, 2500], [1600, 2500], [1400, 1500]].map((rows) => all.missing(...rows));"
    )

    assert run(evaluate, steps) == [[0, 1000], [], [1000]]


def test_a_line_that_comes_twice_counts_once(evaluate):
    assert run(evaluate, "all.put(some(1, 5)); all.put(some(3, 7)); return all.length;") == 7


def test_pages_that_were_used_longest_ago_go(evaluate):
    steps = """
        for (let page = 0; page < 150; page += 1) {
            all.put(some(page * 1000 + 1, page * 1000 + 1000));
            all.missing(0, 1);
        }
        return [all._pages.size, all.at(0) !== null, all.at(1000), all.length];
    """
    assert run(evaluate, steps) == [100, True, None, 150_000]


def test_of_much_text_few_pages_are_kept(evaluate):
    steps = """
        const text = 'x'.repeat(262144);
        for (let page = 0; page < 20; page += 1) all.put(some(page * 1000 + 1, page * 1000 + 20, text));
        return all._characters <= 24000000 + 20 * 262144 && all.length;
    """
    assert run(evaluate, steps) == 19_020


def test_what_a_filter_found(evaluate):
    steps = """
        const found = new FoundLines();
        found.put(some(50, 52));
        found.before(some(10, 11), 5);
        found.put(some(51, 54));
        return [found.length, found.rowOf(11), found.rowOf(30), found.rowOf(99), found.idAt(0), found.done];
    """
    assert run(evaluate, steps) == [7, 1, 2, 6, 10, False]


@pytest.mark.parametrize(
    ("message", "first", "more"),
    [
        ("one", "one", 0),
        ("one\n", "one", 0),
        ("one\r\ntwo", "one", 1),
        ("a\rb\nc\n", "a", 2),
        ("", "", 0),
        ("\n\n\n", "", 2),
        ("a\n\nb", "a", 2),
    ],
)
def test_the_first_line_of_a_message(evaluate, message, first, more):
    assert evaluate("firstLine(message)", message=message) == {"first": first, "more": more}
