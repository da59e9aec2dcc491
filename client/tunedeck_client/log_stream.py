"""A job's lines: the pages of its log so far, or its live stream, resumed by line number after every cut."""

from __future__ import annotations

import http.client
import itertools
import json
import time
from typing import Any, BinaryIO, Iterator, NamedTuple
from urllib.parse import urlencode

from tunedeck_client.errors import Refused, Unreachable
from tunedeck_client.transport.pages import Record
from tunedeck_client.transport.service import REPEATED, Service

PAGE = 1000
PAUSE_S = 1.0
LONGEST_PAUSE_S = 15.0
GIVE_UP_AFTER_S = 600.0
"""Without a line or a heartbeat from anybody for so long, following ends with an error."""

MAX_EVENT_BYTES = 4 * 1024 * 1024


class Event(NamedTuple):
    name: str
    id: int | None
    data: str


def read_log(service: Service, job_id: int, *, tail: int | None = None, **filters: Any) -> Iterator[Record]:
    """Yield the lines that there are, or the last `tail` of those that the filters let through."""
    wanted = {name: value for name, value in filters.items() if value is not None}
    if tail is None:
        yield from _pages(service, job_id, wanted, "next_after", "after")
        return
    newest_first = _pages(service, job_id, {**wanted, "order": "desc"}, "next_before", "before")
    yield from reversed(list(itertools.islice(newest_first, tail)))


def _pages(service: Service, job_id: int, query: dict[str, Any], told: str, asked: str) -> Iterator[Record]:
    query = {**query, "limit": PAGE}
    while True:
        place = f"/jobs/{job_id}/logs?{urlencode(query)}"
        page = service.call("GET", place, None, {"Accept": "application/json"})
        yield from page["logs"]
        if not page["has_more"]:
            return
        query[asked] = page[told]


def follow_log(service: Service, job_id: int, *, tail: int | None = None, **filters: Any) -> Iterator[Record]:
    """Yield each line once, as it comes, until the job has ended; resumed by its number after every cut.

    The first connection fails at once, Refused or Unreachable; later ones are tried for ten minutes.
    """
    query = {name: value for name, value in filters.items() if value is not None}
    query["format"] = "json"
    if tail is not None:
        query["tail"] = tail
    last: int | None = None
    heard = None
    pause = PAUSE_S
    while True:
        resumed = {"last_event_id": last} if last is not None else {}
        place = f"/api/v1/jobs/{job_id}/logs?{urlencode({**query, **resumed})}"
        try:
            with service.open(place, {"Accept": "text/event-stream"}) as response:
                if response.status == 204:
                    return
                heard, pause = time.monotonic(), PAUSE_S
                for event in read_events(response):
                    heard = time.monotonic()
                    if event.name == "end":
                        return
                    if event.name == "reset":
                        last = None
                    elif event.id is not None and event.id != last:
                        yield json.loads(event.data)
                        last = event.id
        except (Unreachable, Refused) as error:
            is_passing = not isinstance(error, Refused) or error.status in REPEATED
            if not is_passing or heard is None or time.monotonic() - heard > GIVE_UP_AFTER_S:
                raise
        except (OSError, http.client.HTTPException, ValueError, RecursionError):
            pass  # cut off in the middle: what was not whole comes again
        if service.stop.wait(pause):
            return
        pause = min(pause * 2, LONGEST_PAUSE_S)


def read_events(response: BinaryIO | http.client.HTTPResponse) -> Iterator[Event]:
    """Yield the server-sent events of a stream (WHATWG HTML, section 9.2) whose lines end with a newline."""
    name = ""
    number: int | None = None
    data: list[str] = []
    while True:
        raw = response.readline(MAX_EVENT_BYTES)
        if not raw.endswith(b"\n"):
            return
        line = raw.decode("utf-8", "replace").rstrip("\r\n")
        if not line:
            if data or name:
                yield Event(name, number, "\n".join(data))
            name, number, data = "", None, []
            continue
        field, _, value = line.partition(":")
        value = value[1:] if value.startswith(" ") else value
        if field == "data":
            data.append(value)
        elif field == "event":
            name = value
        elif field == "id" and value.isdigit():
            number = int(value)
