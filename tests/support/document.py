"""Reads the samples of an API document, so that they run as they stand there and not as somebody retyped them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
OURS = ROOT / "docs" / "api.md"
USERS = ROOT.parent / "shared" / "API_EXAMPLES.md"
"""The document that the system is built from; it lies beside the project and not in it."""

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^(#{2,4}) (.+)$", re.MULTILINE)
_MAPS = ("files", "configuration")
"""Objects whose names are the user's own: what they hold is of the documented types."""

_BASE = "http://localhost:8080"


@dataclass(frozen=True)
class Sample:
    """A code block: its language, its text, the titles above it, and the bold word before it ("Response")."""

    language: str
    text: str
    titles: tuple[str, ...]
    label: str

    @property
    def name(self) -> str:
        return " / ".join(self.titles)

    def at(self, base: str, token: str | None = None) -> str:
        """Return the text with the system's own port and, where it is asked for a token, with the header added.

        In a shell the header is the prelude's to add, to each ``curl`` of ours; Python's and JavaScript's goes by what
        makes the sample's requests.
        """
        text = self.text.replace(_BASE, base)
        if token is not None:
            text = text.replace("YOUR_TOKEN", token)
        return text if token is None else _HEADER_ADDED.get(self.language, "").replace("BASE", base) + text

    def json(self) -> Any:
        """Return the value of a JSON sample; ``{...}`` and ``[...]`` stand for anything of that type."""
        return json.loads(self.text.replace("{...}", "{}").replace("[...]", "[]"))


_HEADER_ADDED = {
    "python": """
import os, requests
_bare_request = requests.Session.request
def _request(self, method, url, **options):
    if url.startswith("BASE/api/v1"):
        token = {"Authorization": f"Bearer {os.environ['TUNEDECK_TOKEN']}"}
        options["headers"] = {**token, **(options.get("headers") or {})}
    return _bare_request(self, method, url, **options)
requests.Session.request = _request
""",
    "javascript": """
const withToken = (url, options) => {
    const token = { Authorization: `Bearer ${process.env.TUNEDECK_TOKEN}` };
    return fetch(url, { ...options, headers: { ...options.headers, ...token } });
};
const EventSource = class extends BareEventSource {
    constructor(url, options) { super(url, { ...options, fetch: withToken }); }
};
""",
}


def documents() -> list[Path]:
    """Return our own reference, and the user's document where it is there."""
    return [path for path in (OURS, USERS) if path.exists()]


def read_samples(path: Path) -> list[Sample]:
    """Return the code blocks of a Markdown file in their order."""
    text = path.read_text()
    headings = [
        (match.start(), len(match[1]), match[2])
        for match in _HEADING.finditer(text)
        if not _in_fence(text, match.start())
    ]
    samples = []
    for fence in _FENCE.finditer(text):
        titles: dict[int, str] = {}
        for start, level, title in headings:
            if start < fence.start():
                titles = {above: name for above, name in titles.items() if above < level} | {level: title}
        before = text[: fence.start()].rstrip().rsplit("\n", 1)[-1]
        label = before.strip("*: ") if before.startswith("**") else ""
        samples.append(Sample(fence[1], fence[2], tuple(_plain(title) for title in titles.values()), label))
    return samples


def _in_fence(text: str, position: int) -> bool:
    return text.count("\n```", 0, position) % 2 == 1


def _plain(title: str) -> str:
    return re.sub(r"[^\w ().:/-]", "", title).strip()


def differences(expected: Any, actual: Any, path: str = "") -> list[str]:
    """Compare the shape of an answer with that of a document: every name is there, every value of that type."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        if path.rpartition(".")[2] in _MAPS and actual:
            kinds = {_kind(value) for value in expected.values()}
            return [f"{path}.{name} is {value!r}" for name, value in actual.items() if _kind(value) not in kinds]
        found = []
        for name, value in expected.items():
            if name in actual:
                found += differences(value, actual[name], f"{path}.{name}")
            else:
                found.append(f"{path}.{name} is missing")
        return found
    if isinstance(expected, list) and isinstance(actual, list):
        if expected and not actual:
            return [f"{path} is empty"]
        return (
            [line for item in actual[:1] for line in differences(expected[0], item, f"{path}[0]")] if expected else []
        )
    if _kind(expected) != _kind(actual):
        return [f"{path} is {actual!r}, not like {expected!r}"]
    return []


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", value):
        return "time"
    return type(value).__name__
