"""The ranking of a test set: the models that were evaluated on its present content, and which differences are real."""

from __future__ import annotations

import json
from typing import Any

import gevent
import numpy as np

from services.evaluations.datasets.test_sets import BUCKET, find_set
from services.evaluations.example_blocks import read_blocks
from services.evaluations.scoring.comparison import Outcomes, compare_pairs
from services.evaluations.scoring.resampling import rounded
from services.evaluations.scoring.significance import wilson
from services.evaluations.tables import Evaluation, Example, connected

MAX_MODELS = 20
"""The best of so many are shown, with up to 190 pairs."""
MAX_ANSWERS = 500_000
"""Of so many the pairs are tested, some three seconds of CPU: of a large set fewer models have pairs."""
_MAX_EVALUATIONS = 500
"""So many of the newest are looked at."""
_BLOCK = 2_000


def rank_models(name: str, rule: str | None) -> dict[str, Any]:
    """Return the ranking of a test set by a rule, else by that of its newest evaluation; NotFound.

    A model is ranked by its newest evaluation with the same scoring, of the set as it is now.
    """
    test_set = find_set(name)
    evaluations = _list_comparable(f"{BUCKET}/{name}", test_set.sha256, rule)
    ranked = sorted(
        evaluations, key=lambda each: (each.results["fine_tuned"].get(_name_of(each)) or 0.0, each.id), reverse=True
    )[:MAX_MODELS]
    is_graded = bool(ranked) and _name_of(ranked[0]) == "score"
    paired = ranked[: max(MAX_ANSWERS // max(test_set.rows, 1), 2)]
    outcomes = {each.model_id: _read_outcomes(each.id, test_set.rows) for each in paired} if len(paired) > 1 else {}
    # In a thread: up to seconds of CPU, and other requests of the process must not wait for it.
    compared = gevent.get_hub().threadpool.apply(compare_pairs, (outcomes,), {"graded": is_graded})
    return {
        "test_set_path": f"{BUCKET}/{name}",
        "sha256": test_set.sha256,
        "scoring": _describe_scoring(ranked[0]) if ranked else None,
        "test": "wilcoxon" if is_graded else "mcnemar_mid_p",
        "total": len(evaluations),
        "data": [_describe(each) for each in ranked],
        "pairs": compared,
    }


@connected
def _list_comparable(path: str, sha256: str, rule: str | None) -> list[Evaluation]:
    """Return the newest completed evaluation of each model, of those that are scored as the newest of all is."""
    query = Evaluation.select().where(
        Evaluation.test_set_path == path, Evaluation.status == "completed", Evaluation.test_set_sha256 == sha256
    )
    scoring: tuple[Any, ...] | None = None
    newest: dict[int, Evaluation] = {}
    for evaluation in query.order_by(Evaluation.created_at.desc(), Evaluation.id.desc()).limit(_MAX_EVALUATIONS):
        own = _scoring_of(evaluation)
        if scoring is None and rule in (None, own[0]):
            scoring = own
        if own == scoring:
            newest.setdefault(evaluation.model_id, evaluation)
    return list(newest.values())


def _scoring_of(evaluation: Evaluation) -> tuple[Any, ...]:
    """Return what two evaluations have alike whose figures compare; a judge's are figures against one base."""
    rule = _rule_of(evaluation)
    parameters = json.dumps(evaluation.scoring_parameters, sort_keys=True)
    return rule, parameters, evaluation.extract_label, evaluation.base_model_name if rule == "judge" else None


def _rule_of(evaluation: Evaluation) -> str:
    """Return the rule that scored an evaluation; the first release knew one."""
    return str((evaluation.results.get("scoring") or {}).get("rule", "labels"))


def _describe_scoring(evaluation: Evaluation) -> dict[str, Any]:
    rule = _rule_of(evaluation)
    extracted = {"extract_label": evaluation.extract_label} if rule == "labels" else {}
    return {"rule": rule, **extracted, **(evaluation.scoring_parameters or {})}


def _name_of(evaluation: Evaluation) -> str:
    """Return the name of the metric that a model is ranked by."""
    return "score" if "score" in evaluation.results["fine_tuned"] else "accuracy"


def _describe(evaluation: Evaluation) -> dict[str, Any]:
    name, figures, n = _name_of(evaluation), evaluation.results["fine_tuned"], evaluation.results.get("n", 0)
    score = figures.get(name)
    interval = figures.get(f"{name}_interval")
    if interval is None and name == "accuracy" and n and score is not None:
        interval = rounded(wilson(round(score * n), n))
    return {
        "model_id": evaluation.model_id,
        "name": evaluation.fine_tuned_name,
        "evaluation_id": evaluation.id,
        "score": score,
        "interval": interval,
        "n": n,
    }


def _read_outcomes(evaluation_id: int, rows: int) -> Outcomes:
    """Return by row the fine-tuned model's score, 1 or 0 where there is none, NaN where it has no answer."""
    outcomes = np.full(rows, np.nan)
    for block in read_blocks(evaluation_id, (Example.fine_tuned_correct, Example.fine_tuned_score), _BLOCK):
        for row, correct, score in block:
            if row < rows and (score is not None or correct is not None):
                outcomes[row] = correct if score is None else round(score, 4)
    return outcomes
