"""The HTTP endpoints of models, their files, uploads and downloads."""
