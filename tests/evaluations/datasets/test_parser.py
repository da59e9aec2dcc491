"""The reader of test sets, fed in pieces of every size."""

import json

import pytest

from services.evaluations.datasets.parser import MAX_ROW_CHARACTERS, RowReader
from services.evaluations.datasets.row_shapes import Reading, Row
from shared.errors import Unprocessable

ROWS = [{"input": f'x{n}\n ü😀"\\[]{{}}', "expected": ("a", "bé")[n % 2], "more": {"k": [1]}} for n in range(30)]
PLAIN = json.dumps(ROWS, ensure_ascii=False)
LINES = "\n".join(map(json.dumps, ROWS))
GOOD = '{"input":"a","expected":"b"}'


def read(content, size, **reading):
    reader, rows = RowReader(Reading(**reading)), []
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
    assert read(mark + text.encode(), size) == [Row(row["input"], row["expected"], row) for row in ROWS]


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
        ('{"input":"a","expected":[1]}', "line 1"),
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
        return reader.statistics.labels

    assert labels("b", "a", "b") == ["a", "b"]
    assert labels(*(str(number) for number in range(1000))) is not None
    assert labels(*(str(number) for number in range(1001))) is None
    assert labels("a", "b" * 201) is None


TABLE = 'question,answer\r\n"a ""quoted"", one",b\r\n"two\r\nlines",c\r\n\r\nlast,1'


@pytest.mark.parametrize("size", [1, 3, 64, 10**6])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_table_is_read_in_every_encoding(encoding, size):
    rows = read(TABLE.encode(encoding), size, format="csv", input="question", expected="answer")

    assert [(row.input, row.expected) for row in rows] == [('a "quoted", one', "b"), ("two\nlines", "c"), ("last", "1")]
    assert rows[2].fields == {"question": "last", "answer": "1"}


@pytest.mark.parametrize(
    ("table", "line", "problem"),
    [
        ("input,expected\na,b\nc", "line 3", "Has 1 fields, the first line has 2. (Read as csv.)"),
        ('input,expected\na,b\n"c,d\ne,f', "line 3", "A quote is not closed. (Read as csv.)"),
        ('input,expected\n"a"b,c', "line 2", "Is no record"),
        ("input,input\na,b", "line 1", "Two columns have one name."),
        ("a;b\nc;d", "line 2", "name the fields with ?input=…&expected=…"),
        ("input,expected\na,", "line 2", "Must not be blank"),
    ],
)
def test_it_rejects_what_is_no_table(table, line, problem):
    with pytest.raises(Unprocessable) as refused:
        read(table.encode(), 64, format="csv")

    assert list(refused.value.errors) == [line]
    assert problem in str(refused.value)


def test_a_conversation_is_what_is_asked():
    asked = [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}]
    answer = {"role": "assistant", "content": "a"}
    lines = "\n".join(map(json.dumps, ({"messages": asked, "expected": "a"}, {"messages": [*asked, answer]})))

    assert [(row.input, row.expected, list(row.messages)) for row in read(lines.encode(), 64)] == [
        ("q", "a", asked)
    ] * 2


@pytest.mark.parametrize(
    ("expected", "text"), [(1, "1"), (1.5, "1.5"), (True, "true"), (False, "false"), ("x", "x"), (-0.0, "-0.0")]
)
def test_numbers_and_booleans_are_labels(expected, text):
    assert read(json.dumps([{"input": "a", "expected": expected}]).encode(), 64)[0].expected == text


@pytest.mark.parametrize(
    ("record", "hint"),
    [
        ({"question": "a", "answer": "b"}, "Upload it with ?input=question&expected=answer."),
        ({"prompt": "a", "completion": "b"}, "Upload it with ?input=prompt&expected=completion."),
        ({"text": "a", "label": 1}, "Upload it with ?input=text&expected=label."),
        ({"instruction": "a", "input": "b", "output": "c"}, "Upload it with ?input=input&expected=output."),
        ({"x": "a", "y": "b"}, "It has x, y: name the fields with ?input=…&expected=…"),
        ({"messages": [{"role": "user", "content": "a"}]}, "neither expected nor an assistant's message"),
        ({"messages": [{"role": "x", "content": "a"}], "expected": "a"}, "messages[0]: Must be {role, content}"),
        ({"messages": [], "expected": "a"}, "The last one that is asked must be the user's."),
        ("input,expected", "a table needs a name that ends in .csv"),
    ],
)
def test_another_shape_is_refused_with_a_hint(record, hint):
    with pytest.raises(Unprocessable) as refused:
        read(record.encode() if isinstance(record, str) else json.dumps([record]).encode(), 64)

    assert hint in str(refused.value)


def test_the_statistics_are_of_all_rows():
    reader = RowReader()
    reader.feed(b'[{"input": "a", "expected": "x"}, {"input": "b", "expected": "y", "more": 1}, ')
    reader.feed(b'{"input": "a", "expected": "y"}]')
    reader.finish()
    found = reader.statistics

    assert (found.rows, found.classes, found.duplicates) == (3, {"y": 2, "x": 1}, 1)
    assert found.fields == ["input", "expected", "more"]
