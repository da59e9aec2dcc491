"""`tunedeck run`: a command as a job, its output as the job's log, its exit code as the job's end."""
