"""Who may do what: for each endpoint of each service the scope that it needs; pure."""

from __future__ import annotations

from typing import Literal, NamedTuple

JobPlace = Literal["path", "model", "query", "endpoint"]
"""Where a request names its job: in its path, by the model there, in ``?job_id=``, or where the endpoint looks."""


class Rule(NamedTuple):
    """``scope`` is what one needs; the scope ``kernel`` and a job's own token are let in beside it where it says so."""

    scope: Literal["open", "read", "write"]
    kernel: bool = False
    job: JobPlace | None = None


OPEN = Rule("open")
READ = Rule("read")
WRITE = Rule("write")

RULES: dict[str, Rule] = {
    # every service
    "get_health": OPEN,
    "get_readiness": OPEN,
    "show_metrics": OPEN,
    "api-docs.openapi_json": OPEN,
    # logs
    "session.create_session": OPEN,
    "session.get_session": OPEN,
    "session.delete_session": OPEN,
    "tickets.create_ticket": READ,
    "jobs.create_job": WRITE,
    "jobs.list_jobs": Rule("read", kernel=True),
    "jobs.get_job": Rule("read", kernel=True, job="path"),
    "jobs.update_job": Rule("write", kernel=True, job="path"),
    "tickets.create_job_token": Rule("write", kernel=True),
    "lines.create_lines": Rule("write", job="path"),
    "lines.get_lines": Rule("read", job="path"),
    "lines.download_lines": Rule("read", job="path"),
    "lines.delete_lines": WRITE,
    "metrics.create_metrics": Rule("write", job="path"),
    "metrics.get_metrics": Rule("read", job="path"),
    "kubeflow.update_status": Rule("write", job="path"),
    "otlp.export_logs": Rule("write", job="path"),
    "mlflow.get_experiment_by_name": Rule("read", job="endpoint"),
    "mlflow.get_experiment": Rule("read", job="endpoint"),
    "mlflow.create_experiment": Rule("write", job="endpoint"),
    "mlflow.create_run": WRITE,
    "mlflow.get_run": Rule("read", job="endpoint"),
    "mlflow.update_run": Rule("write", job="endpoint"),
    "mlflow.log_metric": Rule("write", job="endpoint"),
    "mlflow.log_batch": Rule("write", job="endpoint"),
    "mlflow.log_parameter": Rule("write", job="endpoint"),
    "mlflow.set_tag": Rule("write", job="endpoint"),
    "mlflow.get_history": Rule("read", job="endpoint"),
    # models
    "models.list_models": Rule("read", job="query"),
    "models.create_model": Rule("write", job="endpoint"),
    "models.get_model": Rule("read", job="model"),
    "models.update_model": Rule("write", job="model"),
    "models.delete_model": WRITE,
    "files.list_files": Rule("read", job="model"),
    "files.get_file": Rule("read", job="model"),
    "files.upload_file": Rule("write", job="model"),
    "files.delete_file": Rule("write", job="model"),
    "uploads.list_uploads": Rule("read", job="model"),
    "uploads.begin_upload": Rule("write", job="model"),
    # It reads, and hands out links by which parts are written.
    "uploads.get_upload": Rule("write", job="model"),
    "uploads.complete_upload": Rule("write", job="model"),
    "uploads.abort_upload": Rule("write", job="model"),
    "downloads.download_model": Rule("read", job="model"),
    "downloads.download_archive": Rule("read", job="model"),
    # models, as the Hugging Face Hub's API
    "hub.get_repository": Rule("read", job="endpoint"),
    "hub.get_revision": Rule("read", job="endpoint"),
    "hub.list_refs": Rule("read", job="endpoint"),
    "hub.list_root": Rule("read", job="endpoint"),
    "hub.list_folder": Rule("read", job="endpoint"),
    "hub.get_paths_info": Rule("read", job="endpoint"),
    "hub.resolve_file": Rule("read", job="endpoint"),
    "hub_uploading.get_caller": Rule("read", kernel=True, job="endpoint"),
    "hub_uploading.validate_card": Rule("read", job="endpoint"),
    "hub_uploading.create": Rule("write", job="endpoint"),
    "hub_uploading.preupload": Rule("write", job="endpoint"),
    "hub_uploading.begin_objects": Rule("write", job="endpoint"),
    "hub_uploading.complete_object": Rule("write", job="endpoint"),
    "hub_uploading.verify_object": Rule("write", job="endpoint"),
    "hub_uploading.commit": Rule("write", job="endpoint"),
    "absent.get_xet_token": Rule("read", job="endpoint"),
    "absent.refuse_type": Rule("read", job="endpoint"),
    "absent.refuse_files_of_type": Rule("read", job="endpoint"),
    "absent.refuse_list": Rule("read", job="endpoint"),
    "absent.refuse_rest": Rule("read", job="endpoint"),
    # evaluations
    "evaluations.create_evaluation": WRITE,
    "evaluations.list_evaluations": READ,
    "evaluations.get_evaluation": READ,
    "evaluations.report_evaluation": WRITE,
    "evaluations.cancel_evaluation": WRITE,
    "evaluations.retry_evaluation": WRITE,
    "evaluations.score_evaluation": WRITE,
    "evaluations.list_examples": READ,
    "test_sets.list_test_sets": Rule("read", kernel=True),
    "test_sets.get_test_set": READ,
    "test_sets.list_rows": READ,
    "test_sets.download_test_set": READ,
    "test_sets.get_ranking": READ,
    "test_sets.delete_test_set": WRITE,
    "test_sets.upload_test_set": Rule("write", kernel=True),
}
"""An endpoint that is not in here is answered to nobody while tokens are on."""
