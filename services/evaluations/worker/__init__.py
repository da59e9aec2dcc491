"""The worker: claims an evaluation by a lease, asks both models, stores each answer as it comes."""
