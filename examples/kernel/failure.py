"""The error that fails a job for a reason which one sentence explains."""


class JobFailed(Exception):
    """Fails the job; its text is the last line of the log, without a traceback."""
