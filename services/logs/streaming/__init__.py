"""Live streams: one channel for each watched job, fanned out to its subscribers as server-sent events."""
