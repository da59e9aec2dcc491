"""A kernel's side of a job: to create it, to claim it, to keep it by a heartbeat, to end it."""
