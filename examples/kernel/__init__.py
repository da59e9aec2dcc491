"""A small training kernel: it claims jobs, fine-tunes, logs while it trains, uploads its models and serves them."""
