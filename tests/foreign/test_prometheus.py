"""deploy/prometheus against a real Prometheus: each alert fires when what it watches breaks, and none before."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from run.parts import ROOT

FOLDER = ROOT / "deploy" / "prometheus"
RULES = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"][0]["rules"]
LOGS = 'job="logs",instance="logs:8000"'


def promtool(*arguments: str | Path) -> str:
    program = shutil.which("promtool")
    assert program, "promtool is missing: make tools"
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


BREAKS: dict[str, dict[str, str]] = {
    "ProcessDown": {f"up{{{LOGS}}}": "0x90"},
    "TablesUnreadable": {f"tunedeck_tables_readable{{{LOGS}}}": "0x90"},
    "RequestsFail": {
        f'tunedeck_request_seconds_count{{{LOGS},status="503"}}': "0+10x90",
        f'tunedeck_request_seconds_count{{{LOGS},status="200"}}': "0+100x90",
    },
    "AnswersSlow": {
        f'tunedeck_request_seconds_bucket{{{LOGS},method="GET",status="200",route="/r",le="2.5"}}': "0+1x90",
        f'tunedeck_request_seconds_bucket{{{LOGS},method="GET",status="200",route="/r",le="5.0"}}': "0+10x90",
        f'tunedeck_request_seconds_bucket{{{LOGS},method="GET",status="200",route="/r",le="+Inf"}}': "0+10x90",
    },
    "DatabaseWaits": {f"tunedeck_database_wait_seconds_total{{{LOGS}}}": "0+90x90"},
    "NotificationsFail": {f"tunedeck_notifications_failed_total{{{LOGS}}}": "0+1x90"},
    "StreamsLag": {f"tunedeck_channel_lag_lines{{{LOGS}}}": "6000x90"},
    "LinesMissing": {f"tunedeck_lines_missing_total{{{LOGS}}}": "0x85 1x5"},
    "StreamsNearlyFull": {
        f"tunedeck_streams_open{{{LOGS}}}": "7500x90",
        f"tunedeck_streams_limit{{{LOGS}}}": "8000x90",
    },
    "StreamsRefused": {f"tunedeck_streams_refused_total{{{LOGS}}}": "0x85 1x5"},
    "ChecksumsLate": {
        'tunedeck_checksum_queue_files{job="models",instance="a"}': "3x90",
        'tunedeck_checksum_queue_age_seconds{job="models",instance="a"}': "0+60x90",
    },
    "ChecksumErrors": {'tunedeck_checksum_errors_total{job="checksums"}': "0x85 1x5"},
    "EvaluationsWait": {'tunedeck_evaluation_queue_age_seconds{job="evaluations"}': "0+60x90"},
    "EvaluationAnswersFail": {
        'tunedeck_evaluation_answer_errors_total{job="worker"}': "0+2x90",
        'tunedeck_evaluation_answers_total{job="worker"}': "0+10x90",
    },
    "ResultsNotTold": {'tunedeck_eval_results_due{job="evaluations"}': "1x90"},
    "LeasesLost": {'tunedeck_leases_lost_total{job="checksums"}': "0+1x90"},
    "WorkerStuck": {'tunedeck_worker_turn_timestamp_seconds{job="worker"}': "-50000x90"},
}
"""By alert the series, a sample a minute, that make it fire."""


def healthy(series: str) -> str:
    """Return the samples of the same series while all is well."""
    if series.startswith(("up", "tunedeck_tables_readable")):
        return "1x90"
    if "turn_timestamp" in series:
        return "0+60x90"
    return "0+10x90" if 'status="200"' in series or "answers_total" in series or "limit" in series else "0x90"


def check_alerts(tmp_path: Path, series: dict[str, str], fires: list[str]) -> None:
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": "90m",
                "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in fires],
            }
        ],
    }
    shutil.copy(FOLDER / "alerts.yml", tmp_path)
    file = tmp_path / "test.yml"
    file.write_text(json.dumps({"rule_files": ["alerts.yml"], "evaluation_interval": "1m", "tests": [test]}))
    promtool("test", "rules", file)


def test_promtool_finds_nothing_wrong() -> None:
    assert f"{len(RULES)} rules found" in promtool("check", "rules", FOLDER / "alerts.yml")
    promtool("check", "config", FOLDER / "prometheus.yml")


@pytest.mark.parametrize("alert", [rule["alert"] for rule in RULES])
def test_an_alert_fires_where_its_series_are_broken_and_only_it(tmp_path: Path, alert: str) -> None:
    check_alerts(tmp_path, BREAKS[alert], [alert])


@pytest.mark.parametrize("alert", [rule["alert"] for rule in RULES])
def test_an_alert_is_still_where_all_is_well(tmp_path: Path, alert: str) -> None:
    check_alerts(tmp_path, {series: healthy(series) for series in BREAKS[alert]}, [])


def test_each_alert_says_what_to_do() -> None:
    for rule in RULES:
        assert {"summary", "action"} == set(rule["annotations"])
        assert rule["labels"]["severity"] in ("page", "ticket")


def names_in(text: str) -> set[str]:
    return {name.removesuffix("_bucket").removesuffix("_count") for name in re.findall(r"tunedeck_\w+", text)}


def exposed() -> set[str]:
    """Return the metrics that our processes have, by the names in their code."""
    found: dict[str, Any] = {}
    for file in (
        *ROOT.glob("services/*/telemetry.py"),
        *ROOT.glob("services/*/table_gauges.py"),
        *ROOT.glob("shared/telemetry/*.py"),
    ):
        found |= {
            name: kind
            for kind, name in re.findall(
                r'(Counter|Gauge|Histogram|TableGauge|Family)\(\s*"(tunedeck_\w+)"', file.read_text()
            )
        }
    return {f"{name}_total" if kind == "Counter" else name for name, kind in found.items()}


@pytest.mark.parametrize(
    "file", ["prometheus/alerts.yml", "grafana/tunedeck.json", "kubernetes/overlays/production/prometheus-adapter.yaml"]
)
def test_every_metric_that_is_asked_for_is_one_of_ours(file: str) -> None:
    text = (ROOT / "deploy" / file).read_text().replace("tunedeck_archive_bytes_sent_per_second", "")
    assert names_in(text) - {"tunedeck"} <= exposed()


def test_the_dashboard_s_queries_are_valid(tmp_path: Path) -> None:
    panels = json.loads((ROOT / "deploy" / "grafana" / "tunedeck.json").read_text())["panels"]
    queries = [target["expr"].replace("$__rate_interval", "1m") for panel in panels for target in panel["targets"]]
    rules = [{"record": f"query{number}", "expr": query} for number, query in enumerate(queries)]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"{len(queries)} rules found" in promtool("check", "rules", file)
