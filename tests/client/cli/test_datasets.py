"""`tunedeck datasets`."""

import json

import pytest

ROWS = [{"input": "good", "expected": "positive"}, {"input": "bad", "expected": "negative"}]


@pytest.fixture
def test_set(tmp_path):
    path = tmp_path / "my rows.json"
    path.write_text(json.dumps(ROWS))
    return path


def test_it_works(tunedeck, test_set):
    pushed = tunedeck("datasets", "push", test_set)
    assert (pushed.out, pushed.err.startswith("2 rows")) == ("my rows.json\n", True)
    assert (
        tunedeck("datasets", "push", test_set, "--name", "other.json", "--json").json["path"] == "datasets/other.json"
    )
    listed = tunedeck("datasets", "list").out
    assert listed.split("\n")[0].split() == ["NAME", "ROWS", "SIZE", "CREATED"]
    assert "my rows.json" in listed
    assert {"my rows.json", "other.json"} <= {each["name"] for each in tunedeck("datasets", "list", "--json").json}


def test_a_wrong_row_is_told_with_its_line(tunedeck, tmp_path):
    (tmp_path / "wrong.jsonl").write_text(json.dumps(ROWS[0]) + "\n" + '{"input": 1}\n')
    assert "line 2" in tunedeck("datasets", "push", tmp_path / "wrong.jsonl", code=3).err.lower()
    assert "No such file" in tunedeck("datasets", "push", tmp_path / "missing", code=3).err
    assert "directory" in tunedeck("datasets", "push", tmp_path, code=3).err


def test_delete_asks_the_service(fake_api, elsewhere):
    assert "no such thing" in elsewhere("datasets", "delete", "a b", code=3, TUNEDECK_URL=fake_api.url).err
    fake_api.answers["/api/v1/datasets/a%20b"] = {"message": "Test set deleted successfully"}
    assert elsewhere("datasets", "delete", "a b", TUNEDECK_URL=fake_api.url).out == "Test set deleted successfully\n"
    assert fake_api.asked[-1][0] == "/api/v1/datasets/a%20b"
