"""Path parameters: an ID, and the rest of a path."""

from __future__ import annotations

from werkzeug.exceptions import NotFound
from werkzeug.routing import BaseConverter

from shared.http.fields import MAX_ID


class IdConverter(BaseConverter):
    """An ID in a path; anything but 1…2⁶³−1 in ASCII digits matches no route (Werkzeug's own takes ``٣``)."""

    regex = "[0-9]{1,19}"

    def to_python(self, value: str) -> int:
        number = int(value)
        if not 1 <= number <= MAX_ID:
            # Not the router's ValidationError: that goes on looking, and answers 405 where another method has the path.
            raise NotFound
        return number


class RestConverter(BaseConverter):
    """The rest of a path, slashes and all, also where it is no valid object path: that is refused with 422."""

    regex = "(?s:.*)"
    part_isolating = False
