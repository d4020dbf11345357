"""Records to log: one of everything that can happen to a query."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from switchpoint.core.attempt import Answer, Attempt, Failure, Verdict
from switchpoint.core.decision import Decision, Reason
from switchpoint.core.model import Usage
from switchpoint.core.record import Record
from switchpoint.records.log import RecordLog
from tests.stores.servers import PostgresServer, postgres_server, redis_server, running_postgres, running_redis

__all__ = ["postgres_server", "redis_server", "running_postgres", "running_redis"]

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ESTIMATES: dict[str, Any] = {
    "quality": {"small": 0.6, "large": 0.9, "huge": 0.95},
    "cost_usd": {"small": 0.0001, "large": 0.002},
}

REJECTED = Attempt(
    decision=Decision(model="small", router="cheap-first", reason=Reason.FIRST_OF_CASCADE, novelty=0.2, **ESTIMATES),
    answer=Answer(text="Lyon", model="small-2026", usage=Usage(input_tokens=90, output_tokens=4), body={"id": "a"}),
    verdicts=(Verdict(score=0.31, cost_usd=Decimal("0.00001"), verifier="checks"),),
    cost_usd=Decimal("0.0001"),
    latency_s=0.2,
)
FAILED = Attempt(
    decision=Decision(model="huge", router="cheap-first", reason=Reason.ESCALATED, **ESTIMATES),
    failure=Failure(kind="RateLimited", message="slow down", status=429, retryable=True, retry_after_s=2.5),
    cost_usd=Decimal(0),
    latency_s=0.05,
)
ACCEPTED = Attempt(
    decision=Decision(
        model="large", router="cheap-first", reason=Reason.FELL_BACK, propensity=0.9, detail="after huge", **ESTIMATES
    ),
    answer=Answer(
        text="Paris",
        model="large-2026",
        finish_reason="stop",
        usage=Usage(input_tokens=100, cached_input_tokens=64, output_tokens=5, cost_usd=Decimal("0.0021")),
        logprobs=(-0.25, -1.5),
        body={"choices": [{"message": {"content": "Paris"}}]},
    ),
    cost_usd=Decimal("0.0021"),
    latency_s=0.7,
    ttft_s=0.3,
    committed=True,
)
FULL = Record(
    id="rec-0",
    at=NOON,
    query_id="q-0",
    route="auto",
    strategy="cheap-first",
    attempts=(REJECTED, FAILED, ACCEPTED),
    accepted=2,
    outcome="answered",
    decide_s=0.0004,
    latency_s=1.0,
    tags={"tenant": "acme"},
    needs=frozenset({"tools"}),
    baseline_model="huge",
    baseline_cost_usd=Decimal("0.01"),
    config="c0ffee",
    artifact="a57",
    messages=({"role": "user", "content": "The capital of France?"},),
)


@pytest.fixture
def full() -> Record:
    """Cheap first: rejected, then a failure, then accepted; with its prompt."""
    return FULL


def in_layer(attempt: Attempt, layer: str, **changes: Any) -> Attempt:
    return replace(attempt, **{"decision": replace(attempt.decision, layer=layer), **changes})


ABANDONED = Attempt(
    decision=Decision(model="mini", router="layers", reason=Reason.SEMANTIC, detail="like 'weather'", layer="semantic"),
    answer=Answer(text="Ly", body={}),
    verdicts=(Verdict(score=0.12, cost_usd=Decimal("0.00002"), verifier="confidence", detail="8 tokens"),),
    latency_s=0.1,
    partial=True,
)
LAYERED = replace(
    FULL,
    id="rec-layered",
    attempts=(
        ABANDONED,
        in_layer(
            REJECTED,
            "cascade",
            verdicts=(
                Verdict(score=0.9, verifier="checks"),
                Verdict(score=math.nan, cost_usd=Decimal("0.0003"), verifier="judge", detail="timed out"),
            ),
        ),
        in_layer(ACCEPTED, "cascade"),
    ),
    accept_reason="deadline",
    messages=None,
)


@pytest.fixture
def layered() -> Record:
    """A beginning abandoned by one layer, at an unknown cost; then a draft discarded by another, which answered."""
    return LAYERED


@pytest.fixture
def make() -> Callable[..., Record]:
    """Make record number n, a minute after the one before, without its prompt."""

    def make(n: int, **changes: Any) -> Record:
        numbered: dict[str, Any] = {"id": f"rec-{n}", "at": NOON + timedelta(minutes=n), "messages": None}
        return replace(FULL, **(numbered | changes))

    return make


@pytest.fixture
def said() -> Callable[[str], tuple[Attempt, ...]]:
    """Make a failure whose upstream quotes this text, then an answer that says it."""

    def said(text: str) -> tuple[Attempt, ...]:
        answer = Answer(text=text, body={"choices": [text]})
        failure = Failure(kind="UpstreamRefused", message=f"cannot answer {text}", status=400)
        return replace(FAILED, failure=failure), replace(ACCEPTED, answer=answer)

    return said


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "records.sqlite"


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, path: Path, monkeypatch: pytest.MonkeyPatch) -> Path | str:
    """Where a new log is to be kept, in each kind of database: what `RecordLog`, `RecordReader` and `--db` take."""
    if request.param == "sqlite":
        return path
    server: PostgresServer = request.getfixturevalue("postgres_server")
    monkeypatch.setenv("TEST_DATABASE_URL", server.url)
    return "env:TEST_DATABASE_URL"


@pytest.fixture
def log(place: Path | str) -> Iterator[RecordLog]:
    with RecordLog(place, flush_interval_s=0.01) as log:
        yield log
