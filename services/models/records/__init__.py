"""The rows of models and of their manifests, and the names under which the API shows files."""
