"""One of everything that the console shows, with hostile text in every place where somebody else's text can be."""

from __future__ import annotations

import json
from typing import Any

from tests.support.reported_jobs import Jobs
from tests.support.system import System
from tests.support.waiting import wait_until

HOSTILE = {
    "markup": '<img src=x onerror="alert(1)"><script>alert(2)</script><svg onload=alert(3)>',
    "link": "javascript:alert(4)",
    "terminal": "\x1b[2J\x1b]0;title\x07\x1b]8;;javascript:alert(5)\x1b\\click\x1b[31m red",
    "direction": "\u202egpj.exe \u2066isolated \u200f right",
    "unbroken": "x" * 5_000,
    "combining": "Z" + "\u0336\u0489" * 1_000,
    "replacement": "a\ufffdb\u2400",
    "template": "{{7*7}} ${7*7} %s %00 ' \" ` \\",
    "prototype": "__proto__",
}
NAMES = {kind: text[:255] for kind, text in HOSTILE.items()}
LONG = "y" * 262_000
"""Nearly 256 KiB without a space."""

LABELS = [text[:200] for text in HOSTILE.values()]


class HostileRecords:
    """The records, made through the API; ``pages`` are their addresses by name."""

    def __init__(self, system: System, jobs: Jobs, served_model: int) -> None:
        self._system = system
        self._jobs = jobs
        job, others = self._make_jobs()
        model = self._make_model(job)
        self._put("/datasets/(hostile).json", [{"input": text, "expected": text[:200]} for text in HOSTILE.values()])
        rows = [{"input": text, "expected": "positive"} for text in HOSTILE.values()]
        self._put("/datasets/a $(id) ' & set.json", rows)
        self._judge(model, served_model)
        system.stop_worker()  # which would be faster with what is reported here
        try:
            evaluation, failed = self._report(model)
        finally:
            system.resume_worker()
        self.pages = {
            "jobs": "/ui/jobs",
            "job": f"/ui/jobs/{job}",
            "failed job": f"/ui/jobs/{others[0]}",
            "compare": f"/ui/compare?jobs={','.join(map(str, [job, *others[:3]]))}",
            "models": "/ui/models",
            "model": f"/ui/models/{model}",
            "evaluations": "/ui/evaluations",
            "evaluation": f"/ui/evaluations/{evaluation}",
            "failed evaluation": f"/ui/evaluations/{failed}",
            "test set": "/ui/evaluations?set=datasets/(hostile).json",
            "ranking": "/ui/evaluations?set=datasets/a%20%24(id)%20'%20%26%20set.json",
            "datasets": "/ui/datasets",
            "login": "/ui/login",
            "none": "/ui/<img src=x onerror=alert(7)>",
        }

    def _make_jobs(self) -> tuple[int, list[int]]:
        configuration = dict(zip(NAMES.values(), [*HOSTILE.values()][1:] + [LONG], strict=True))
        made = [self._jobs.make(name=name, configuration=configuration, running=False) for name in NAMES.values()]
        for job, kernel in zip(made, NAMES.values(), strict=True):
            self._jobs.change(job, status="running", kernel=kernel.replace("\x1b", "").replace("\x07", ""))
        job, *others = made
        lines: list[str | dict[str, Any]] = [
            {"message": text, "source": NAMES[kind], "level": "error"} for kind, text in HOSTILE.items()
        ]
        lines += [{"message": LONG}, {"message": "\n".join(HOSTILE.values()), "level": "warn"}]
        self._jobs.push(job, lines)
        self._jobs.report(job, [{"step": step, "values": dict.fromkeys(NAMES.values(), step)} for step in range(1, 20)])
        for other, reason in zip(others, HOSTILE.values(), strict=False):
            self._jobs.change(other, status="failed", error=reason[:1_000])
        return job, others

    def _make_model(self, job: int) -> int:
        body = {
            "name": NAMES["markup"],
            "base_model": NAMES["direction"],
            "type": NAMES["combining"],
            "description": HOSTILE["markup"] + HOSTILE["combining"] + HOSTILE["unbroken"],
            "training_metrics": dict(zip(NAMES.values(), HOSTILE.values(), strict=True)),
            "job_id": job,
            "served_name": NAMES["template"],
        }
        model = int(self._system.request("POST", "/models", json=body).json()["ID"])
        for path in (
            "lora_adapters/$(id) ' & img onerror=alert(6).json",
            "lora_adapters/adapter_config.json",
            "gguf/javascript;alert.gguf",
            f"lora_adapters/{'x' * 200}",
        ):
            self._system.request("PUT", f"/models/{model}/files/{path}", data=b"{}").raise_for_status()
        self._system.request("PUT", f"/models/{model}", json={"status": "ready"}).raise_for_status()
        return model

    def _put(self, path: str, rows: list[dict[str, str]]) -> None:
        self._system.request("PUT", path, data=json.dumps(rows)).raise_for_status()

    def _judge(self, model: int, served_model: int) -> None:
        """Have our own worker judge the hostile model by another's answers: only what it judged is ranked."""
        served = self._system.get(f"/models/{served_model}").json()["model"]["served_name"]
        body = {"test_set_path": "datasets/a $(id) ' & set.json", "fine_tuned_served_name": served, "base": None}
        number = self._system.request("POST", f"/models/{model}/evaluate", json=body).json()["evaluation_id"]
        wait_until(lambda: self._system.get(f"/evaluations/{number}").json()["status"] == "completed")

    def _report(self, model: int) -> tuple[int, int]:
        begun = {"test_set_path": "datasets/(hostile).json", "base_model_name": NAMES["markup"]}
        numbers = [
            self._system.request("POST", f"/models/{model}/evaluate", json=begun).json()["evaluation_id"]
            for _ in range(2)
        ]
        figures = {"accuracy": 0.5, "f1_score": 0.4}
        square = [[1] * (len(LABELS) + 1) for _ in LABELS]
        results = {
            "base_model": figures,
            "fine_tuned": figures | {"accuracy": 0.6},
            "labels": [{"label": text, "n": 1, "base_model": figures, "fine_tuned": figures} for text in LABELS],
            "confusion": {"labels": LABELS, "base_model": square, "fine_tuned": square},
            "warnings": [*HOSTILE.values()],
            "errors": {
                "base_model": {text: {"count": 1, "message": text} for text in NAMES.values()},
                "fine_tuned": {},
            },
            "scoring": {"rule": NAMES["markup"], "description": HOSTILE["unbroken"] + HOSTILE["markup"]},
        }
        examples = [
            {
                "input": text,
                "expected": text[:200],
                "base_model_output": text[::-1],
                "fine_tuned_output": f"{text}!",
                "error": text[:255],
            }
            for text in [*HOSTILE.values(), LONG]
        ]
        report = {"status": "completed", "results": results, "examples": examples}
        self._system.request("PUT", f"/evaluations/{numbers[0]}", json=report).raise_for_status()
        failure = {"status": "failed", "error": "".join(HOSTILE.values())[:2_000]}
        self._system.request("PUT", f"/evaluations/{numbers[1]}", json=failure).raise_for_status()
        return numbers[0], numbers[1]
