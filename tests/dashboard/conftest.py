"""A log with whatever the test needs, and a reader over it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from switchpoint.core.attempt import Answer, Attempt, Verdict
from switchpoint.core.decision import Decision, Reason
from switchpoint.core.model import Usage
from switchpoint.core.record import Feedback, Record
from switchpoint.records.log import RecordLog
from switchpoint.records.reader import RecordReader

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CHEAP = Attempt(
    decision=Decision(
        model="small", router="r", reason=Reason.FIRST_OF_CASCADE, quality={"small": 0.61, "large": 0.93}, cost_usd={}
    ),
    answer=Answer(text="Lyon", usage=Usage(input_tokens=1234, output_tokens=4), body={}),
    verdicts=(Verdict(score=0.31, cost_usd=Decimal("0.00001"), verifier="checks"),),
    cost_usd=Decimal("0.0001"),
    latency_s=0.2,
)
DEAR = Attempt(
    decision=Decision(model="large", router="r", reason=Reason.ESCALATED, propensity=0.9),
    answer=Answer(text="Paris", body={}),
    cost_usd=Decimal("0.0021"),
    latency_s=0.7,
)
RECORD = Record(
    id="rec-00",
    at=NOON,
    query_id="q",
    route="auto",
    strategy="cheap-first",
    attempts=(CHEAP, DEAR),
    accepted=1,
    outcome="answered",
    decide_s=0.0004,
    latency_s=1.0,
    baseline_model="large",
    baseline_cost_usd=Decimal("0.01"),
)
Fill = Callable[..., RecordReader]


@pytest.fixture
def record() -> Record:
    """Cheap first, then escalated."""
    return RECORD


@pytest.fixture
def fill(tmp_path: Path) -> Fill:
    """Log these records, and say of each what is given in `helpful`; without records, `n` of them a minute apart."""

    def fill(*records: Record, n: int = 0, helpful: float | None = None) -> RecordReader:
        more = [replace(RECORD, id=f"rec-{i:02}", at=NOON + timedelta(minutes=i)) for i in range(n)]
        with RecordLog(tmp_path / "records.sqlite") as log:
            for each in (*records, *more):
                log(each)
                if helpful is not None:
                    log.add_feedback(
                        Feedback(record_id=each.id, at=NOON, metric="helpful", value=helpful, source="user")
                    )
        return RecordReader(log.path)

    return fill
