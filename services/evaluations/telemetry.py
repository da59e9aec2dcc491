"""What an operator watches of the evaluation worker, beside what every process counts."""

from __future__ import annotations

from prometheus_client import Counter

answers_stored = Counter(
    "tunedeck_evaluation_answers", "Answers of models stored; error is the reason of one.", ["error"]
)
evaluations_ended = Counter("tunedeck_evaluations_ended", "Evaluations that this worker ended.", ["status"])
