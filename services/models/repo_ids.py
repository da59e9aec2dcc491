"""The names of models as repositories of the Hugging Face Hub API, `namespace/name`; pure."""

from __future__ import annotations

import re

OURS = "tunedeck"
MAX_CHARS = 96
MAX_NUMBER = 2**63 - 1

_TAKEN = frozenset({"api", "datasets", "kernels", "mlflow", "models", "spaces", "ui"})
"""Namespaces in whose place an address of the gateway has something else."""

_PART = re.compile(r"[A-Za-z0-9_.-]+")
_OF_NUMBER = re.compile(rf"{OURS}/(model|job)-([1-9][0-9]{{0,18}})")


def parse_numbered(repo_id: str) -> tuple[str, int] | None:
    """Return what a name of ours stands for, or None for any other one.

    `tunedeck/model-<ID>` is ``("model", ID)``, `tunedeck/job-<N>`, the newest ready model of a job, ``("job", N)``.
    """
    match = _OF_NUMBER.fullmatch(repo_id)
    return None if match is None or int(match[2]) > MAX_NUMBER else (match[1], int(match[2]))


def repo_id_problem(repo_id: str) -> str | None:
    """Say why a model cannot be given this repository id, or None.

    The rules are those by which the Hub's clients check a name before they ask.
    """
    namespace, _, name = repo_id.partition("/")
    if len(repo_id) > MAX_CHARS:
        return f"Longer than {MAX_CHARS} characters."
    if not all(_PART.fullmatch(part) for part in (namespace, name)):
        return "Must be a namespace and a name of A-Z a-z 0-9 . _ - each, with a / between them."
    if any(part[0] in ".-" or part[-1] in ".-" for part in (namespace, name)):
        return "Neither the namespace nor the name may begin or end with a dot or a hyphen."
    if "--" in repo_id or ".." in repo_id or name.endswith(".git"):
        return "Must not contain -- or .. and not end with .git."
    if namespace.lower() in _TAKEN:
        return f"The namespace {namespace} is taken by other addresses."
    if namespace == OURS and name.startswith(("model-", "job-")):
        return f"{OURS}/model-… and {OURS}/job-… name models and jobs by their numbers."
    return None


def namespace_of(caller: str) -> str:
    """Return the namespace of a token's name, which may have characters that none has; ours where there is no name."""
    return re.sub(r"[^A-Za-z0-9_]+", "-", caller).strip("-") if caller else OURS
