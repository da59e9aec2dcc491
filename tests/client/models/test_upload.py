"""`upload_model`: a folder becomes a ready model, once, whatever happens on the way."""

import hashlib
import os
import signal
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tunedeck_client.errors import BadFolder, Refused, Unreachable
from tunedeck_client.models.transfer import Progress, opened_service
from tunedeck_client.models.upload import upload_model

from run.settings import free_port
from tests.client.models.conftest import files_of
from tests.support.waiting import wait_until

PART = 16 * 2**20


def models_of(system, name):
    return [model for model in system.get("/models?limit=100").json()["data"] if model["name"] == name]


def test_it_works(system, make_folder):
    folder = make_folder({"adapter_model.safetensors": os.urandom(100_000), "model-q8.gguf": b"GGUF", "empty": b""})

    model = upload_model(folder, url=system.url, name="Sentiment", job_id=3)

    assert (model["status"], model["name"], model["base_model"], model["job_id"]) == (
        *("ready", "Sentiment", "llama-3.2-3b", 3),
    )
    found = files_of(system, model["ID"])
    assert {path: file["size"] for path, file in found.items()} == {
        "gguf/model-q8.gguf": 4,
        "lora_adapters/adapter_config.json": (folder / "adapter_config.json").stat().st_size,
        "lora_adapters/adapter_model.safetensors": 100_000,
        "lora_adapters/empty": 0,
    }
    weights = (folder / "adapter_model.safetensors").read_bytes()
    assert found["lora_adapters/adapter_model.safetensors"]["sha256"] == hashlib.sha256(weights).hexdigest()


def test_a_large_file_goes_in_parts_and_is_the_same(system, make_folder):
    content = os.urandom(2 * PART + 5)
    folder = make_folder({"adapter_model.safetensors": content, "exact.bin": content[:PART]})

    model = upload_model(folder, url=f"{system.url}/api/v1/", name="Large")

    path = "lora_adapters/adapter_model.safetensors"
    file = wait_until(lambda: (f := files_of(system, model["ID"])[path])["sha256"] and f)
    assert (file["sha256"], file["error"]) == (hashlib.sha256(content).hexdigest(), None)


def test_what_only_a_resumed_training_needs_stays_unless_asked_for(system, make_folder):
    state = ["optimizer.pt", "scheduler.pt", "rng_state_0.pth", "runs/events", "checkpoint-500/adapter.bin"]
    folder = make_folder(dict.fromkeys([*state, "trainer_state.json", ".cache/x", ".gitattributes"], b"x"))

    bare = upload_model(folder, url=system.url)
    whole = upload_model(folder, url=system.url, include_state=True)

    below = "lora_adapters/"
    kept = {f"{below}adapter_config.json", f"{below}trainer_state.json"}
    assert files_of(system, bare["ID"]).keys() == kept
    assert files_of(system, whole["ID"]).keys() == kept | {below + path for path in state}


def test_a_folder_in_the_models_own_layout_keeps_it(system, make_folder):
    folder = make_folder({"gguf/model.gguf": b"GGUF", "lora_adapters/adapter_model.bin": b"x"})

    model = upload_model(folder, url=system.url, base_model="another")

    assert model["base_model"] == "another"
    assert files_of(system, model["ID"]).keys() == {
        *("gguf/model.gguf", "lora_adapters/adapter_model.bin", "lora_adapters/adapter_config.json"),
    }


def test_links_to_files_are_the_files_and_links_to_folders_are_not_followed(system, make_folder, tmp_path):
    folder = make_folder()
    (tmp_path / "blob").write_bytes(b"linked")
    (folder / "linked.bin").symlink_to(tmp_path / "blob")
    (folder / "loop").symlink_to(folder)

    model = upload_model(folder, url=system.url)

    found = files_of(system, model["ID"])
    assert found["lora_adapters/linked.bin"]["size"] == 6
    assert len(found) == 3


