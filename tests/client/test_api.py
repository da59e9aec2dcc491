"""The service as a Python object: the sample of the client's README, and what a caller can catch."""

import os
import re
import signal
from pathlib import Path

import pytest
import tunedeck_client
from tunedeck_client import Tunedeck, errors

from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]


def test_the_readmes_sample_works(system, tmp_path, monkeypatch, capsys):
    readme = (ROOT / "client/README.md").read_text()
    (sample,) = [code for code in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "import Tunedeck\n" in code]
    data = ROOT / "examples/kernel/data/test_split.json"
    (tmp_path / "test_split.json").write_bytes(data.read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    exec(compile(sample.replace("http://localhost:8080", system.url), "README.md", "exec"), {})

    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("Starting training job")
    assert printed[-1].startswith("better: ")
    assert (tmp_path / "my-model/lora_adapters/adapter_config.json").exists()


def test_errors_are_caught_by_what_they_are(system):
    with Tunedeck(system.url) as tunedeck:
        with pytest.raises(errors.NotFound) as caught:
            tunedeck.job(999_999)
        assert (caught.value.status, bool(caught.value.request_id)) == (404, True)
        job = tunedeck.create_job(name="To be cancelled")
        assert tunedeck.cancel_job(job["ID"])["status"] == "cancelled"
        ended = tunedeck.create_job(name="To end")["ID"]
        for status in ("running", "completed"):
            system.request("PUT", f"/jobs/{ended}", json={"status": status, "kernel": "test"})
        with pytest.raises(errors.Conflict):
            tunedeck.cancel_job(ended)
        with pytest.raises(errors.Invalid, match="status"):
            tunedeck.jobs(status="odd")
        with pytest.raises(errors.Refused):
            list(tunedeck.logs(999_999))
    assert issubclass(errors.Refused, errors.TunedeckError)


def test_a_name_is_there_once_it_is_asked_for():
    assert tunedeck_client.upload_model.__name__ == "upload_model"
    with pytest.raises(AttributeError, match="nonsense"):
        _ = tunedeck_client.nonsense


@pytest.mark.faults
def test_an_evaluation_is_waited_for_while_the_service_restarts(system):
    with Tunedeck(system.url) as tunedeck:
        test_set = tunedeck.push_dataset(ROOT / "examples/kernel/data/test_split.json")
        job = tunedeck.create_job(dataset_id=1, configuration={"epochs": 1})["ID"]
        model = wait_until(lambda: tunedeck.models(status="ready", job_id=job), 60)[0]
        seen = []

        def kill(evaluation):
            if not seen:
                for pid in system.processes("services.evaluations.app"):
                    os.kill(pid, signal.SIGKILL)
            seen.append(evaluation["status"])

        begun = tunedeck.evaluate(model["ID"], test_set["name"])
        assert tunedeck.wait(begun["id"], on_progress=kill)["status"] == "completed"
        assert len(seen) > 1
