"""The exit codes of the commands, as client/README.md has them."""

ENDED_BADLY = 1
"""The job, or the evaluation, failed."""

USAGE = 2
ERROR = 3
"""The service refused or is away, or this machine's files will not do."""

NOT_REACHED = 4
"""`--require` was not met."""

INTERRUPTED = 130
BROKEN_PIPE = 141
