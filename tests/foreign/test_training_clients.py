"""MLflow's client, transformers' callbacks and OpenTelemetry's exporter report to the logs service.

They are installed once, in the versions of training_clients.txt, into a virtual environment below .data/.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import textwrap
from pathlib import Path

import pytest

from run import parts
from run.settings import free_port
from tests.support.environment import installed
from tests.support.waiting import wait_until

HERE = Path(__file__).parent
ENDS_WITHIN_S = 120

VARIABLES = ("MLFLOW_", "KUBEFLOW_", "OTEL_", "HF_")
"""What the machine sets for such clients is not to reach those under test."""


@pytest.fixture(scope="module")
def python():
    return installed(HERE / "training_clients.txt")


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    return tmp_path_factory.mktemp("database") / "logs.db"


@pytest.fixture(scope="module")
def logs(serve, database, redis_url):
    return serve("logs", DATABASE_URL=f"sqlite:///{database}", REDIS_URL=redis_url)


@pytest.fixture(scope="module")
def gateway_url(start, logs, tmp_path_factory):
    port = free_port()
    environ = dict.fromkeys(("MODELS_UPSTREAM", "EVALUATIONS_UPSTREAM", "S3_UPSTREAM"), "127.0.0.1:9")
    environ |= {"LOGS_UPSTREAM": logs.url.removeprefix("http://")}
    folder = tmp_path_factory.mktemp("gateway")
    start(parts.caddy(os.environ.get("CADDY_BIN"), folder, ["127.0.0.1"], port, environ, ()))
    return f"http://127.0.0.1:{port}"


@pytest.fixture
def job(logs):
    return logs.post("/api/v1/jobs", json={"dataset_id": 1, "name": "mine"}).json()["ID"]


@pytest.fixture
def show(logs):
    def show(job):
        return logs.get(f"/api/v1/jobs/{job}").json()

    return show


@pytest.fixture
def curves(logs):
    def curves(job):
        shown = logs.get(f"/api/v1/jobs/{job}/metrics").json()
        return shown["source"], {
            series["name"]: [(step, value) for step, value, _, _ in series["points"]] for series in shown["series"]
        }

    return curves


@pytest.fixture
def start_client(tmp_path, children):
    """Start a program in a folder of its own."""

    def start_client(python, program, **environ):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(VARIABLES)}
        process = subprocess.Popen(
            [python, "-c", textwrap.dedent(program)],
            cwd=tmp_path,
            env=kept | {"HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "ignore", "PYTHONPATH": ""} | environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        children.append(process)
        return process

    return start_client


@pytest.fixture
def run_client(start_client):
    """Run a program to its end and return what it printed, as JSON where its last line is some."""

    def run_client(python, program, fails=False, **environ):
        process = start_client(python, program, **environ)
        out, errors = process.communicate(timeout=ENDS_WITHIN_S)
        assert (process.returncode != 0) == fails, out + errors
        return out + errors

    return run_client


def result(printed):
    return json.loads(next(line for line in printed.splitlines() if line.startswith("{")))


def test_mlflow_s_fluent_api(python, gateway_url, run_client, show, curves):
    printed = run_client(
        python,
        """
        import json, math, mlflow
        mlflow.set_experiment("sentiment")
        with mlflow.start_run(run_name="first", tags={"team": "red"}) as run:
            mlflow.log_metric("loss", 0.5, step=1)
            mlflow.log_metrics({"loss": math.nan, "eval/accuracy": 1}, step=2)
            mlflow.log_metric("loss", math.inf, step=3)
            mlflow.log_metrics({"loss": 0.25}, step=4, synchronous=False)
            mlflow.log_params({"lr": 1e-4, "epochs": 3})
            mlflow.log_param("optimizer", "adamw")
            mlflow.set_tags({"a": 1}); mlflow.set_tag("b", "2")
        seen = mlflow.get_run(run.info.run_id)
        history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss")
        print(json.dumps({
            "run": seen.info.run_id, "status": seen.info.status, "name": seen.info.run_name,
            "metrics": seen.data.metrics, "params": seen.data.params,
            "tags": {name: seen.data.tags[name] for name in ("team", "a", "b")},
            "history": [(point.step, str(point.value)) for point in history],
        }))
        """,
        MLFLOW_TRACKING_URI=f"{gateway_url}/mlflow",
    )
    seen = result(printed)
    job = seen.pop("run")
    assert seen == {
        "status": "FINISHED",
        "name": "first",
        "metrics": {"eval/accuracy": 1.0, "loss": 0.25},
        "params": {"epochs": "3", "lr": "0.0001", "optimizer": "adamw"},
        "tags": {"team": "red", "a": "1", "b": "2"},
        "history": [[1, "0.5"], [2, "nan"], [3, "inf"], [4, "0.25"]],
    }
    shown = show(job)
    assert (shown["status"], shown["kernel"], shown["name"]) == ("completed", "mlflow", "first")
    loss = [(1, 0.5), (2, "NaN"), (3, "Infinity"), (4, 0.25)]
    assert curves(job) == ("reported", {"eval/accuracy": [(2, 1.0)], "loss": loss})


def test_mlflow_s_run_is_the_job_that_the_environment_names(python, logs, run_client, job, show, curves):
    printed = run_client(
        python,
        """
        import mlflow
        with mlflow.start_run():
            mlflow.log_metric("loss", 0.5, step=1)
            raise MemoryError("the training broke off")
        """,
        fails=True,
        MLFLOW_TRACKING_URI=f"{logs.url}/mlflow",
        MLFLOW_RUN_ID=str(job),
    )
    assert "the training broke off" in printed
    shown = show(job)
    assert (shown["status"], shown["kernel"], shown["name"]) == ("failed", "mlflow", "mine")
    assert curves(job)[1] == {"loss": [(1, 0.5)]}


def test_mlflow_under_another_kernel_ends_nothing(python, logs, run_client, job, show):
    claim = {"status": "running", "kernel": "tunedeck run"}
    assert logs.put(f"/api/v1/jobs/{job}", json=claim).status_code == 200
    run_client(
        python,
        "import mlflow; mlflow.start_run(); mlflow.log_metric('loss', 1); mlflow.end_run('FAILED')",
        MLFLOW_TRACKING_URI=f"{logs.url}/mlflow",
        MLFLOW_RUN_ID=str(job),
    )
    assert (show(job)["status"], show(job)["kernel"]) == ("running", "tunedeck run")


def test_mlflow_is_told_what_is_not_there(python, logs, run_client):
    printed = run_client(
        python,
        """
        import json, mlflow, pathlib
        from mlflow.exceptions import MlflowException
        pathlib.Path("model.bin").write_bytes(bytes(5_000_000))
        told = {}
        with mlflow.start_run():
            for name, call in {
                "artifact": lambda: mlflow.log_artifact("model.bin"),
                "search": lambda: mlflow.search_runs(["0"]),
                "run": lambda: mlflow.get_run("987654321"),
            }.items():
                try:
                    call()
                except MlflowException as error:
                    told[name] = error.error_code
                except Exception as error:
                    told[name] = str(error)
        print(json.dumps(told))
        """,
        MLFLOW_TRACKING_URI=f"{logs.url}/mlflow",
    )
    told = result(printed)
    assert "tunedeck push" in told["artifact"]
    assert (told["search"], told["run"]) == ("ENDPOINT_NOT_FOUND", "RESOURCE_DOES_NOT_EXIST")


CALLBACKS = """
    from types import SimpleNamespace
    from transformers.integrations import KubeflowCallback, MLflowCallback
    from transformers.trainer_callback import TrainerControl, TrainerState

    parameters = {f"argument_{number}": number for number in range(250)} | {"too_long": "x" * 10_000}
    arguments = SimpleNamespace(run_name=None, output_dir="out", to_dict=lambda: dict(parameters))
    state, control = TrainerState(max_steps=4), TrainerControl()
    KubeflowCallback._MIN_UPDATE_INTERVAL = 0.0  # else the four steps would take its twenty seconds

    def train(callback):
        callback.on_train_begin(arguments, state, control, model=None)
        for step in range(1, 5):
            state.global_step, state.epoch = step, step / 4
            loss = float("nan") if step == 3 else 1 / step
            callback.on_log(arguments, state, control, {"loss": loss, "epoch": state.epoch})
            callback.on_step_end(arguments, state, control)
        callback.on_train_end(arguments, state, control)
