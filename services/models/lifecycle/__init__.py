"""A model's life, uploading, ready or error, and what freezing its files makes."""
