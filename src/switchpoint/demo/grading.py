"""Grading: what an answer was worth, and how long it took, by the recording or by the task's own rule."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Protocol

from switchpoint.core.errors import DataError
from switchpoint.core.outcome import Outcomes
from switchpoint.core.record import Record
from switchpoint.demo.tasks import tasks
from switchpoint.demo.traffic import Reply
from switchpoint.learning.tables import read_table


class Grader(Protocol):
    """Says what an answer was worth."""

    def score(self, reply: Reply) -> float:
        """Return the quality, in [0, 1]; NaN is unknown."""
        ...

    def latency_s(self, reply: Reply, record: Record) -> float:
        """Return how long the upstream took; NaN is unknown."""
        ...


class Recorded:
    """The recording is the judge: replayed answers have recorded scores and took their recorded time."""

    def __init__(self, data: Path, outcomes: Outcomes) -> None:
        self._score = {
            (query.id, model): float(outcomes.quality[row, column])
            for row, query in enumerate(outcomes.queries)
            for column, model in enumerate(outcomes.models)
        }
        self._latency_s = _latencies(data)

    def score(self, reply: Reply) -> float:
        """Return the recorded score."""
        return self._score[reply.query.id, reply.model]

    def latency_s(self, reply: Reply, record: Record) -> float:
        """Return the recorded time."""
        return self._latency_s.get((reply.query.id, reply.model), math.nan)


class Checked:
    """The task itself is the judge, of answers that were just made."""

    def __init__(self) -> None:
        self._tasks = {task.query_id: task for task in tasks()}

    def score(self, reply: Reply) -> float:
        """Return 1 for an accepted answer, else 0."""
        return float(self._tasks[reply.query.id].accepts(reply.text))

    def latency_s(self, reply: Reply, record: Record) -> float:
        """Return the measured time of all attempts."""
        return sum(attempt.latency_s for attempt in record.attempts)


def _latencies(data: Path) -> dict[tuple[str, str], float]:
    try:
        table = read_table(data, "outcomes", ["query_id", "model", "latency_s"])
    except DataError:  # the schema does not require the column
        return {}
    rows = (row for _, row in table.rows("query_id", "model", "latency_s"))
    return {(query, model): math.nan if seconds is None else float(seconds) for query, model, seconds in rows}
