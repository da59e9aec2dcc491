"""Notifications over a real Redis, which dies, comes back and drops its clients"""

import logging
import os
import threading
from queue import SimpleQueue

import pytest
import redis
from prometheus_client import REGISTRY

from run import parts
from run.settings import free_port
from shared.notifier import Notifier
from tests.support.waiting import wait_until


class Server:
    """A Valkey of the test's own."""

    def __init__(self, start, folder):
        self._start, self._part = start, parts.valkey(os.environ.get("VALKEY_BIN"), folder, free_port())
        self.url = self._part.ready_url.replace("tcp://", "redis://")
        self.start()

    def start(self):
        self.running = self._start(self._part)

    def kill(self):
        self.running.kill()

    def command(self, *words):
        with redis.Redis.from_url(self.url) as client:
            return client.execute_command(*words)


@pytest.fixture
def server(start, tmp_path):
    server = Server(start, tmp_path)
    yield server
    server.kill()


def subscribed(notifier, channel="news"):
    """Subscribe from a thread, and return the queue of what comes once the subscription stands."""
    came = SimpleQueue()

    def listen():
        for notification in notifier.subscribe(channel):
            came.put(notification)

    threading.Thread(target=listen, daemon=True).start()
    assert came.get(timeout=20) is None
    return came


def test_it_works(server):
    came = subscribed(Notifier(server.url))
    other = subscribed(Notifier(server.url))
    Notifier(server.url).publish("news", "7", "12:34")
    assert came.get(timeout=20) == other.get(timeout=20) == ("7", "12:34")


def test_another_channel_is_not_heard(server):
    came = subscribed(Notifier(server.url))
    notifier = Notifier(server.url)
    notifier.publish("other", "1", "x")
    notifier.publish("news", "2")
    assert came.get(timeout=20) == ("2", "")


def test_of_one_key_only_the_last_need_come(server):
    came = subscribed(Notifier(server.url))
    notifier = Notifier(server.url)
    for number in range(1, 1001):
        notifier.publish("news", "job", str(number))
    numbers = []
    while not numbers or numbers[-1] != 1000:
        numbers.append(int(came.get(timeout=20)[1]))
    assert numbers == sorted(numbers)


def test_a_subscription_that_was_cut_says_so(server):
    came = subscribed(Notifier(server.url))
    server.command("CLIENT", "KILL", "TYPE", "pubsub")
    assert came.get(timeout=20) is None  # look: something may have been missed
    Notifier(server.url).publish("news", "1", "2")
    assert came.get(timeout=20) == ("1", "2")


def failures():
    return REGISTRY.get_sample_value("tunedeck_notifications_failed_total")


def test_with_redis_away_nobody_waits_and_the_log_says_so_once(server, caplog):
    caplog.set_level(logging.WARNING)
    failed = failures()
    notifier = Notifier(server.url)
    came = subscribed(notifier)
    server.kill()
    with pytest.raises(redis.RedisError):
        notifier.ping()
    for number in range(3):
        notifier.publish("news", "lost", str(number))
        wait_until(lambda number=number: failures() > failed + number)
    assert caplog.text.count("Redis does not answer") == 1
    server.start()
    notifier.ping()
    assert came.get(timeout=20) is None
    wait_until(lambda: notifier.publish("news", "back", "1") or not came.empty())
    assert came.get(timeout=20) == ("back", "1")
    wait_until(lambda: caplog.text.count("Redis answers again") == 1)
