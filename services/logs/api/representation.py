"""Which representation of a log a request wants: a page of JSON, a stream, or text (RFC 9110, 12.5.1)."""

from __future__ import annotations

from collections.abc import Iterable

from werkzeug.datastructures import MIMEAccept

_PAGING = frozenset({"limit", "after", "before", "order"})


def wants_text(accept: MIMEAccept) -> bool:
    """Whether text is wanted more than anything else that is named."""
    wanted = _preferences(accept)
    others = [preference for name, preference in wanted.items() if name != "text/plain"]
    return "text/plain" in wanted and wanted["text/plain"] > max(others, default=(0.0, False))


def wants_stream(accept: MIMEAccept, parameters: Iterable[str]) -> bool:
    """Whether a stream is wanted and not JSON; where Accept does not say, a paging parameter is of JSON."""
    wanted = _preferences(accept)
    any_type = wanted.get("*/*", (0.0, False))
    as_stream = wanted.get("text/event-stream", wanted.get("text/*", any_type))
    as_json = wanted.get("application/json", wanted.get("application/*", any_type))
    if as_stream != as_json:
        return as_stream > as_json
    return not _PAGING.intersection(parameters)


def _preferences(accept: MIMEAccept) -> dict[str, tuple[float, bool]]:
    """Return how much each type is wanted: its quality, and of the same quality what is named before a wildcard.

    Some clients add a charset, which Werkzeug would take for another type.
    """
    types = [(value.partition(";")[0].rstrip().lower(), quality) for value, quality in accept]
    return {name: (quality, "*" not in name) for name, quality in reversed(types)}
