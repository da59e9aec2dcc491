"""Changes to a model's files while it is not ready, in the store and on record together."""