"""
"""What a Trainer does with a callback, as nothing but a Trainer needs torch."""

LOSS = [(1, 1.0), (2, 0.5), (3, "NaN"), (4, 0.25)]


def test_transformers_mlflow_callback(python, gateway_url, run_client, logs, job, show, curves):
    run_client(
        python,
        textwrap.dedent(CALLBACKS) + "train(MLflowCallback())",
        MLFLOW_TRACKING_URI=f"{gateway_url}/mlflow",
        MLFLOW_RUN_ID=str(job),
    )
    assert curves(job) == ("reported", {"epoch": [(n, n / 4) for n in range(1, 5)], "loss": LOSS})
    assert (show(job)["status"], show(job)["name"]) == ("completed", "mine")
    run = logs.get("/mlflow/api/2.0/mlflow/runs/get", params={"run_id": job}).json()["run"]
    assert {entry["key"] for entry in run["data"]["params"]} == {f"argument_{number}" for number in range(250)}


def test_transformers_kubeflow_callback(python, gateway_url, run_client, job, show, curves, tmp_path):
    (tmp_path / "token").write_text("none\n")
    run_client(
        python,
        textwrap.dedent(CALLBACKS) + "train(KubeflowCallback())",
        KUBEFLOW_TRAINER_SERVER_URL=f"{gateway_url}/api/v1/jobs/{job}/trainer-status",
        KUBEFLOW_TRAINER_SERVER_TOKEN=str(tmp_path / "token"),
    )
    assert curves(job) == ("status", {"epoch": [(1, 0.25), (2, 0.5), (3, 0.75), (4, 1.0)], "loss": LOSS})
    shown = show(job)
    assert (shown["status"], shown["progress"]) == ("pending", 1.0)
    assert shown["last_seen_at"] is not None


LOGGER = """
    import logging
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

    logging.basicConfig()
    provider = LoggerProvider()
    provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    log = logging.getLogger("trainer")
    log.setLevel("DEBUG")
    log.addHandler(LoggingHandler(logger_provider=provider))
