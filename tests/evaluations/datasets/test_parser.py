"""The reader of test sets, fed in pieces of every size."""

import json

import pytest

from services.evaluations.datasets.parser import MAX_ROW_CHARACTERS, Row, RowReader
from shared.errors import Unprocessable

ROWS = [{"input": f'x{n}\n ü😀"\\[]{{}}', "expected": ("a", "bé")[n % 2], "more": {"k": [1]}} for n in range(30)]
PLAIN = json.dumps(ROWS, ensure_ascii=False)
LINES = "\n".join(map(json.dumps, ROWS))
GOOD = '{"input":"a","expected":"b"}'


def read(content, size):
    reader, rows = RowReader(), []
    for start in range(0, len(content), size):
        rows += reader.feed(content[start : start + size])
    return rows + reader.finish()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10**6])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf", b" \r\n"])
@pytest.mark.parametrize(
    "text",
    [PLAIN, json.dumps(ROWS, indent=2), json.dumps(ROWS, indent=1).replace("\n", "\r\n"), LINES]
    + [LINES.replace("\n", "\r\n\r\n") + "\r\n"],
)
def test_it_works(text, mark, size):
    assert read(mark + text.encode(), size) == [Row(row["input"], row["expected"]) for row in ROWS]


@pytest.mark.parametrize("text", [PLAIN[: PLAIN.index("}, {") + 1] + "\r\n ]\n", LINES[: LINES.index("\n") + 1] * 2])
def test_it_may_be_cut_at_every_byte(text):
    content = b"\xef\xbb\xbf" + text.encode()
    whole = read(content, len(content))
    assert whole

    for cut in range(len(content) + 1):
        reader = RowReader()
        assert reader.feed(content[:cut]) + reader.feed(b"") + reader.feed(content[cut:]) + reader.finish() == whole


@pytest.mark.parametrize("size", [1, 10**7])
@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("", "body"),
        (" \n", "body"),
        ("[]", "body"),
        ("[", "line 1"),
        (f"[{GOOD}", "line 1"),
        (f"[\n{GOOD},\n]", "line 3"),
        (f"[{GOOD}]\nx", "line 2"),
        (f"[{GOOD} {GOOD}]", "line 1"),
        ("[,]", "line 1"),
        ("[1]", "line 1"),
        ("null", "line 1"),
        ('{"input":"a"}', "line 1"),
        ('{"input":"a","expected":1}', "line 1"),
        ('{"input":"a","expected":" "}', "line 1"),
        (f"{GOOD}\n\n{GOOD}{GOOD}", "line 3"),
        (f'{GOOD}\n{{"input":"a\\u0000","expected":"b"}}', "line 2"),
        ('{"input":"a","expected":"\\ud800"}', "line 1"),
        (f'{GOOD}\n{{"input":"a","expected":"b","x":NaN}}', "line 2"),
        (f'[\n{GOOD},\n{{"input":"a"\n,"expected":b}}]', "line 4"),
        ('{"x":' + "[" * 5000, "line 1"),
        ('{"input":"a","expected":"b","x":' + "1" * 5000 + "}", "line 1"),
    ],
)
def test_it_rejects_what_is_no_test_set(content, line, size):
    with pytest.raises(Unprocessable) as caught:
        read(content.encode(), size)
    assert list(caught.value.errors) == [line]


@pytest.mark.parametrize("start", ["[", ""])
def test_it_rejects_a_row_that_is_too_long(start):
    content = f'{start}{{"input":"{"a" * 2 * MAX_ROW_CHARACTERS}'.encode()
    with pytest.raises(Unprocessable):
        read(content, 65536)


@pytest.mark.parametrize("start", ["[", f"{GOOD}\n"])
def test_it_rejects_what_is_not_utf_8(start):
    with pytest.raises(Unprocessable, match="UTF-8"):
        read(start.encode() + b'{"input":"\xff","expected":"b"}', 65536)


def test_labels_are_few_and_short():
    def labels(*expected):
        reader = RowReader()
        reader.feed(json.dumps([{"input": "", "expected": text} for text in expected]).encode())
        return reader.labels.get()

    assert labels("b", "a", "b") == ["a", "b"]
    assert labels(*(str(number) for number in range(1000))) is not None
    assert labels(*(str(number) for number in range(1001))) is None
    assert labels("a", "b" * 201) is None
