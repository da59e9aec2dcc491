"""The results of an evaluation: each model's metrics, and the significance of their difference."""

from __future__ import annotations

from collections import Counter
from typing import Any

from services.evaluations.scoring import metrics, significance, warnings
from services.evaluations.scoring.choose_grader import Grader
from services.evaluations.scoring.classes import describe_classes
from services.evaluations.scoring.counts import Counts
from services.evaluations.scoring.f1_interval import f1_interval
from services.evaluations.scoring.graders import LabelGrader
from services.evaluations.scoring.metrics import ROLES, Metrics
from services.evaluations.scoring.resampling import rounded
from services.evaluations.scoring.score_significance import bootstrap, score_significance


def compute_results(counts: Counts, grader: Grader, noted: list[str]) -> dict[str, Any]:
    """Return the results of the counted rows; ``noted`` are warnings from before. Needs seconds of CPU.

    Without a base ``base_model``, ``improvement`` and ``significance`` are None.
    """
    of_labels = isinstance(grader, LabelGrader)
    figures = {role: counted.tally.metrics(of_labels=of_labels) for role, counted in counts.roles.items()}
    tallies = {role: counted.tally for role, counted in counts.roles.items()}
    invalid = {role: (int(figures[role]["invalid"] or 0), each.invalid_example) for role, each in counts.roles.items()}
    n = tallies["fine_tuned"].n
    judge = counts.judge
    roles = {role: _describe_role(role, counts, figures[role], grader) for role in counts.roles}
    found = _compare(counts, grader) if "base_model" in roles else None
    if found is None:
        summary = _describe_alone(counts, roles["fine_tuned"], grader)
        summary += warnings.remark_on_invalid(invalid, n)
    else:
        errors = {role: each.errors_alone for role, each in counts.roles.items()}
        summary = found["summary"] = found["summary"] + warnings.remark_on(found, invalid, errors)
    classes = (
        describe_classes(grader, tallies, counts.cells)
        if isinstance(grader, LabelGrader)
        else {"labels": None, "confusion": None}
    )
    return {
        **{role: roles.get(role) for role in ROLES},
        "improvement": metrics.improvement(figures["base_model"], figures["fine_tuned"]) if found else None,
        "n": n,
        "errors": {role: each.errors for role, each in counts.roles.items()}
        | ({"judge": judge.errors} if judge else {}),
        "scoring": {"rule": grader.name, "labels": grader.labels, "description": grader.description},
        "significance": found,
        "summary": summary,
        **classes,
        **({"judge": {"n": judge.n, "agreed": judge.agreed, "tokens": judge.tokens._asdict()}} if judge else {}),
        "warnings": [*noted, *warnings.warn_of_answers(invalid, n, alike=counts.alike and len(roles) == 2)],
    }


def _compare(counts: Counts, grader: Grader) -> dict[str, Any]:
    if grader.is_graded:
        return score_significance(counts.scores)
    cells = counts.cells
    return significance.significance(significance.pairs(cells), cells if isinstance(grader, LabelGrader) else None)


def _describe_role(role: str, counts: Counts, figures: Metrics, grader: Grader) -> dict[str, Any]:
    counted = counts.roles[role]
    n = counted.tally.n
    shown: dict[str, Any] = {
        **metrics.rounded(figures),
        "accuracy_interval": rounded(significance.wilson(counted.tally.right.total(), n)) if n else None,
    }
    if grader.is_graded:
        scores: Counter[float] = Counter()
        for pair, rows in counts.scores.items():
            scores[pair[ROLES.index(role)]] += rows
        total = sum(score * rows for score, rows in scores.items())
        mean = round(total / scores.total(), 4) if scores else None
        shown |= {"score": mean, "score_interval": rounded(bootstrap(scores)[1])}
    return shown | {
        "first_response_time_ms": None if counted.first_ms is None else round(counted.first_ms, 1),
        "truncated": counted.truncated,
        "tokens": counted.tokens._asdict(),
    }


def _describe_alone(counts: Counts, shown: dict[str, Any], grader: Grader) -> str:
    """Return the model's accuracy, or mean score, as a sentence with its interval; ``shown`` gets that of the F1."""
    if isinstance(grader, LabelGrader):
        # Who answers nothing has an F1 of 0, so that the difference to it is the model's own.
        shown["f1_score_interval"] = rounded(f1_interval(counts.cells)) if counts.cells else None
    n = counts.roles["fine_tuned"].tally.n
    if not n:
        return "there is no row with an answer, n = 0"
    if not grader.is_graded:
        low, high = (100 * bound for bound in shown["accuracy_interval"])
        return f"{significance.percent(shown['accuracy'])} right, 95 % interval {low:.1f} to {high:.1f} %, n = {n}"
    interval = shown["score_interval"]
    spread = "" if interval is None else f", 95 % interval {interval[0]:.3f} to {interval[1]:.3f}"
    return f"a mean score of {shown['score']:.3f}{spread}, n = {n}"
