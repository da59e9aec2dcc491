"""The logs service with a write for each line and subscriber, for the row that shows what gathering is worth."""

from services.logs.app import create_app
from services.logs.streaming import stream
from services.logs.streaming.subscriber import Subscriber, as_chunk

__all__ = ["create_app"]


class _LineByLine(Subscriber):
    def push(self, chunk: bytes, cursor: int) -> None:
        events = chunk.partition(b"\r\n")[2].removesuffix(b"\r\n").split(b"\n\n")[:-1]
        for left, event in enumerate(reversed(events)):
            events[-1 - left] = as_chunk(event + b"\n\n")
        for number, event in enumerate(events, start=cursor - len(events) + 1):
            if self.waits:  # until the socket is full
                super().push(event, number)


stream.Subscriber = _LineByLine  # type: ignore[misc]
