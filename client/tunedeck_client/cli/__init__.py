"""The command line: one module for each noun, results on stdout, messages on stderr."""

from tunedeck_client.cli.main import app, main

__all__ = ["app", "main"]
