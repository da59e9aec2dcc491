"""Models on their way to the service and back: a folder of files, resumable in both directions."""
