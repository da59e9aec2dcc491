"""What an operator watches of the evaluation worker, beside what every process counts."""

from __future__ import annotations

from prometheus_client import Counter

answers_stored = Counter("tunedeck_evaluation_answers", "Answers of models stored, errors included.")
answer_errors = Counter("tunedeck_evaluation_answer_errors", "Answers that are errors.")
evaluations_ended = Counter("tunedeck_evaluations_ended", "Evaluations that this worker ended.", ["status"])

# There from the start: of a series that begins with its first error Prometheus sees no increase.
for _status in ("completed", "failed"):
    evaluations_ended.labels(_status)
