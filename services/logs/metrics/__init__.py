"""Training metrics of a job: reported by its kernel, or read from its log when somebody asks."""
