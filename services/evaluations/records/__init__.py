"""The rows of evaluations: created, reported by another worker, cancelled, retried."""
