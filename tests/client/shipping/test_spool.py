"""Outages, kills and bad disks: what waits on disk, and what becomes of it."""

import json
import os
import re
import shutil
import threading
import time

import pytest
from tunedeck_client.lines.text import encode
from tunedeck_client.shipping import folder
from tunedeck_client.shipping.batch import Batch
from tunedeck_client.shipping.folder import OwnFolder
from tunedeck_client.shipping.spool import Spool

from tests.support.waiting import wait_until

LOGGED = """
for number in range(1500):
    log.info("%d", number)
wait_for_disk(1500)
print("on disk", flush=True)
time.sleep(60)  # alive until the test kills it
"""


def files(spool):
    return sorted(spool.glob("job-7/*/*.ndjson"))


def line(message):
    return encode("2024-02-19T10:35:00.000000Z", "info", "kernel", message)


@pytest.fixture
def start_logged(start_python):
    """Start a process that has 1,500 lines on its disk, none stored yet; the test is to kill it."""

    def start(url):
        process = start_python(LOGGED, url)
        assert process.stdout.readline() == "on disk\n"
        return process

    return start


def kill(process):
    process.kill()
    process.wait()


def test_lines_of_an_outage_arrive_later_in_order(free_port, start_service, make_log, tmp_path):
    log, handler = make_log(f"http://127.0.0.1:{free_port}")
    for number in range(2_500):
        log.info("%d", number)

    def kept():
        return [len(file.read_bytes().splitlines()) for file in files(tmp_path / "spool")]

    wait_until(lambda: sum(kept()) == 2_500)
    assert max(kept()) == 1_000
    assert handler.flush(0.1) is False
    service = start_service(free_port)
    assert handler.flush() is True
    assert service.messages == [str(number) for number in range(2_500)]
    assert files(tmp_path / "spool") == []


def test_lines_of_a_killed_process_are_sent_by_the_next(service, start_logged, make_log, tmp_path):
    kill(start_logged("http://127.0.0.1:1"))
    log, handler = make_log(service.url)
    log.info("new")
    assert handler.flush() is True
    assert service.messages == [str(number) for number in range(1_500)] + ["new"]
    handler.close()
    assert list((tmp_path / "spool" / "job-7").iterdir()) == []


def test_a_kill_after_a_lost_answer_duplicates_nothing(service, start_logged, make_log):
    service.always = "lose"
    process = start_logged(service.url)
    assert service.wait_for(lambda s: s.lines)
    kill(process)
    service.always = None
    _, handler = make_log(service.url)
    assert handler.flush() is True
    assert service.messages == [str(number) for number in range(1_500)]
    assert len({key for key, _, _, _ in service.requests}) == len({body for _, body, _, _ in service.requests})


def test_a_kill_amid_halving_duplicates_nothing(service, start_logged, make_log):
    service.refuse = lambda entry: 422 if entry["message"] == "1400" else None
    service.always = 503
    process = start_logged(service.url)
    service.plan = [None, None, None, *(["reset"] * 1000)]
    service.always = None
    assert service.wait_for(lambda s: len(s.plan) < 1_000)
    kill(process)
    stored = len(service.lines)
    assert 0 < stored < 1_499
    service.plan = []
    _, handler = make_log(service.url)
    handler.flush()
    assert service.wait_for(lambda s: "lost" in s.messages[-1])
    assert service.messages[:-1] == [str(n) for n in range(1_500) if n != 1400]


def test_kills_at_random_moments_lose_little_and_duplicate_nothing(service, start_python, make_log):
    endless = 'n = 0\nwhile True:\n    log.info("%d %d", os.getpid(), n); n += 1; time.sleep(0.0005)\n'
    service.plan = ["lose", None, 503, "reset", None] * 40
    for seconds in (0.3, 0.4):
        process = start_python("print(flush=True)\n" + endless, service.url)
        process.stdout.readline()
        time.sleep(seconds)
        kill(process)
    service.plan = []
    _, handler = make_log(service.url)
    assert handler.flush() is True
    runs = {}
    for message in service.messages:
        if "lost" not in message:  # a record that the kill tore
            pid, number = map(int, message.split())
            runs.setdefault(pid, []).append(number)
    assert len(runs) == 2
    for numbers in runs.values():
        assert numbers == list(range(len(numbers)))


def test_ranks_share_a_folder(service, start_python):
    rank = 'for n in range(300): log.info("%d %d", os.getpid(), n)\nassert handler.flush()\n'
    service.plan = [503, "lose", "reset"] * 3
    ranks = [start_python(rank, service.url) for _ in range(3)]
    assert [process.wait(60) for process in ranks] == [0, 0, 0]
    for process in ranks:
        mine = [message for message in service.messages if message.startswith(f"{process.pid} ")]
        assert mine == [f"{process.pid} {number}" for number in range(300)]
    assert len(service.lines) == 900


