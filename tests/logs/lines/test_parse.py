"""The quick reading of plain lines gives the verdicts of the schema, and no others."""

import marshmallow as ma
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.logs.lines.levels import LEVEL_NUMBERS
from services.logs.lines.parse import NewLineSchema, _plain_line
from shared.errors import TooLarge
from shared.timestamps import to_micros

NOW = 1_708_338_645_000_001
SCHEMA = NewLineSchema()


def judged(item):
    try:
        line = SCHEMA.load(item)
    except (ma.ValidationError, TooLarge):
        return None
    sent = line["timestamp"]
    return line["level"], line["source"], line["message"], NOW if sent is None else to_micros(sent)


def agree(item):
    """A plain line is what the schema makes of it; a line that the schema refuses is not plain."""
    plain = _plain_line(item, NOW)
    assert plain is None or plain == judged(item), item
    return plain


def digits(least, most, width):
    return st.integers(least, most).map(lambda number: f"{number:0{width}}")


TIMES = st.one_of(
    st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
    st.builds(
        "{}{}{}{}{}{}{}:{}:{}{}{}".format,
        digits(0, 9999, 4) | st.just("٢٠٢٤"),
        st.sampled_from(["-", "-", "-", "-W", "", "/"]),
        digits(0, 13, 2),
        st.sampled_from(["-", "-", "-", ""]),
        digits(0, 32, 2) | digits(1, 7, 1),
        st.sampled_from(["T", "T", "T", "t", " ", "x"]),
        digits(0, 25, 2),
        digits(0, 61, 2),
        digits(0, 61, 2),
        st.sampled_from(["", "", ".123456", ".000000", ",123456", ".12345", ".1", ".1234567", ".12345x", "."]),
        st.sampled_from(["Z", "Z", "Z", "z", "", "+00:00", "-05:30", "+00", "Z\n", " Z"]),
    ),
    st.text(max_size=30),
    st.none() | st.integers() | st.floats() | st.lists(st.none(), max_size=1),
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ODD = (
    st.none() | st.booleans() | st.integers() | st.lists(TEXTS, max_size=1) | st.dictionaries(TEXTS, TEXTS, max_size=1)
)
NAMES = st.sampled_from([*LEVEL_NUMBERS, "Trace", "", "ınfo", "ſ"])
LEVELS = NAMES | NAMES.map(str.upper) | NAMES.map(str.title) | TEXTS | ODD
SOURCES = TEXTS | st.sampled_from(["", "x" * 255, "x" * 256]) | ODD
MESSAGES = TEXTS | st.sampled_from(["x" * 2**18, "x" * (2**18 + 1), "€" * 2**17, "x" * 2**16, "€" * 2**16]) | ODD


@given(TIMES)
@settings(max_examples=500, deadline=None, database=None)
def test_times(sent):
    agree({"message": "x", "timestamp": sent})


@given(
    st.fixed_dictionaries(
        {},
        optional={"message": MESSAGES, "level": LEVELS, "source": SOURCES, "timestamp": TIMES, "ID": ODD, "Level": ODD},
    )
    | ODD
    | TEXTS
)
@settings(max_examples=500, deadline=None, database=None)
def test_lines(item):
    agree(item)


@pytest.mark.parametrize(
    "line",
    [
        {"message": ""},
        {"message": "x", "level": "INFO", "source": "s"},
        {"message": "x", "level": "Warning", "timestamp": "2026-11-23T09:48:10.123456Z"},
        {"message": "x", "timestamp": "2026-11-23T09:48:10Z", "source": "s"},
    ],
)
def test_what_clients_send_is_plain(line):
    assert agree(line) is not None
