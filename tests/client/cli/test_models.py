"""`tunedeck push`, `pull` and `models`."""

import hashlib
import os
import signal
import zipfile

from tests.client.models.conftest import files_of, write_tree
from tests.support.waiting import wait_until

PART = 16 * 2**20


def test_it_works(tunedeck, system, folder, tmp_path):
    pushed = tunedeck("push", folder, "--name", "Sentiment", "--job", 5)
    model = pushed.out.strip()
    assert pushed.err == f"model {model} 'Sentiment' is ready, 50 B\n", "no bars into a pipe"
    assert tunedeck("models", "list", "--job", 5, "--json").json[0]["ID"] == int(model)
    assert "Sentiment" in tunedeck("models", "list", "--base-model", "llama-3.2-3b", "--status", "ready").out
    shown = tunedeck("models", "show", model).out
    assert "lora_adapters/adapter_model.safetensors" in shown
    assert "base_model" in shown
    assert tunedeck("models", "show", model, "--json").json["model"]["name"] == "Sentiment"

    pulled = tunedeck("pull", model, tmp_path / "out")
    assert len(pulled.out.splitlines()) == 2
    for path in pulled.out.splitlines():
        name = os.path.basename(path)
        with open(path, "rb") as file:
            assert file.read() == (folder / name).read_bytes()

    assert "deleted" in tunedeck("models", "delete", model, "--purge").out
    assert "no model" in tunedeck("models", "delete", model, code=3).err


def test_each_answers_json(tunedeck, folder, tmp_path):
    model = tunedeck("push", folder, "--base-model", "b", "--json").json
    assert (model["status"], model["base_model"]) == ("ready", "b")
    paths = tunedeck("pull", model["ID"], tmp_path / "out", "--json").json
    assert [os.path.basename(path) for path in paths] == ["adapter_config.json", "adapter_model.safetensors"]
    assert "message" in tunedeck("models", "delete", model["ID"], "--json").json


def test_pull_as_a_zip(tunedeck, folder, tmp_path):
    model = tunedeck("push", folder).out.strip()
    path = tunedeck("pull", model, tmp_path, "--zip").out.strip()
    assert os.path.basename(path).startswith(f"model-{model}-")
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None

    again = tunedeck("pull", model, tmp_path, "--zip")
    assert (again.out.strip(), again.err) == (path, f"already here, and verified: {path}\n")
    with open(path, "r+b") as file:
        file.write(b"mine")
    assert "differs from the model's" in tunedeck("pull", model, tmp_path, "--zip", code=3).err
    assert tunedeck("pull", model, tmp_path, "--zip", "--force").out.strip() == path
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None


def test_pull_refuses_what_was_changed_here_unless_forced(tunedeck, folder, tmp_path):
    model = tunedeck("push", folder).out.strip()
    assert tunedeck("pull", model, tmp_path / "out").err == ""
    assert tunedeck("pull", model, tmp_path / "out").err == "already here, and verified: 2 of 2 files\n"
    weights = tmp_path / "out/lora_adapters/adapter_model.safetensors"
    weights.write_bytes(b"mine")
    assert "differs from the model's" in tunedeck("pull", model, tmp_path / "out", code=3).err
    assert weights.read_bytes() == b"mine"
    tunedeck("pull", model, tmp_path / "out", "--force")
    assert weights.read_bytes() == b"weights"


def test_push_without_what_only_a_resumed_training_needs(tunedeck, system, folder):
    write_tree(folder, {"optimizer.pt": b"x", "checkpoint-1/a": b"x"})
    bare, whole = tunedeck("push", folder).out.strip(), tunedeck("push", folder, "--include-state").out.strip()
    assert (len(files_of(system, bare)), len(files_of(system, whole))) == (2, 4)


def test_push_says_what_is_wrong_with_the_folder(tunedeck, tmp_path, folder):
    assert "is no folder" in tunedeck("push", tmp_path / "missing", code=3).err
    (folder / "adapter_config.json").unlink()
    assert "name it with --base-model" in tunedeck("push", folder, code=3).err
    write_tree(folder, {"a:b": b"x"})
    assert "a:b" in tunedeck("push", folder, "--base-model", "b", code=3).err


def test_ctrl_c_is_130_and_the_next_push_goes_on(tunedeck, pipe, folder):
    write_tree(folder, {"big.bin": bytes(PART)})
    pipe.hang(after=PART // 2)
    stuck = tunedeck.start("push", folder, "--name", "Interrupted", TUNEDECK_URL=pipe.url)
    wait_until(lambda: pipe.hangs)
    stuck.send_signal(signal.SIGINT)
    out, err = stuck.communicate(timeout=30)
    assert (stuck.returncode, out) == (130, "")
    assert "Traceback" not in err
    pipe.mend()
    model = tunedeck("push", folder, "--name", "Interrupted", TUNEDECK_URL=pipe.url).out.strip()
    found = [found["ID"] for found in tunedeck("models", "list", "--json").json if found["name"] == "Interrupted"]
    assert found == [int(model)]


def test_push_and_pull_that_were_killed_go_on(tunedeck, system, pipe, tmp_path):
    content = os.urandom(3 * PART)
    write_tree(tmp_path / "big", {"model.safetensors": content})
    arguments = ("push", tmp_path / "big", "--base-model", "b")
    pipe.hang(after=PART)
    killed = tunedeck.start(*arguments, TUNEDECK_URL=pipe.url)
    wait_until(lambda: pipe.hangs)
    killed.kill()
    killed.communicate()
    pipe.mend()
    model = tunedeck(*arguments, TUNEDECK_URL=pipe.url).out.strip()
    (only,) = [found for found in tunedeck("models", "list", "--json").json if found["name"] == "big"]
    assert only["ID"] == int(model)

    wait_until(lambda: all(file["sha256"] for file in files_of(system, model).values()))
    part = tmp_path / "out/lora_adapters/model.safetensors.part"
    pipe.cut_once(20 * 2**20)
    killed = tunedeck.start("pull", model, tmp_path / "out", TUNEDECK_URL=pipe.url)
    wait_until(lambda: part.exists() and part.stat().st_size > PART)
    killed.kill()
    killed.communicate()
    pipe.mend()
    wait_until(lambda: pipe.connected == 0)
    have, before = part.stat().st_size, pipe.passed
    path = tunedeck("pull", model, tmp_path / "out", TUNEDECK_URL=pipe.url).out.strip()
    assert pipe.passed - before < len(content) - have + 40_000
    with open(path, "rb") as file:
        assert hashlib.sha256(file.read()).digest() == hashlib.sha256(content).digest()
