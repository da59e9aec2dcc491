"""The HTTP endpoints of evaluations and test sets."""
