"""The HTTP endpoints of jobs and log lines."""
