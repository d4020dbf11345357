"""Our own record log as a dataset: what was asked, who answered, what it cost, and what feedback said of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from switchpoint.core.errors import DataError
from switchpoint.core.query import Query
from switchpoint.core.record import Feedback, Record
from switchpoint.learning.observations import Chunk, Row, of_rows
from switchpoint.records.reader import RecordReader


def records(source: Path) -> Iterator[Chunk]:
    """Read the answers that callers were given: one observation for each record, none of models that were not asked.

    The score is the mean of the newest feedback, null without any: a verifier's opinion is not quality. The propensity
    of the choice is kept as a column of its own. The domain is the tag `task`, else the route.

    Raises DataError when prompts were not stored, ConfigError when there is no log at this path.
    """
    reader = RecordReader(source)
    feedback = reader.feedback()
    answered = stored = 0

    def observed() -> Iterator[tuple[int, Row]]:
        nonlocal answered, stored
        for number, record in enumerate(reader.all(), start=1):
            answered += record.accepted is not None
            if record.accepted is not None and record.messages is not None:
                stored += 1
                yield number, _row(record, record.accepted, feedback.get(record.id, ()))

    yield from of_rows(source, observed(), {"score": "feedback", "text": "messages"})
    if not stored:
        raise DataError(
            f"{source}: none of {answered} answered records holds its prompt. Set `store_prompts = true` under "
            "[records] in switchpoint.toml; records written before stay without."
        )


def _row(record: Record, accepted: int, feedback: tuple[Feedback, ...]) -> Row:
    attempt = record.attempts[accepted]
    usage = attempt.answer.usage if attempt.answer else None
    return {
        "text": Query(id=record.query_id, messages=record.messages or ()).full_text,
        "model": attempt.decision.model,
        "domain": record.tags.get("task", record.route),
        "score": math.fsum(each.value for each in feedback) / len(feedback) if feedback else None,
        "cost_usd": None if attempt.cost_usd is None else float(attempt.cost_usd),
        "input_tokens": usage.input_tokens if usage else None,
        "output_tokens": usage.output_tokens if usage else None,
        "latency_s": attempt.latency_s,
        "response": attempt.answer.text if attempt.answer else None,
        "propensity": attempt.decision.propensity,
    }