def test_names_are_those_that_were_typed(system, make_folder):
    names = ["with space.bin", "100%.bin", "a#b&c=d+e.txt", "Ünïcode/重み.bin"]
    folder = make_folder(dict.fromkeys(names, b"x"))

    model = upload_model(folder, url=system.url)

    assert files_of(system, model["ID"]).keys() >= {f"lora_adapters/{name}" for name in names}


def test_a_file_that_moves_by_little_is_not_told_of_each_time(system):
    told = []
    with opened_service(system.url, None, 1) as service:
        report = Progress(service, lambda *progress: told.append(progress))
        for done in range(10_001):
            report("a.bin", done, 10_000)
        report("b.bin", 1, 10_000)
    assert (told[0], told[-2:]) == (("a.bin", 0, 10_000), [("a.bin", 10_000, 10_000), ("b.bin", 1, 10_000)])
    assert len(told) < 1000


def test_progress_begins_with_every_file_and_ends_with_all_bytes(system, make_folder):
    folder = make_folder({"big.bin": bytes(PART + 1), "small.bin": b"12345"})
    seen = []

    upload_model(folder, url=system.url, on_progress=lambda *progress: seen.append(progress))

    sizes = {path: size for path, _, size in seen}
    assert {path for path, _, _ in seen[: len(sizes)]} == sizes.keys()
    assert {sent for _, sent, _ in seen[: len(sizes)]} == {0}
    assert {path: sent for path, sent, _ in seen} == sizes


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("a:b", "one of"),
        ("back\\slash", "backslash"),
        ("aux.txt", "device"),
        ("ends.", "dot or a space"),
        ("tab\t", "control character"),
        (os.fsdecode(b"\xff.bin"), "no UTF-8"),
        ("d" * 200 + "/" + "e" * 200 + "/" + "f" * 200 + "/" + "g" * 200 + "/" + "h" * 200, "longer"),
    ],
)
def test_it_rejects_a_name_that_no_model_can_have_before_anything_is_sent(make_folder, name, why):
    folder = make_folder({name: b"x"})
    with pytest.raises(BadFolder, match=why):
        upload_model(folder, url="http://127.0.0.1:1")


def test_it_rejects_two_names_that_are_one_on_some_file_systems(make_folder):
    folder = make_folder({"Weights.bin": b"1", "weights.bin": b"2"})
    with pytest.raises(BadFolder, match="one file on some file systems"):
        upload_model(folder, url="http://127.0.0.1:1")


def test_it_rejects_what_is_no_file(make_folder, tmp_path):
    with pytest.raises(BadFolder, match="is no folder"):
        upload_model(tmp_path / "missing", url="http://127.0.0.1:1")
    (tmp_path / "empty" / "runs").mkdir(parents=True)
    with pytest.raises(BadFolder, match="no file to upload"):
        upload_model(tmp_path / "empty", url="http://127.0.0.1:1", base_model="b")
    folder = make_folder()
    os.mkfifo(folder / "fifo")
    with pytest.raises(BadFolder, match="fifo is no regular file"):
        upload_model(folder, url="http://127.0.0.1:1")
    (folder / "fifo").unlink()
    (folder / "dangling").symlink_to("nowhere")
    with pytest.raises(BadFolder, match="dangling: No such file"):
        upload_model(folder, url="http://127.0.0.1:1")


@pytest.mark.parametrize("config", [None, b"{}", b'{"base_model_name_or_path": null}', b"[]"])
def test_it_rejects_a_folder_whose_base_is_unknown(make_folder, config):
    folder = make_folder({"adapter_config.json": config or b"", "x.bin": b"x"})
    if config is None:
        (folder / "adapter_config.json").unlink()
    with pytest.raises(BadFolder, match="base model"):
        upload_model(folder, url="http://127.0.0.1:1")


