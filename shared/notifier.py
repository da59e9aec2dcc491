"""Notifications over Redis pub/sub: they say when to look, and the tables say what there is.

Pub/sub drops messages in silence, so nothing that must arrive goes through here (docs/decisions/0001).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator

import redis

from shared.telemetry.metrics import notifications_failed

RETRY_S = 1.0
_TIMEOUT_S = 1.0
_PING_EVERY_S = 10

log = logging.getLogger(__name__)


class Notifier:
    """Publishes and subscribes at ``url``; with Redis away it drops notifications and says so once in the log."""

    def __init__(self, url: str) -> None:
        self._publisher = redis.Redis.from_url(
            url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S, retry=None
        )
        self._subscriber = redis.Redis.from_url(
            url,
            socket_connect_timeout=_TIMEOUT_S,
            health_check_interval=_PING_EVERY_S,
            retry=None,
        )
        self._pending: dict[tuple[str, str], str] = {}
        self._wanted = threading.Event()
        self._has_thread = False
        self._away = False

    def ping(self) -> None:
        """Raise redis.RedisError where Redis does not answer within a second."""
        self._publisher.ping()

    def publish(self, channel: str, key: str, message: str = "") -> None:
        """Publish ``key:message`` on ``channel`` soon, from the background: never raises, never waits.

        Of several notifications with one key that are not yet sent only the last goes out.
        """
        self._pending[channel, key] = message
        if not self._has_thread:  # Thread.is_alive() would take as long as the rest of this
            self._has_thread = True
            threading.Thread(target=self._send, name="notifier", daemon=True).start()
        self._wanted.set()

    def _send(self) -> None:
        try:
            while self._wanted.wait():
                self._wanted.clear()
                self._send_pending()
        finally:  # the next notification starts another
            self._has_thread = False

    def _send_pending(self) -> None:
        pending, self._pending = self._pending, {}
        try:
            with self._publisher.pipeline(transaction=False) as pipeline:
                for (channel, key), message in pending.items():
                    pipeline.publish(channel, f"{key}:{message}")
                pipeline.execute()
            self._note_presence(True)
        except redis.RedisError as error:
            notifications_failed.inc()
            self._note_presence(False, error)
            time.sleep(RETRY_S)

    def _note_presence(self, there: bool, error: Exception | None = None) -> None:
        if self._away and there:
            log.warning("Redis answers again")
        elif not self._away and not there:
            log.warning("Redis does not answer, subscribers fall back to looking every few seconds: %s", error)
        self._away = not there

    def subscribe(self, channel: str) -> Iterator[tuple[str, str] | None]:
        """Yield ``(key, message)`` for each notification, and None whenever some may have been missed; for ever.

        None comes at each new subscription: redis-py also reconnects by itself, without an error, and all that
        shows of it is another ``subscribe`` message.
        """
        while True:
            try:
                with self._subscriber.pubsub() as subscription:  # type: ignore[no-untyped-call]
                    subscription.subscribe(channel)
                    while True:
                        # With a timeout, so that the health check gets its turn on an idle connection.
                        message = subscription.get_message(timeout=_PING_EVERY_S)
                        if message is None:
                            continue
                        if message["type"] == "subscribe":
                            yield None
                        elif message["type"] == "message":
                            key, _, text = message["data"].decode("utf-8", "replace").partition(":")
                            yield key, text
            except redis.RedisError:
                time.sleep(RETRY_S)
