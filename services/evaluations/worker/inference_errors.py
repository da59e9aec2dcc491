"""What may go wrong with a request to the inference server."""

from __future__ import annotations

_MAX_MESSAGE_CHARACTERS = 500


class UnknownModel(Exception):
    """The server does not know the model; the message is the server's, and lists the models that it knows."""


class ServerAway(Exception):
    """The server has answered nothing for as long as a run waits for it."""


class InferenceError(Exception):
    """No answer; ``reason`` is one word (``timeout``, ``http_500``, ``invalid_json``), the message says it in full.

    ``again``: it is worth a retry. ``busy``: it is the server as a whole that cannot answer now (a rate limit, a
    restart), which is no fault of the row, and ends after ``retry_after`` seconds if the server named them.
    """

    def __init__(
        self, reason: str, message: str, *, again: bool = False, busy: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(storable(message[:_MAX_MESSAGE_CHARACTERS]))
        self.reason = reason
        self.again = again or busy
        self.busy = busy
        self.retry_after = retry_after


def storable(text: str) -> str:
    """Replace what PostgreSQL's text cannot hold."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
