"""The variables by which a child is told of its job, so that a trainer that can reports by itself."""

from __future__ import annotations

from typing import Mapping

from tunedeck_client.jobs.claimed_job import ClaimedJob


def child_environment(
    environ: Mapping[str, str],
    job: ClaimedJob,
    *,
    url: str,
    logs_url: str,
    token: str | None,
    token_file: str | None,
    uploads: bool = False,
) -> dict[str, str]:
    """Return the child's environment. What somebody has set already stays, the pairs together."""
    child = {"PYTHONUNBUFFERED": "1", **environ}
    child.update(TUNEDECK_URL=url, TUNEDECK_LOGS_URL=logs_url)
    if job.token is not None:  # what somebody has set is the kernel's, with which a training can do nothing
        child["TUNEDECK_TOKEN"] = token = job.token
    elif token is not None:
        child.setdefault("TUNEDECK_TOKEN", token)
    if job.job_id is None:  # the service is away: a trainer that reports by itself would wait for it
        child.pop("TUNEDECK_JOB", None)
        return child
    child.update(TUNEDECK_JOB=str(job.job_id), TUNEDECK_KERNEL=job.kernel)
    if uploads:
        child["TUNEDECK_UPLOAD"] = "1"  # a callback leaves it to us
    if "MLFLOW_TRACKING_URI" not in environ:
        child.update(MLFLOW_TRACKING_URI=f"{url}/mlflow", MLFLOW_RUN_ID=str(job.job_id))
        if token is not None:
            child.setdefault("MLFLOW_TRACKING_TOKEN", token)
    if "KUBEFLOW_TRAINER_SERVER_URL" not in environ and token_file is not None:
        status_url = f"{logs_url}/api/v1/jobs/{job.job_id}/trainer-status"
        child.update(KUBEFLOW_TRAINER_SERVER_URL=status_url, KUBEFLOW_TRAINER_SERVER_TOKEN=token_file)
    return child