def test_a_living_process_keeps_its_file(service, start_python, make_log, tmp_path):
    living = 'log.info("mine"); print("ready", flush=True); time.sleep(60)\n'
    process = start_python(living, "http://127.0.0.1:1")
    process.stdout.readline()
    wait_until(lambda: files(tmp_path / "spool"))
    _, handler = make_log(service.url)
    assert handler.flush() is True
    assert service.lines == []
    kill(process)
    assert handler.flush() is True
    assert service.messages == ["mine"]


def test_exactly_one_adopts(tmp_path):
    root = str(tmp_path)
    for number in range(20):
        dead = OwnFolder(root)
        with open(os.path.join(dead.path, f"{number:02d}.ndjson"), "wb") as file:
            file.write(line("x"))
        dead.forget()
    heirs = [OwnFolder(root) for _ in range(4)]
    adopted = [[] for _ in heirs]
    threads = [
        threading.Thread(target=lambda heir, mine: mine.extend(heir.adopt()), args=pair)
        for pair in zip(heirs, adopted, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = sorted(os.path.basename(path) for mine in adopted for path in mine)
    assert names == [f"{number:02d}.ndjson" for number in range(20)]
    assert len(os.listdir(root)) == 4
    for heir in heirs:
        heir.forget()


@pytest.mark.parametrize(
    ("rest", "damaged"),
    [
        (b'{"timestamp": "2024-02-19T10:35:00.0000', 1),
        (os.urandom(5000).replace(b"\n", b""), 1),
        (b"\xff\xfe\n[]\nnull\n" + b"[" * 100_000 + b"\n", 4),
        (b"\0" * 4096, 1),
    ],
)
def test_torn_and_corrupt_records_are_skipped(service, make_log, tmp_path, rest, damaged):
    dead = OwnFolder(str(tmp_path / "spool" / "job-7"))
    with open(os.path.join(dead.path, "a-00000001.ndjson"), "wb") as file:
        file.write(line("one") + line("two") + rest)
    for name in ("a-00000002.ndjson", "a-00000003.ndjson"):
        with open(os.path.join(dead.path, name), "wb") as file:
            file.write(rest if name.endswith("3.ndjson") else b"")
    dead.forget()
    log, handler = make_log(service.url)
    log.info("new")
    handler.flush()
    assert service.wait_for(lambda s: len(s.lines) >= 4)
    assert [m for m in service.messages if "lost" not in m] == ["one", "two", "new"]
    told = [re.search(r": (\d+) lines? lost", m) for m in service.messages if "damaged" in m]
    assert sum(int(one.group(1)) for one in told) == 2 * damaged


def test_a_spool_file_that_vanishes_is_a_loss_and_no_obstacle(service, make_log, tmp_path):
    log, handler = make_log(service.url)
    with service.holding_back():
        log.info("first")
        assert service.wait_for(lambda s: s.requests)
        for _ in range(10):
            log.info("gone")
        wait_until(lambda: [len(file.read_bytes().splitlines()) for file in files(tmp_path / "spool")] == [1, 10])
        files(tmp_path / "spool")[-1].unlink()
    assert handler.flush() is False
    log.info("last")
    assert handler.flush() is True
    assert service.messages[0] == "first"
    assert service.messages[-1] == "last"
    assert "10 lines lost" in service.messages[1]


def test_the_disk_it_uses_is_bounded_and_the_loss_is_told_in_its_place(free_port, start_service, make_log, tmp_path):
    log, handler = make_log(f"http://127.0.0.1:{free_port}", max_spool_bytes=200_000)
    for number in range(10_000):
        log.info("%d", number)
    wait_until(lambda: any('"9999"' in file.read_text() for file in files(tmp_path / "spool")[-1:]))
    used = sum(file.stat().st_size for file in files(tmp_path / "spool"))
    assert 100_000 < used < 201_000
    service = start_service(free_port)
    handler.flush()
    number = told = 0
    for entry in service.lines:
        if notice := re.search(r"(\d+) lines lost, from (\S+) to (\S+):", entry["message"]):
            lost, begin, end = notice.groups()
            assert begin <= end
            assert entry["level"] == "warn"
            told += 1
            number += int(lost)
        else:
            assert entry["message"] == str(number)
            number += 1
    assert told
    assert number == 10_000


def test_leftovers_count_for_the_bound(tmp_path):
    for _ in range(3):
        spool = Spool([str(tmp_path)], 100_000, "kernel")
        spool.adopt()
        for _ in range(900):
            spool.append([line("x" * 100)])
        spool.close()
    assert sum(file.stat().st_size for file in tmp_path.glob("*/*.ndjson")) < 105_000
    heir = OwnFolder(str(tmp_path))
    lines = [entry for path in heir.adopt() for entry in Batch.from_file(path).read()]
    lost = [re.search(r": (\d+) lines lost", json.loads(entry)["message"]) for entry in lines]
    heir.forget()
    assert sum(int(one.group(1)) for one in lost if one) + sum(one is None for one in lost) == 2_700


def test_what_is_being_sent_is_never_dropped(tmp_path):
    spool = Spool([str(tmp_path)], 10_000, "kernel")
    spool.append([line("first")])
    with spool.changed:
        first = spool.head()
        spool.hand_out(first)
    for _ in range(1_000):
        spool.append([line("more")])
    assert spool.head() is first
    assert first.read() == [line("first")]
    spool.done(first)
    spool.close()


def test_memory_is_bounded_where_there_is_no_disk(tmp_path):
    (tmp_path / "file").write_text("no folder can be made here")
    spool = Spool([str(tmp_path / "file")], 10_000_000, "kernel", max_memory_bytes=50_000)
    for _ in range(1_000):
        spool.append([line("x" * 100)])
    assert 40_000 < sum(batch.size for batch in spool.waiting()) < 51_000
    assert spool.lost > 0


def test_without_a_disk_lines_wait_in_memory(free_port, start_service, make_log, tmp_path):
    (tmp_path / "file").write_text("no folder can be made here")
    url = f"http://127.0.0.1:{free_port}"
    log, handler = make_log(url, spool_dir=tmp_path / "file", max_memory_bytes=500_000)
    for number in range(8_000):
        log.info("%d", number)
    wait_until(lambda: handler.lost > 0)
    service = start_service(free_port)
    handler.flush()
    lost = [int(m.group(1)) for m in (re.search(r": (\d+) lines lost", t) for t in service.messages) if m]
    assert sum(lost) + len(service.messages) - len(lost) == 8_000
    assert service.messages[-1] == "7999"


DISK_FULL = """
import resource, signal
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
for number in range(1200):
    log.info("%d", number)
handler.flush(0.2)
os.environ.get("KILL") and os.kill(os.getpid(), 9)
open(os.path.join(os.path.dirname(spool), "go"), "w").close()
print(handler.flush(60))
"""


def test_a_disk_that_takes_no_more_falls_back_to_memory(free_port, start_service, start_python, tmp_path):
    process = start_python(DISK_FULL, f"http://127.0.0.1:{free_port}")
    wait_until((tmp_path / "go").exists)
    service = start_service(free_port)
    assert process.communicate(timeout=90)[0] == "True\n"
    assert service.messages == [str(number) for number in range(1_200)]


def test_two_handlers_of_one_process_do_not_mix(service, make_log):
    pairs = [make_log(service.url, source=f"s{n}") for n in range(2)]
    for number in range(200):
        for log, _ in pairs:
            log.info("%d", number)
    assert all(handler.flush() for _, handler in pairs)
    for n in range(2):
        mine = [entry["message"] for entry in service.lines if entry["source"] == f"s{n}"]
        assert mine == [str(number) for number in range(200)]


def test_a_folder_that_vanished_is_made_again(service, make_log, tmp_path):
    log, handler = make_log(service.url)
    log.info("one")
    assert handler.flush()
    shutil.rmtree(tmp_path / "spool")
    for message in ("two", "three"):
        log.info(message)
        assert handler.flush()
    service.always = 503
    log.info("four")
    assert service.wait_for(lambda s: s.requests[-1][2] == 503)
    assert list((tmp_path / "spool").rglob("*.ndjson")), "on disk, not in memory"
    service.always = None
    assert handler.flush()
    assert service.messages == ["one", "two", "three", "four"]


def test_what_another_host_left_is_not_touched(service, make_log, tmp_path):
    """Its process may live: some file systems keep locks within one machine."""
    root = tmp_path / "spool" / "job-7"
    theirs = root / f"{folder.new_name()}@00000000"
    theirs.mkdir(parents=True)
    (theirs / "lock").touch()
    (theirs / "batch-1.ndjson").write_text('{"message": "theirs"}\n')
    ours = root / f"{folder.new_name()}@{folder.host_id()}"
    shutil.copytree(theirs, ours)
    (ours / "batch-1.ndjson").write_text('{"timestamp": "2026-02-19T10:30:45Z", "level": "info", "message": "ours"}\n')
    _, handler = make_log(service.url)
    assert handler.flush()
    assert service.messages == ["ours"]
    assert (theirs / "batch-1.ndjson").exists()