"""


def lines_of(logs, job):
    page = logs.get(f"/api/v1/jobs/{job}/logs?limit=1000").json()
    return [(line["level"], line["source"], line["message"]) for line in page["logs"]]


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_opentelemetry_s_exporter(python, gateway_url, run_client, logs, job, curves, compression):
    program = """
    log.debug("Loading"); log.warning("Careful: %s", "ü")
    log.info("A step", extra={"step": 10, "loss": 0.5})
    try:
        [][7]
    except IndexError:
        log.exception("It failed")
    for number in range(1_500):
        log.info("line %d", number)
    provider.shutdown()
    """
    run_client(
        python,
        textwrap.dedent(LOGGER) + textwrap.dedent(program),
        OTEL_EXPORTER_OTLP_ENDPOINT=f"{gateway_url}/api/v1/jobs/{job}/otlp",
        OTEL_EXPORTER_OTLP_COMPRESSION=compression,
    )
    page = lines_of(logs, job)
    assert page[:3] == [
        ("debug", "trainer", "Loading"),
        ("warn", "trainer", "Careful: ü"),
        ("info", "trainer", "A step"),
    ]
    level, _, message = page[3]
    assert level == "error"
    assert message.startswith("It failed\nTraceback (most recent call last):")
    assert message.endswith("IndexError: list index out of range")
    assert page[4:] == [("info", "trainer", f"line {number}") for number in range(996)]
    assert logs.get(f"/api/v1/jobs/{job}").json()["last_seen_at"] is not None
    assert logs.get(f"/api/v1/jobs/{job}/logs?limit=1&order=desc").json()["logs"][0]["ID"] == 1_504
    assert curves(job) == ("reported", {"loss": [(10, 0.5)]})


def test_opentelemetry_s_exporter_tries_again_while_the_database_is_away(python, logs, start_client, job, database):
    process = start_client(
        python,
        textwrap.dedent(LOGGER) + "log.info('patience'); provider.force_flush(); provider.shutdown()",
        OTEL_EXPORTER_OTLP_ENDPOINT=f"{logs.url}/api/v1/jobs/{job}/otlp",
        OTEL_EXPORTER_OTLP_TIMEOUT="60",
    )
    blocker = sqlite3.connect(database, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    told = []
    try:
        wait_until(lambda: told.append(process.stderr.readline()) or "retrying" in told[-1], ENDS_WITHIN_S)
    finally:
        blocker.execute("ROLLBACK")
        blocker.close()
    _, errors = process.communicate(timeout=ENDS_WITHIN_S)
    assert "Transient error" in "".join(told)
    assert "Failed" not in "".join(told) + errors
    assert lines_of(logs, job) == [("info", "trainer", "patience")]


@pytest.mark.parametrize("refusal", ["unknown job", "log deleted", "too large"])
def test_opentelemetry_s_exporter_gives_up_what_can_never_be_taken(python, logs, run_client, job, refusal):
    if refusal == "log deleted":
        logs.delete(f"/api/v1/jobs/{job}/logs")
    size = 9_000_000 if refusal == "too large" else 1
    number, status = {"unknown job": (10**9, 404), "log deleted": (job, 410), "too large": (job, 413)}[refusal]
    printed = run_client(
        python,
        textwrap.dedent(LOGGER) + f"log.propagate = False; log.info('x' * {size}); provider.shutdown()",
        OTEL_EXPORTER_OTLP_ENDPOINT=f"{logs.url}/api/v1/jobs/{number}/otlp",
    )
    assert f"Failed to export logs batch code: {status}" in printed
    assert "retrying" not in printed


def test_a_record_that_opentelemetry_s_exporter_loses_is_in_the_log(python, logs, run_client, job):
    printed = run_client(
        python,
        textwrap.dedent(LOGGER)
        + "log.propagate = False; log.info('x' * 300_000); log.info('after'); provider.shutdown()",
        OTEL_EXPORTER_OTLP_ENDPOINT=f"{logs.url}/api/v1/jobs/{job}/otlp",
    )
    assert "Failed" not in printed
    refused, after = lines_of(logs, job)
    assert (refused[0], refused[1], "300000" in refused[2]) == ("error", "tunedeck", True)
    assert after == ("info", "trainer", "after")


@pytest.mark.soak
def test_a_trainer_reports_by_the_environment_alone(gateway_url, run_client, logs, job, show, curves, tmp_path):
    """A real Trainer with a model made here: ``report_to="mlflow"``, and Kubeflow's callback comes by itself."""
    (tmp_path / "token").write_text("none\n")
    printed = run_client(
        installed(HERE / "training_clients_torch.txt"),
        """
        import torch
        from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

        torch.manual_seed(0)
        torch.set_num_threads(1)
        size = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
        model = LlamaForCausalLM(LlamaConfig(vocab_size=64, **size))
        rows = [{"input_ids": ids, "labels": ids} for ids in torch.randint(0, 64, (32, 8))]
        arguments = TrainingArguments(
            output_dir="out", max_steps=12, logging_steps=2, per_device_train_batch_size=4, report_to="mlflow",
            use_cpu=True, save_strategy="no", disable_tqdm=True,
        )
        trainer = Trainer(model=model, args=arguments, train_dataset=rows)
        print(sorted(type(callback).__name__ for callback in trainer.callback_handler.callbacks))
        trainer.train()
        """,
        MLFLOW_TRACKING_URI=f"{gateway_url}/mlflow",
        MLFLOW_RUN_ID=str(job),
        KUBEFLOW_TRAINER_SERVER_URL=f"{gateway_url}/api/v1/jobs/{job}/trainer-status",
        KUBEFLOW_TRAINER_SERVER_TOKEN=str(tmp_path / "token"),
    )
    assert "'KubeflowCallback', 'MLflowCallback'" in printed
    source, series = curves(job)
    assert (source, [step for step, _ in series["loss"]]) == ("reported", [2, 4, 6, 8, 10, 12])
    assert {"epoch", "grad_norm", "learning_rate", "train_loss"} <= set(series)
    shown = show(job)
    assert (shown["status"], shown["kernel"], shown["name"]) == ("completed", "mlflow", "mine")
    assert shown["progress"] is not None
    run = logs.get("/mlflow/api/2.0/mlflow/runs/get", params={"run_id": job}).json()["run"]
    assert {"key": "max_steps", "value": "12"} in run["data"]["params"]
