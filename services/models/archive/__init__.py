"""A model as a ZIP archive: planned, read from the store, streamed, resumable at any byte."""
