"""The end of a job for a reason that one sentence explains."""


class JobFailed(Exception):
    """Its text becomes the last line of the job's log, without a traceback."""