def test_it_rejects_a_config_that_is_no_json(make_folder):
    folder = make_folder({"adapter_config.json": b"{"})
    with pytest.raises(BadFolder, match="cannot be read"):
        upload_model(folder, url="http://127.0.0.1:1")


@pytest.mark.parametrize(
    "url", ["localhost:8080", "ftp://x", "http://", "http://x:port", "http://me:pw@x", "http://x?a=1"]
)
def test_it_rejects_an_address_that_cannot_work(make_folder, url):
    with pytest.raises(ValueError, match="address|[Pp]ort"):
        upload_model(make_folder(), url=url)


def test_the_services_refusal_is_raised_with_its_request_id(system, make_folder):
    with pytest.raises(Refused, match=r"name.*\[422\] \(request .+\)") as caught:
        upload_model(make_folder(), url=system.url, name="n" * 256)
    assert (caught.value.status, bool(caught.value.request_id)) == (422, True)


def test_nobody_there_is_told_once_patience_is_over(make_folder):
    with pytest.raises(Unreachable, match="does not answer"):
        upload_model(make_folder(), url=f"http://127.0.0.1:{free_port()}", patience=0.1)


def test_a_page_that_is_not_ours_is_told(make_folder):
    class Page(BaseHTTPRequestHandler):
        def do_POST(self):
            body = b"<html>welcome</html>"
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            with pytest.raises(Unreachable, match="is not Tunedeck"):
                upload_model(make_folder(), url=f"http://127.0.0.1:{server.server_port}")
        finally:
            server.shutdown()
            thread.join()


def test_a_file_that_changes_meanwhile_ends_it(system, make_folder):
    folder = make_folder({"a.bin": bytes(2 * PART)})

    def change(path, sent, size):
        if path.endswith("a.bin") and sent:
            with open(folder / "a.bin", "ab") as file:
                file.write(b"more")

    with pytest.raises(BadFolder, match="changed while"):
        upload_model(folder, url=system.url, name="Changing", on_progress=change)
    assert {model["status"] for model in models_of(system, "Changing")} == {"uploading"}


def test_a_file_that_vanishes_ends_it(system, make_folder):
    folder = make_folder({"a.bin": b"x"})
    with pytest.raises(BadFolder, match=r"a\.bin: No such file"):
        upload_model(folder, url=system.url, on_progress=lambda *_: (folder / "a.bin").unlink(missing_ok=True))


def test_an_error_of_the_callers_own_ends_it(system, make_folder):
    def fail(path, sent, size):
        if sent:
            raise RuntimeError("the caller's")

    with pytest.raises(RuntimeError, match="the caller's"):
        upload_model(make_folder(), url=system.url, on_progress=fail)


def test_a_failed_try_is_gone_on_with_and_what_is_there_is_not_sent_again(system, pipe, make_folder):
    folder = make_folder({"a.bin": os.urandom(5 * 2**20), "b.bin": os.urandom(5 * 2**20), "gone.bin": b"x"})

    def fail(path, sent, size):
        if sent == size and path.endswith("gone.bin"):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        upload_model(folder, url=pipe.url, name="Again", on_progress=fail)
    first = models_of(system, "Again")[0]["ID"]
    wait_until(lambda: pipe.connected == 0)
    there = sum(file["size"] for file in files_of(system, first).values())
    (folder / "gone.bin").unlink()
    before = pipe.taken

    model = upload_model(folder, url=pipe.url, name="Again")

    assert [model["ID"]] == [first] == [found["ID"] for found in models_of(system, "Again")]
    left = sum(path.stat().st_size for path in folder.iterdir()) - there
    assert pipe.taken - before <= max(left, 0) + 20_000
    assert files_of(system, first).keys() == {f"lora_adapters/{path.name}" for path in folder.iterdir()}
    assert upload_model(folder, url=pipe.url, name="Again")["ID"] != first, "a model that was finished is another one"


