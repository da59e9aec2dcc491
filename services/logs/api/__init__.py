"""The HTTP endpoints of jobs, log lines and metrics, and those of other tools' protocols."""
