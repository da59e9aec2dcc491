"""What other tools' own protocols say of a training, as jobs, lines and metrics; nothing else depends on it."""
