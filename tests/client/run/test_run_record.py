"""The record of a run, which the next one finds where that was killed."""

from tunedeck_client.run.run_record import is_running_here, left_records, new_record

CONTENT = {"job": 7, "new": {}, "key": "k", "kernel": "k", "end": None}


def test_it_works(tmp_path):
    record = new_record([str(tmp_path)], CONTENT)
    assert is_running_here([str(tmp_path)], 7)
    record.release()  # as a kill does
    assert not is_running_here([str(tmp_path)], 7)
    [left] = left_records([str(tmp_path)])
    assert left.content == CONTENT
    left.delete()
    assert list(tmp_path.rglob("*")) == [tmp_path / "runs"]


def test_whoever_looks_at_a_record_that_is_being_deleted_leaves_nothing_in_it(tmp_path):
    record = new_record([str(tmp_path)], CONTENT)
    [lock] = tmp_path.rglob("lock")
    lock.unlink()
    assert not list(left_records([str(tmp_path)]))
    is_running_here([str(tmp_path)], 7)
    assert not lock.exists()
    record.delete()
