"""Statistics of a test set: rows, labels and class sizes, duplicates, fields, each in bounded memory; pure."""

from __future__ import annotations

from collections import Counter

from services.evaluations.datasets.row_shapes import Row

MAX_LABELS = 1_000
_MAX_LABEL_CHARACTERS = 200
_MAX_INPUTS = 50_000
_MAX_FIELDS = 100


class SetStatistics:
    """Collects them row by row; what is too much to remember is None."""

    def __init__(self) -> None:
        self.rows = 0
        self._classes: Counter[str] | None = Counter()
        self._inputs: set[int] | None = set()
        self._duplicates = 0
        self._fields: dict[str, None] = {}

    def add(self, row: Row) -> None:
        self.rows += 1
        if self._classes is not None:
            self._classes[row.expected] += 1
            if len(self._classes) > MAX_LABELS or len(row.expected) > _MAX_LABEL_CHARACTERS:
                self._classes = None
        if self._inputs is not None:
            asked = hash((row.input, row.messages and str(row.messages)))
            self._duplicates += asked in self._inputs
            self._inputs.add(asked)
            if len(self._inputs) > _MAX_INPUTS:
                self._inputs = None
        if len(self._fields) < _MAX_FIELDS:
            self._fields |= dict.fromkeys(row.fields)

    @property
    def labels(self) -> list[str] | None:
        """The distinct ``expected``; None once they are more than 1,000, or one is a long text."""
        return None if self._classes is None else sorted(self._classes)

    @property
    def classes(self) -> dict[str, int] | None:
        """The rows of each label, the largest class first."""
        found = self._classes
        return None if found is None else dict(sorted(found.items(), key=lambda each: (-each[1], each[0])))

    @property
    def duplicates(self) -> int | None:
        """The rows that ask what an earlier one does; None of more than 50,000 rows."""
        return None if self._inputs is None else self._duplicates

    @property
    def fields(self) -> list[str]:
        """The names of the records' fields, the first hundred."""
        return list(self._fields)
