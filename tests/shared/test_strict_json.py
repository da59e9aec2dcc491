"""The quick parser's verdicts are the strict one's."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared import strict_json
from shared.errors import BadRequest, ServiceError

TEXTS = st.text(max_size=10)  # surrogates among them
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)
BODIES = st.one_of(
    VALUES.map(lambda value: json.dumps(value).encode()),
    VALUES.map(lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")),
    st.binary(max_size=20),
    st.text('{}[]",:0123456789.eE+-\\u tfn', max_size=18).map(str.encode),
)


def verdict(load, body):
    try:
        return load(body)
    except ServiceError as error:
        return type(error), error.errors


@given(BODIES)
@settings(max_examples=3_000, deadline=None, database=None)
def test_it_agrees(body):
    assert verdict(strict_json.loads_quickly, body) == verdict(strict_json.loads, body)


@pytest.mark.parametrize("odd", ["NaN", "1e999", "[" * 5_000 + "]" * 5_000, '"\\ud800"', '"\\u0000"', "\ufeff1", "01"])
def test_it_refuses_what_the_strict_one_refuses(odd):
    body = odd.encode()
    assert verdict(strict_json.loads_quickly, body) == verdict(strict_json.loads, body)
    assert isinstance(verdict(strict_json.loads, body), tuple)


def test_a_long_integer_is_a_float():
    assert strict_json.loads(b"1" + b"0" * 30) == 10**30
    assert math.isclose(strict_json.loads_quickly(b"1" + b"0" * 30), 1e30)


def test_lines_are_numbered_in_errors():
    with pytest.raises(BadRequest, match="^Line 3: The body is not JSON"):
        strict_json.loads_lines(b'{"a": 1}\n\n{"a": }\n', 10)
    with pytest.raises(BadRequest, match="^Line 2: The body is not UTF-8"):
        strict_json.loads_lines(b'1\n"\xff"', 10)


def test_lines_may_end_and_be_blank_in_any_way():
    assert strict_json.loads_lines(b"\n 1 \r\n\t\n2\r\n3", 10) == [1, 2, 3]
    assert strict_json.loads_lines(b"1\n2\n3\nnot read", 2) == [1, 2, 3]