def test_killed_in_the_middle_it_sends_no_part_twice(system, pipe, make_folder, start_upload):
    size = 10 * PART
    folder = make_folder({"model.safetensors": os.urandom(size)}, name="killed")
    pipe.hang(after=9 * PART)  # eight are on their way at once
    killed = start_upload(folder, pipe.url)
    wait_until(lambda: pipe.hangs)
    killed.kill()
    killed.communicate()
    pipe.mend()
    (model,) = models_of(system, "killed")
    (upload,) = system.get(f"/models/{model['ID']}/uploads").json()["data"]
    wait_until(lambda: pipe.connected == 0)
    progress = system.get(f"/models/{model['ID']}/uploads/{upload['upload_id']}").json()
    assert len(progress["uploaded"]) >= 1
    before = pipe.taken

    out, err = start_upload(folder, pipe.url).communicate(timeout=60)

    assert out.strip() == str(model["ID"]), err
    assert pipe.taken - before < len(progress["parts"]) * PART + 50_000
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    file = wait_until(lambda: (f := files_of(system, model["ID"])["lora_adapters/model.safetensors"])["sha256"] and f)
    assert (file["sha256"], file["error"]) == (digest, None)


def test_a_file_that_changed_since_the_kill_is_sent_anew(system, pipe, make_folder, start_upload):
    folder = make_folder({"model.safetensors": os.urandom(2 * PART)}, name="replaced")
    pipe.hang(after=PART)
    killed = start_upload(folder, pipe.url)
    wait_until(lambda: pipe.hangs)
    killed.kill()
    killed.communicate()
    pipe.mend()
    content = os.urandom(2 * PART)
    (folder / "model.safetensors").write_bytes(content)

    model = upload_model(folder, url=pipe.url)

    path = "lora_adapters/model.safetensors"
    file = wait_until(lambda: (f := files_of(system, model["ID"])[path])["sha256"] and f)
    assert (file["sha256"], file["error"]) == (hashlib.sha256(content).hexdigest(), None)
    assert [found["ID"] for found in models_of(system, "replaced")] == [model["ID"]]


def test_connections_that_break_are_made_again(system, pipe, make_folder):
    content = os.urandom(3 * PART)
    folder = make_folder({"a.bin": content, "b.bin": b"b" * 1000})
    cuts = iter([1, 20 * 2**20, 40 * 2**20])
    due = [next(cuts)]

    def cut(path, sent, size):
        if due and path.endswith("a.bin") and sent >= due[0]:
            pipe.cut()
            pipe.mend()
            due[:] = [n for n in [next(cuts, None)] if n]

    model = upload_model(folder, url=pipe.url, on_progress=cut)

    path = "lora_adapters/a.bin"
    file = wait_until(lambda: (f := files_of(system, model["ID"])[path])["sha256"] and f)
    assert (file["sha256"], not due) == (hashlib.sha256(content).hexdigest(), True)


def test_a_service_that_restarts_in_the_middle_is_waited_for(system, make_folder):
    folder = make_folder({f"{number}.bin": os.urandom(2**20) for number in range(20)})
    ended = []

    def end_workers(path, sent, size):
        if sent and not ended:
            master, *workers = system.processes("services.models.app")
            ended.extend([*workers, *system.processes("caddy")])
            for pid in workers:
                os.kill(pid, signal.SIGTERM)  # one that is killed leaves holds, which last for ten seconds
            for pid in ended[len(workers) :]:
                os.kill(pid, signal.SIGKILL)

    model = upload_model(folder, url=system.url, on_progress=end_workers)

    assert (model["status"], len(files_of(system, model["ID"])), len(ended) > 1) == ("ready", 21, True)


def test_two_uploads_of_one_folder_at_once_are_told_apart(system, pipe, make_folder, start_upload):
    folder = make_folder({"a.bin": os.urandom(2**20)}, name="twice")
    pipe.hang(after=2**19)
    first = start_upload(folder, pipe.url)
    wait_until(lambda: pipe.hangs)

    with pytest.raises(BadFolder, match="by another process"):
        upload_model(folder, url=pipe.url)
    pipe.mend()
    out, err = first.communicate(timeout=30)
    assert (first.returncode, len(models_of(system, "twice"))) == (0, 1), err


