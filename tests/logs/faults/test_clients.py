"""Clients that others wrote, on odd texts and on streams cut at every byte. Scenarios 17 to 19 and 28."""

import re
import socket
from urllib.parse import urlsplit

import httpx
import httpx_sse
import pytest
import requests
import sseclient

from tests.logs.faults.load import create_job, end_job
from tests.support.databases import only_on

# The parsers do not know of the database.
pytestmark = only_on("sqlite")

TEXTS = [
    "plain",
    "",
    " two  spaces ",
    "a\rid: 99",
    "a\r\nb\rc\nd",
    "\n",
    "a\n\n\nb\n",
    "id: 9",
    "data: x\n\ndata: y",
    "event: end\n\n",
    ": comment",
    "tab\tand \x1b[31mcolour\x1b[0m \x01\x7f",
    "\u2028 \u2029 \u0085 \x0b \x0c \x1c \x1d \x1e",
    "\ufeffa byte order mark",
    "😀 e\u0301 \U0010ffff \ue000",
    "x" * 256 * 1024,
    "10%|████      | 1/10\r20%|█████     | 2/10\r",
    "last",
]


def normalised(text):
    return re.sub("\r\n|\r", "\n", text)


@pytest.fixture(scope="module")
def job(_shaken):
    if not _shaken.is_alive():
        _shaken.start()
    job = create_job(_shaken.url)
    for text in TEXTS:
        line = {"message": text, "timestamp": "2024-02-19T10:30:45Z"}
        answer = requests.post(f"{_shaken.url}/api/v1/jobs/{job}/logs", json=line, timeout=10)
        assert answer.status_code == 201
    end_job(_shaken.url, job)
    return job


EXPECTED = [(str(number), "[10:30:45] [INFO] " + normalised(text)) for number, text in enumerate(TEXTS, 1)]


@pytest.fixture
def address(service, job):
    return f"{service.url}/api/v1/jobs/{job}/logs"


def test_httpx_sse(address):
    with httpx.Client() as client, httpx_sse.connect_sse(client, "GET", address) as source:
        events = list(source.iter_sse())

    assert [(event.id, event.data) for event in events[:-1]] == EXPECTED
    assert {event.event for event in events[:-1]} == {"message"}
    assert (events[-1].event, events[-1].data) == ("end", '{"status":"completed"}')


def test_sseclient_py(address):
    with requests.get(address, stream=True, timeout=10) as answer:
        events = list(sseclient.SSEClient(answer).events())

    assert [(event.id, event.data) for event in events[:-1]] == EXPECTED
    assert (events[-1].event, events[-1].data) == ("end", '{"status":"completed"}')


def test_requests_iter_lines(address):
    """The way of the API document's sample: whatever begins with ``data: `` is a line of the log."""
    with requests.get(address, stream=True, timeout=10) as answer:
        shown = [line.decode()[6:] for line in answer.iter_lines() if line.startswith(b"data: ")]

    assert shown == [row for _, text in EXPECTED for row in text.split("\n")]


def test_records_keep_what_text_events_cannot(address):
    """With ``format=json`` the newlines of a message come as they were."""
    with httpx.Client() as client, httpx_sse.connect_sse(client, "GET", f"{address}?format=json") as source:
        events = list(source.iter_sse())[:-1]

    assert [(event.id, event.json()["message"]) for event in events] == [
        (str(number), text) for number, text in enumerate(TEXTS, 1)
    ]


@pytest.mark.usefixtures("database_kind")
def test_heartbeats_and_farewells_are_no_events():
    wire = b"retry: 3000\n:\n" + b"data: a\nid: 1\n\n" + b":\n" * 5 + b"data: b\nid: 2\n\n:\nretry: 700\n"

    assert list(parse_httpx([wire])) == [("1", "a"), ("2", "b")]
    assert list(parse_sseclient([wire])) == [("1", "a"), ("2", "b")]


class Cut(Exception):
    pass


def parse_httpx(parts):
    response = httpx.Response(200, headers={"Content-Type": "text/event-stream"}, stream=_Parts(parts))
    for event in httpx_sse.EventSource(response).iter_sse():
        if event.event == "message":
            yield event.id, event.data


class _Parts(httpx.SyncByteStream):
    def __init__(self, parts):
        self.parts = parts

    def __iter__(self):
        yield from self.parts


def parse_sseclient(parts):
    for event in sseclient.SSEClient(_Closable(parts)).events():
        if event.event == "message" and event.data:
            yield event.id, event.data


class _Closable:
    def __init__(self, parts):
        self.parts = parts

    def __iter__(self):
        yield from self.parts

    def close(self):
        pass


PARSERS = [parse_httpx, parse_sseclient]
CUT_TEXTS = ["1", "2", "3", "4", "5", "6", "7", "8", "nine", "ten\nlines", "eleven", "twelve € \u2028"]


@pytest.fixture(scope="module")
def wires(_shaken):
    """The bytes of a stream of twelve lines, whole and from behind each of its lines on."""
    if not _shaken.is_alive():
        _shaken.start()
    job = create_job(_shaken.url)
    url = f"{_shaken.url}/api/v1/jobs/{job}/logs"
    lines = [{"message": text, "timestamp": "2024-02-19T10:30:45Z"} for text in CUT_TEXTS]
    assert requests.post(url, json={"logs": lines}, timeout=10).status_code == 201
    end_job(_shaken.url, job)
    return [requests.get(url, headers={"Last-Event-ID": str(after)}, timeout=10).content for after in range(13)]


CUT_EXPECTED = [(str(number), f"[10:30:45] [INFO] {text}") for number, text in enumerate(CUT_TEXTS, 1)]


def broken(data):
    yield data
    raise Cut


@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize("end", [broken, lambda data: [data]], ids=["broken", "clean"])
def test_cut_at_every_byte(wires, parse, end):
    """After a resume nothing is missing; a parser that hands out half an event gets the whole one again."""
    for length in range(len(wires[0])):
        seen, last_id = [], None
        try:
            for event in parse(end(wires[0][:length])):
                seen.append(event)
                last_id = event[0] or last_id
        except (Cut, UnicodeDecodeError):  # sseclient-py's answer to half a character
            pass
        resumed = list(parse([wires[int(last_id or 0)]]))

        whole = [event for event in seen if event in CUT_EXPECTED]
        assert len(seen) - len(whole) <= (end is not broken)
        assert sorted(set(whole + resumed), key=lambda event: int(event[0])) == CUT_EXPECTED, length
        if end is broken:
            assert whole + resumed == CUT_EXPECTED, length


def test_lines_cut_at_every_byte(wires):
    """The same by ``iter_lines``, keeping the id that came last."""
    for length in range(len(wires[0])):
        rows = wires[0][:length].split(b"\n")
        last_id = next((int(row[4:]) for row in reversed(rows) if re.fullmatch(rb"id: \d+", row)), 0)
        shown = [row for row in rows if row.startswith(b"data: ")]
        again = [row for row in wires[last_id].split(b"\n") if row.startswith(b"data: ")]

        wanted = [row for row in wires[0].split(b"\n") if row.startswith(b"data: ")]
        assert set(wanted) <= set(shown + again), length


@pytest.mark.parametrize("value", [b"\0", b"1\0", b"\x01", b"1\r2"])
def test_an_id_that_is_no_http(service, job, value):
    """gunicorn refuses the bytes before the service sees them."""
    address = urlsplit(service.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as raw:
        raw.sendall(b"GET /api/v1/jobs/%d/logs HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: %s\r\n\r\n" % (job, value))
        assert raw.recv(65536).startswith(b"HTTP/1.1 400 ")
