"""A stream on a clock of the test's own: minutes pass at once."""

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from services.logs import feed as feeds_module
from services.logs.feed import CHUNK_LINES, RING_BYTES, Feed, end_of_stream
from services.logs.paging import Filter
from services.logs.stream import Start, Streams
from services.logs.tables import Job
from services.logs.viewer import View, Viewer

CREATED = datetime(2024, 2, 19, tzinfo=UTC)


class Clock:
    """Jumps to the end of every wait, or to the next thing that happens in it."""

    def __init__(self):
        self.now = 1_000.0
        self.plan = []

    def __call__(self):
        return self.now

    def at(self, second, action):
        self.plan.append((1_000.0 + second, action))

    def wait(self, timeout):
        until = self.now + timeout
        while self.plan and self.plan[0][0] <= until:
            self.now, action = self.plan.pop(0)
            action()
            return
        self.now = until


class OneFeed:
    """Stands in for Feeds: one feed."""

    def __init__(self, job):
        self.feed = Feed(job)
        self.alive = True

    @contextmanager
    def watch(self, job, viewer):
        yield self.feed

    def add(self, *messages, level=1):
        first = self.feed.last + 1
        self.feed.append([(number, level, "kernel", text, 0) for number, text in enumerate(messages, first)])

    def end(self):
        self.feed.status = "completed"
        self.feed.over = True


def make_job(**fields):
    return Job(id=1, **({"status": "running", "last_line": 0, "created_at": CREATED} | fields))


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(Viewer, "wait", lambda viewer, timeout: clock.wait(timeout))
    return clock


@pytest.fixture
def feeds():
    return OneFeed(make_job())


@pytest.fixture
def run(clock, feeds):
    """Run a stream to its end and return what it sent, each with its second."""

    def run(start=Start(), view=View(), limit=10):
        streams = Streams(feeds, limit, clock=clock)
        sent = [(round(clock.now - 1_000.0, 1), data) for data in streams.run(make_job(), start, view)]
        assert streams.open == 0
        return sent

    return run


def test_silence_ends_after_five_minutes(run):
    sent = run()

    assert sent[0] == (0, b"retry: 3000\n:\n")
    assert sent[1:-1] == [(15 * number, b":\n") for number in range(1, 20)]
    assert sent[-1] == (300, b'event: timeout\ndata:{"seconds":300}\n\n')


def test_a_line_starts_both_clocks_again(run, clock, feeds):
    clock.at(14, lambda: feeds.add("early"))
    clock.at(313.5, lambda: feeds.add("at the last moment"))

    sent = run()

    beats = [second for second, data in sent if data == b":\n"]
    assert beats == [14 + 15 * number for number in range(1, 20)] + [313.5 + 15 * number for number in range(1, 20)]
    assert sent[-1] == (613.5, b'event: timeout\ndata:{"seconds":300}\n\n')


def test_a_line_that_a_filter_hides_starts_neither(run, clock, feeds):
    clock.at(200, lambda: feeds.add("hidden"))

    sent = run(view=View(wanted=Filter(level=2)))

    assert sent[-1] == (300, b'event: timeout\ndata:{"seconds":300}\n\n')
    assert [second for second, data in sent if data == b":\n"] == [15 * number for number in range(1, 20)]


def test_lines_that_wait_together_go_in_one_write(run, clock, feeds):
    clock.at(1, lambda: feeds.add(*"abc"))
    clock.at(2, feeds.end)

    sent = run()

    assert sent[1] == (
        1,
        b"data: [00:00:00] [INFO] a\nid: 1\n\ndata: [00:00:00] [INFO] b\nid: 2\n\ndata: [00:00:00] [INFO] c\nid: 3\n\n",
    )
    assert sent[2] == (2, b'event: end\ndata:{"status":"completed"}\n\n')


def test_all_lines_go_before_the_end(run, clock, feeds):
    def last_words():
        feeds.add(*map(str, range(2 * CHUNK_LINES + 200)))
        feeds.end()

    clock.at(1, last_words)

    sent = run()

    assert [data.count(b"id: ") for _, data in sent] == [0, CHUNK_LINES, CHUNK_LINES, 200, 0]
    assert sent[-1] == (1, b'event: end\ndata:{"status":"completed"}\n\n')


def test_a_process_that_stops_asks_its_clients_to_come_back(run, clock, feeds):
    def stop():
        feeds.alive = False
        feeds.add("still unsent")

    clock.at(1, stop)

    (_, opening), (second, farewell) = run()

    assert second == 1
    assert farewell.startswith(b"retry: ")
    assert 500 <= int(farewell[7:-1]) <= 5_000


def test_a_log_that_becomes_another_one_begins_again(run, clock, feeds):
    def restore():
        feeds.feed.note_job(make_job(created_at=CREATED + timedelta(seconds=1)))
        feeds.add("new")

    clock.at(1, lambda: feeds.add("old", "old"))
    clock.at(2, restore)
    clock.at(3, feeds.end)

    sent = run()

    assert [data for _, data in sent[2:4]] == [b"event: reset\ndata:{}\n\n", b"data: [00:00:00] [INFO] new\nid: 1\n\n"]


