"""A stream on a clock of the test's own: minutes pass at once."""

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from services.logs.lines.queries import Filter
from services.logs.streaming import channel as channel_module
from services.logs.streaming.channel import BUFFER_BYTES, CHUNK_LINES, Channel, end_of_stream
from services.logs.streaming.stream import Start, Streams
from services.logs.streaming.subscriber import Subscriber, Subscription
from services.logs.tables import Job

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


class OneChannel:
    """Stands in for the hub: one channel."""

    def __init__(self, job):
        self.channel = Channel(job)
        self.alive = True

    @contextmanager
    def watch(self, job, subscriber):
        yield self.channel

    def add(self, *messages, level=1):
        first = self.channel.last + 1
        self.channel.append([(number, level, "kernel", text, 0) for number, text in enumerate(messages, first)])

    def end(self):
        self.channel.status = "completed"
        self.channel.over = True


def make_job(**fields):
    return Job(id=1, **({"status": "running", "last_line": 0, "created_at": CREATED} | fields))


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(Subscriber, "wait", lambda subscriber, timeout: clock.wait(timeout))
    return clock


@pytest.fixture
def hub():
    return OneChannel(make_job())


@pytest.fixture
def run(clock, hub):
    """Run a stream to its end and return what it sent, each with its second."""

    def run(start=Start(), view=Subscription(), limit=10):
        streams = Streams(hub, limit, clock=clock)
        sent = [(round(clock.now - 1_000.0, 1), data) for data in streams.run(make_job(), start, view)]
        assert streams.open == 0
        return sent

    return run


def test_silence_ends_after_five_minutes(run):
    sent = run()

    assert sent[0] == (0, b"retry: 3000\n:\n")
    assert sent[1:-1] == [(15 * number, b":\n") for number in range(1, 20)]
    assert sent[-1] == (300, b'event: timeout\ndata:{"seconds":300}\n\n')


def test_a_line_starts_both_clocks_again(run, clock, hub):
    clock.at(14, lambda: hub.add("early"))
    clock.at(313.5, lambda: hub.add("at the last moment"))

    sent = run()

    beats = [second for second, data in sent if data == b":\n"]
    assert beats == [14 + 15 * number for number in range(1, 20)] + [313.5 + 15 * number for number in range(1, 20)]
    assert sent[-1] == (613.5, b'event: timeout\ndata:{"seconds":300}\n\n')


def test_a_line_that_a_filter_hides_starts_neither(run, clock, hub):
    clock.at(200, lambda: hub.add("hidden"))

    sent = run(view=Subscription(filter=Filter(level=2)))

    assert sent[-1] == (300, b'event: timeout\ndata:{"seconds":300}\n\n')
    assert [second for second, data in sent if data == b":\n"] == [15 * number for number in range(1, 20)]


def test_lines_that_wait_together_go_in_one_write(run, clock, hub):
    clock.at(1, lambda: hub.add(*"abc"))
    clock.at(2, hub.end)

    sent = run()

    assert sent[1] == (
        1,
        b"data: [00:00:00] [INFO] a\nid: 1\n\ndata: [00:00:00] [INFO] b\nid: 2\n\ndata: [00:00:00] [INFO] c\nid: 3\n\n",
    )
    assert sent[2] == (2, b'event: end\ndata:{"status":"completed"}\n\n')


def test_all_lines_go_before_the_end(run, clock, hub):
    def last_words():
        hub.add(*map(str, range(2 * CHUNK_LINES + 200)))
        hub.end()

    clock.at(1, last_words)

    sent = run()

    assert [data.count(b"id: ") for _, data in sent] == [0, CHUNK_LINES, CHUNK_LINES, 200, 0]
    assert sent[-1] == (1, b'event: end\ndata:{"status":"completed"}\n\n')


def test_a_process_that_stops_asks_its_clients_to_come_back(run, clock, hub):
    def stop():
        hub.alive = False
        hub.add("still unsent")

    clock.at(1, stop)

    (_, opening), (second, farewell) = run()

    assert second == 1
    assert farewell.startswith(b"retry: ")
    assert 500 <= int(farewell[7:-1]) <= 5_000


def test_a_log_that_becomes_another_one_begins_again(run, clock, hub):
    def restore():
        hub.channel.apply_job(make_job(created_at=CREATED + timedelta(seconds=1)))
        hub.add("new")

    clock.at(1, lambda: hub.add("old", "old"))
    clock.at(2, restore)
    clock.at(3, hub.end)

    sent = run()

    assert [data for _, data in sent[2:4]] == [b"event: reset\ndata:{}\n\n", b"data: [00:00:00] [INFO] new\nid: 1\n\n"]


