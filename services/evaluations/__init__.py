"""Evaluations: a fine-tuned model judged against its base on a test set."""