def test_a_shorter_log_is_another_one(feeds):
    feeds.add("1", "2", "3")
    feeds.feed.note_job(make_job(last_line=2), known_last=2)
    assert feeds.feed.generation == 0  # a row that was read before the third line came

    feeds.feed.note_job(make_job(last_line=2), known_last=3)
    assert feeds.feed.generation == 1


def test_an_old_row_does_not_bring_a_job_back_to_life(feeds):
    feeds.feed.note_job(make_job(status="completed", completed_at=datetime.now(UTC)))
    feeds.feed.note_job(make_job(status="running"))

    assert feeds.feed.status == "completed"


def test_a_job_is_over_only_when_its_last_lines_were_read(feeds):
    """A row that shows the end may also show lines that nobody has read yet."""
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    feeds.feed.note_job(make_job(status="completed", completed_at=long_ago, last_line=1))
    assert (feeds.feed.over, feeds.feed.wanted.is_set(), feeds.feed.rest()) == (False, True, 0)

    feeds.add("last words")
    feeds.feed.note_read(feeds_module.time.monotonic())
    assert (feeds.feed.over, feeds.feed.rest()) == (True, None)


@pytest.mark.parametrize(("age_s", "at_least", "at_most"), [(0, 1.9, 2), (1, 0.9, 1), (3600, 0, 0), (-3600, 2, 2)])
def test_a_clock_that_was_set_cannot_stretch_the_end(age_s, at_least, at_most):
    job = make_job(status="failed", completed_at=datetime.now(UTC) - timedelta(seconds=age_s))

    left = end_of_stream(job) - feeds_module.time.monotonic()

    assert at_least - 0.1 <= left <= at_most + 0.1


def test_a_full_process_asks_its_clients_to_come_back(run):
    (_, opening), (_, farewell) = run(limit=0)

    assert opening == b"retry: 3000\n:\n"
    assert 5_000 <= int(farewell[7:-1]) <= 15_000


def test_many_stragglers_keep_few_chunks(feeds):
    feeds.add(*(["x" * 400] * 2_000))

    for after in range(2_000):
        assert feeds.feed.chunk(after, View())[1] == min(after + CHUNK_LINES, 2_000)

    assert len(feeds.feed._chunks) <= 8


def test_the_ring_is_bounded_in_bytes(feeds):
    feeds.add(*(["x" * 100_000] * 30))

    assert sum(len(entry.text) for entry in feeds.feed._ring) <= RING_BYTES
    assert feeds.feed.last == 30


class Waiting(Viewer):
    """A viewer that waits, and notes what is written to it."""

    def __init__(self, cursor=0, view=View()):
        super().__init__(view, cursor)
        self.waits, self.got = True, b""

    def push(self, chunk, behind):
        self.got += chunk
        self.cursor = behind


def test_the_newest_lines_go_to_all_who_wait(feeds):
    feed = feeds.feed
    errors = View(wanted=Filter(level=3))
    viewers = [Waiting(), Waiting(), Waiting(view=errors), Waiting(cursor=1), Waiting(cursor=2)]
    feed.viewers = dict.fromkeys(viewers)
    busy = Waiting()
    busy.waits = False
    feed.viewers[busy] = None
    feeds.add("one", "two")
    feeds.add("three", level=3)

    feed.deliver()
    feed.deliver()

    assert {viewer.cursor for viewer in viewers} == {3}
    assert [viewer.got.count(b"\nid: ") for viewer in viewers] == [3, 3, 1, 2, 1]
    assert busy.got == b""


def test_a_filter_that_hides_all_writes_nothing(feeds):
    """An empty chunk would end the answer."""
    viewer = Waiting(view=View(wanted=Filter(source="other")))
    feeds.feed.viewers = {viewer: None}
    feeds.add("one", "two")

    feeds.feed.deliver()

    assert (viewer.got, viewer.cursor) == (b"", 2)


def test_who_is_behind_the_ring_reads_by_itself(feeds):
    viewer = Waiting()
    feeds.feed.viewers = {viewer: None}
    feeds.add(*(["x" * 100_000] * 30))

    feeds.feed.deliver()

    assert (viewer.got, viewer.waits) == (b"", False)


def test_more_lines_than_a_chunk_are_delivered_in_turns(feeds):
    feed, viewer = feeds.feed, Waiting()
    feed.viewers = {viewer: None}
    feeds.add(*(["x"] * (CHUNK_LINES + 1)))
    feed.wanted.clear()

    feed.deliver()
    assert viewer.cursor == CHUNK_LINES
    assert feed.wanted.is_set()

    feed.wanted.clear()
    feed.deliver()
    assert viewer.cursor == CHUNK_LINES + 1
    assert not feed.wanted.is_set()
