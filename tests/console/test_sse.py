"""Server-sent events, in whatever pieces they come."""

import random

import pytest

MODULE = "log/sse.js"

STREAM = (
    'retry: 3000\n:\n:\ndata: {"ID":1}\nid: 1\n\n:\ndata: first\r\ndata: second\r\nid: 2\r\n\r\ndata:\rid: 3\r\r'
    'event: end\ndata:{"status":"completed"}\n\n'
)
EVENTS = [
    {"event": "message", "data": '{"ID":1}', "id": "1"},
    {"event": "message", "data": "first\nsecond", "id": "2"},
    {"event": "message", "data": "", "id": "3"},
    {"event": "end", "data": '{"status":"completed"}', "id": None},
]
READ = "(() => { const reader = new SseReader(); return pieces.flatMap((piece) => reader.feed(piece)); })()"


def test_it_works(evaluate):
    assert evaluate(READ, pieces=[STREAM]) == EVENTS
    assert (
        evaluate("(() => { const reader = new SseReader(); reader.feed('retry: 3000\\n'); return reader.retry; })()")
        == 3000
    )


def test_a_character_at_a_time(evaluate):
    assert evaluate(READ, pieces=list(STREAM)) == EVENTS


@pytest.mark.parametrize("seed", range(20))
def test_any_pieces(evaluate, seed):
    draw = random.Random(seed)
    cuts = sorted(draw.sample(range(len(STREAM)), 8))
    pieces = [STREAM[start:end] for start, end in zip([0, *cuts], [*cuts, len(STREAM)], strict=True)]

    assert evaluate(READ, pieces=pieces) == EVENTS


def test_an_event_that_was_cut_off_is_none(evaluate):
    assert evaluate(READ, pieces=["data: half\nid: 9\n"]) == []


@pytest.mark.parametrize(
    ("text", "data"),
    [("\ufeffdata: a\n\n", ["a"]), ("data\n\n", [""]), ("data:  a\n\n", [" a"]), ("id: 1\n\n", []), ("x: y\n\n", [])],
)
def test_the_standard_s_corners(evaluate, text, data):
    assert [event["data"] for event in evaluate(READ, pieces=[text])] == data
