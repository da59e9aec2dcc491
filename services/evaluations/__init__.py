"""The evaluations service: test sets, evaluations and their results, and the worker that runs them."""