def test_an_upload_that_was_begun_twice_does_not_keep_the_model_open(system, make_folder):
    """As where the answer to the first request was lost."""
    stray = []

    def begin_another(path, sent, size):
        if sent and not stray:
            (model,) = models_of(system, "stray")
            body = {"path": path, "size": size}
            stray.append(system.request("POST", f"/models/{model['ID']}/uploads", json=body).status_code)

    folder = make_folder({"a.bin": bytes(PART)}, name="stray")
    assert upload_model(folder, url=system.url, on_progress=begin_another)["status"] == "ready"
    assert stray == [201]


def test_a_model_that_was_deleted_meanwhile_is_made_anew(system, pipe, make_folder, start_upload):
    folder = make_folder({"a.bin": os.urandom(PART)}, name="deleted")
    pipe.hang(after=PART // 2)
    killed = start_upload(folder, pipe.url)
    wait_until(lambda: pipe.hangs)
    killed.kill()
    killed.communicate()
    pipe.mend()
    (model,) = models_of(system, "deleted")
    wait_until(lambda: system.request("DELETE", f"/models/{model['ID']}?purge=true").status_code == 200)

    assert upload_model(folder, url=pipe.url)["ID"] > model["ID"]


def test_without_a_place_for_its_state_it_uploads_all_the_same(system, make_folder, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert upload_model(make_folder(), url=system.url)["status"] == "ready"


def test_the_token_goes_to_the_api_and_to_no_presigned_link(make_folder, monkeypatch):
    """A store refuses a second proof beside the signature; the system's own would, too."""
    monkeypatch.setenv("TUNEDECK_TOKEN", "secret")
    seen = []

    class Api(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.answer({"data": [], "total": 0})

        def do_POST(self):
            port = self.server.server_port
            part = {"number": 1, "url": f"http://127.0.0.1:{port}/models/1/x?X-Amz-Signature=s"}
            record = {"ID": 1, "status": "uploading", "upload_id": 1, "part_size": 2 * PART}
            self.answer({**record, "uploaded": [], "parts": [part]})

        do_PUT = do_POST

        def answer(self, body):
            left = int(self.headers.get("Content-Length", 0))
            while left:
                left -= len(self.rfile.read(min(left, 2**20)))
            seen.append((self.path, self.headers.get("Authorization")))
            data = __import__("json").dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            upload_model(make_folder({"a.bin": bytes(PART)}), url=f"http://127.0.0.1:{server.server_port}")
        finally:
            server.shutdown()
            thread.join()
    assert {token for path, token in seen if path.startswith("/api/")} == {"Bearer secret"}
    assert [token for path, token in seen if "X-Amz" in path] == [None]


def test_a_service_that_hangs_is_given_up(make_folder, start_python):
    program = """
import sys
from tunedeck_client.transport import service
service.TIMEOUT = 0.2
from tunedeck_client.models.upload import upload_model
upload_model(sys.argv[1], url=sys.argv[2], patience=0.1)
"""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hung = start_python(program, make_folder(), f"http://127.0.0.1:{silent.getsockname()[1]}")
        _, err = hung.communicate(timeout=30)
    assert "does not answer (timed out)" in err


def test_ctrl_c_ends_it_at_once(pipe, make_folder, start_upload):
    pipe.hang(after=2**19)
    stuck = start_upload(make_folder({"a.bin": bytes(2**20)}, name="interrupted"), pipe.url)
    wait_until(lambda: pipe.hangs)
    stuck.send_signal(2)
    _, err = stuck.communicate(timeout=20)
    assert "KeyboardInterrupt" in err
    pipe.mend()
