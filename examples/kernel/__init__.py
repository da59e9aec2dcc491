"""A small but real training kernel: it takes jobs, fine-tunes, logs while it trains, publishes and serves."""