def test_a_shorter_log_is_another_one(hub):
    hub.add("1", "2", "3")
    hub.channel.apply_job(make_job(last_line=2), known_last=2)
    assert hub.channel.generation == 0  # a row that was read before the third line came

    hub.channel.apply_job(make_job(last_line=2), known_last=3)
    assert hub.channel.generation == 1


def test_an_old_row_does_not_bring_a_job_back_to_life(hub):
    hub.channel.apply_job(make_job(status="completed", completed_at=datetime.now(UTC)))
    hub.channel.apply_job(make_job(status="running"))

    assert hub.channel.status == "completed"


def test_a_job_is_over_only_when_its_last_lines_were_read(hub):
    """A row that shows the end may also show lines that nobody has read yet."""
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    hub.channel.apply_job(make_job(status="completed", completed_at=long_ago, last_line=1))
    assert (hub.channel.over, hub.channel.wanted.is_set(), hub.channel.rest()) == (False, True, 0)

    hub.add("last words")
    hub.channel.note_read(channel_module.time.monotonic())
    assert (hub.channel.over, hub.channel.rest()) == (True, None)


@pytest.mark.parametrize(("age_s", "at_least", "at_most"), [(0, 1.9, 2), (1, 0.9, 1), (3600, 0, 0), (-3600, 2, 2)])
def test_a_clock_that_was_set_cannot_stretch_the_end(age_s, at_least, at_most):
    job = make_job(status="failed", completed_at=datetime.now(UTC) - timedelta(seconds=age_s))

    left = end_of_stream(job) - channel_module.time.monotonic()

    assert at_least - 0.1 <= left <= at_most + 0.1


def test_a_full_process_asks_its_clients_to_come_back(run):
    (_, opening), (_, farewell) = run(limit=0)

    assert opening == b"retry: 3000\n:\n"
    assert 5_000 <= int(farewell[7:-1]) <= 15_000


def test_many_stragglers_keep_few_chunks(hub):
    hub.add(*(["x" * 400] * 2_000))

    for after in range(2_000):
        assert hub.channel.chunk(after, Subscription())[1] == min(after + CHUNK_LINES, 2_000)

    assert len(hub.channel._chunks) <= 8


def test_the_ring_is_bounded_in_bytes(hub):
    hub.add(*(["x" * 100_000] * 30))

    assert sum(len(entry.text) for entry in hub.channel._buffer) <= BUFFER_BYTES
    assert hub.channel.last == 30


class Waiting(Subscriber):
    """A subscriber that waits, and notes what is written to it."""

    def __init__(self, cursor=0, view=Subscription()):
        super().__init__(view, cursor)
        self.waits, self.got = True, b""

    def push(self, chunk, behind):
        self.got += chunk
        self.cursor = behind


def test_the_newest_lines_go_to_all_who_wait(hub):
    channel = hub.channel
    errors = Subscription(filter=Filter(level=3))
    subscribers = [Waiting(), Waiting(), Waiting(view=errors), Waiting(cursor=1), Waiting(cursor=2)]
    channel.subscribers = dict.fromkeys(subscribers)
    busy = Waiting()
    busy.waits = False
    channel.subscribers[busy] = None
    hub.add("one", "two")
    hub.add("three", level=3)

    channel.deliver()
    channel.deliver()

    assert {subscriber.cursor for subscriber in subscribers} == {3}
    assert [subscriber.got.count(b"\nid: ") for subscriber in subscribers] == [3, 3, 1, 2, 1]
    assert busy.got == b""


def test_a_filter_that_hides_all_writes_nothing(hub):
    """An empty chunk would end the answer."""
    subscriber = Waiting(view=Subscription(filter=Filter(source="other")))
    hub.channel.subscribers = {subscriber: None}
    hub.add("one", "two")

    hub.channel.deliver()

    assert (subscriber.got, subscriber.cursor) == (b"", 2)


def test_who_is_behind_the_ring_reads_by_itself(hub):
    subscriber = Waiting()
    hub.channel.subscribers = {subscriber: None}
    hub.add(*(["x" * 100_000] * 30))

    hub.channel.deliver()

    assert (subscriber.got, subscriber.waits) == (b"", False)


def test_more_lines_than_a_chunk_are_delivered_in_turns(hub):
    channel, subscriber = hub.channel, Waiting()
    channel.subscribers = {subscriber: None}
    hub.add(*(["x"] * (CHUNK_LINES + 1)))
    channel.wanted.clear()

    channel.deliver()
    assert subscriber.cursor == CHUNK_LINES
    assert channel.wanted.is_set()

    channel.wanted.clear()
    channel.deliver()
    assert subscriber.cursor == CHUNK_LINES + 1
    assert not channel.wanted.is_set()
