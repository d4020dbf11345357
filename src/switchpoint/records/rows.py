"""How a record becomes rows, and rows a record; `migrations.py` has the columns.

What was said (messages, responses, an upstream's own words about a failure, which may quote the request) is written
only where the record carries its messages: then rows give back the record exactly. Without them those fields come back
empty, and everything else exactly. An unknown number comes back as None, or as NaN where the field is never None.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from switchpoint.core.attempt import Answer, Attempt, Failure, Verdict
from switchpoint.core.decision import Decision, Reason
from switchpoint.core.model import Usage
from switchpoint.core.record import Feedback, Record

Row = dict[str, Any]
"""Values by column. One to be written lacks what is NULL, since saying so costs as much as a value."""


def record_row(record: Record) -> Row:
    """Return the row of `records`; the decision shown in it is that of the accepted attempt."""
    row = {
        "id": record.id,
        "at": instant(record.at),
        "query_id": record.query_id,
        "route": record.route,
        "strategy": record.strategy,
        "outcome": record.outcome,
        "decide_s": record.decide_s,
        "latency_s": record.latency_s,
        "tags": _json(record.tags),
        "needs": _json(sorted(record.needs)),
        "preparation_usd": _money(record.preparation_usd),  # also NULL: the column has a default
        "preparation_s": record.preparation_s,
    }
    row |= _known(
        cost_usd=_money(record.cost_usd),
        baseline_model=record.baseline_model,
        baseline_cost_usd=_money(record.baseline_cost_usd),
        config=record.config,
        artifact=record.artifact,
        messages=None if record.messages is None else _json(record.messages),
        accept_reason=record.accept_reason,
    )
    if record.accepted is not None:
        row |= _accepted_columns(record.accepted, record.attempts[record.accepted].decision)
    return row


def attempt_rows(record: Record) -> list[Row]:
    """Return the rows of `attempts`, in the order of the calls."""
    with_text = record.messages is not None
    return [_attempt_row(record.id, n, attempt, with_text) for n, attempt in enumerate(record.attempts)]


def feedback_row(feedback: Feedback) -> Row:
    """Return the row of `feedback`, without its number."""
    return {
        "record_id": feedback.record_id,
        "at": instant(feedback.at),
        "metric": feedback.metric,
        "value": feedback.value,
        "source": feedback.source,
    }


def record_of(row: Row, attempts: Iterable[Row]) -> Record:
    """Read a record back from its row and the rows of its attempts, in order."""
    return Record(
        id=row["id"],
        at=datetime.fromisoformat(row["at"]),
        query_id=row["query_id"],
        route=row["route"],
        strategy=row["strategy"],
        attempts=tuple(map(_attempt_of, attempts)),
        accepted=row["accepted"],
        outcome=row["outcome"],
        decide_s=_or_nan(row["decide_s"]),
        latency_s=_or_nan(row["latency_s"]),
        tags=json.loads(row["tags"]),
        needs=frozenset(json.loads(row["needs"])),
        baseline_model=row["baseline_model"],
        baseline_cost_usd=money_of(row["baseline_cost_usd"]),
        config=row["config"],
        artifact=row["artifact"],
        messages=None if row["messages"] is None else tuple(json.loads(row["messages"])),
        preparation_usd=money_of(row["preparation_usd"]),
        preparation_s=_or_nan(row["preparation_s"]),
        accept_reason=row["accept_reason"],
    )


def feedback_of(row: Row) -> Feedback:
    """Read feedback back from its row."""
    return Feedback(
        record_id=row["record_id"],
        at=datetime.fromisoformat(row["at"]),
        metric=row["metric"],
        value=row["value"],
        source=row["source"],
    )


def instant(at: datetime) -> str:
    """Write a moment in UTC with microseconds, always of the same length, so that text sorts by time."""
    return at.astimezone(UTC).isoformat("T", "microseconds")


def money_of(text: str | None) -> Decimal | None:
    """Read an amount; None is unknown."""
    return None if text is None else Decimal(text)


def _accepted_columns(number: int, decision: Decision) -> Row:
    return {
        "accepted": number,
        "answered_by": decision.model,
        "reason": str(decision.reason),
        "propensity": decision.propensity,
    }


def _attempt_row(record_id: str, number: int, attempt: Attempt, with_text: bool) -> Row:
    decision = attempt.decision
    row = {
        "record_id": record_id,
        "number": number,
        "model": decision.model,
        "router": decision.router,
        "reason": str(decision.reason),
        "propensity": decision.propensity,
        "quality": _json(decision.quality),
        "estimated_cost_usd": _json(decision.cost_usd),
        "answered": attempt.answer is not None,
        "verdicts": _json([_verdict_fields(verdict) for verdict in attempt.verdicts]),
        "latency_s": attempt.latency_s,
        "committed": attempt.committed,
        "partial": attempt.partial,
        "aside": attempt.aside,
    }
    row |= _known(
        detail=_text(decision.detail),
        novelty=decision.novelty,
        layer=decision.layer,
        cost_usd=_money(attempt.cost_usd),
        ttft_s=attempt.ttft_s,
    )
    if attempt.answer is not None:
        row |= _answer_columns(attempt.answer, with_text)
    if attempt.failure is not None:
        row |= _failure_columns(attempt.failure, with_text)
    if attempt.verdict is not None:
        row |= _known(score=attempt.verdict.score, verify_cost_usd=_money(attempt.verify_cost_usd))
    return row


def _known(**columns: Any) -> Row:
    return {column: value for column, value in columns.items() if value is not None}


def _failure_columns(failure: Failure, with_text: bool) -> Row:
    return _known(
        failure_kind=failure.kind,
        failure_message=_text(failure.message) if with_text else None,
        failure_status=failure.status,
        failure_retryable=failure.retryable,
        failure_retry_after_s=failure.retry_after_s,
    )


def _answer_columns(answer: Answer, with_text: bool) -> Row:
    usage = _NOTHING if answer.usage is None else answer.usage
    columns = _known(
        answer_model=answer.model,
        finish_reason=answer.finish_reason,
        input_tokens=usage.input_tokens,
        cached_input_tokens=usage.cached_input_tokens,
        output_tokens=usage.output_tokens,
        stated_cost_usd=_money(usage.cost_usd),
    )
    if with_text:
        columns |= {"response": _text(answer.text), "body": _json(answer.body), "logprobs": _json(answer.logprobs)}
    return columns


def _attempt_of(row: Row) -> Attempt:
    return Attempt(
        decision=_decision_of(row),
        answer=_answer_of(row) if row["answered"] else None,
        failure=None if row["failure_kind"] is None else _failure_of(row),
        verdicts=_verdicts_of(row),
        cost_usd=money_of(row["cost_usd"]),
        latency_s=_or_nan(row["latency_s"]),
        ttft_s=row["ttft_s"],
        committed=bool(row["committed"]),
        partial=bool(row["partial"]),
        aside=bool(row["aside"]),
    )


def _decision_of(row: Row) -> Decision:
    return Decision(
        model=row["model"],
        router=row["router"],
        reason=Reason(row["reason"]),
        propensity=row["propensity"],
        quality=_estimates(row["quality"]),
        cost_usd=_estimates(row["estimated_cost_usd"]),
        novelty=row["novelty"],
        detail=row["detail"],
        layer=row["layer"],
    )


def _failure_of(row: Row) -> Failure:
    return Failure(
        kind=row["failure_kind"],
        message=row["failure_message"] or "",
        status=row["failure_status"],
        retryable=bool(row["failure_retryable"]),
        retry_after_s=row["failure_retry_after_s"],
    )


def _answer_of(row: Row) -> Answer:
    usage = Usage(
        input_tokens=row["input_tokens"],
        cached_input_tokens=row["cached_input_tokens"],
        output_tokens=row["output_tokens"],
        cost_usd=money_of(row["stated_cost_usd"]),
    )
    return Answer(
        text=row["response"] or "",
        model=row["answer_model"],
        finish_reason=row["finish_reason"],
        usage=None if usage == _NOTHING else usage,
        logprobs=tuple(_or_nan(x) for x in json.loads(row["logprobs"] or "[]")),
        body=json.loads(row["body"] or "{}"),
    )


def _verdict_fields(verdict: Verdict) -> Row:
    return {
        "verifier": verdict.verifier,
        "score": verdict.score,
        "cost_usd": _money(verdict.cost_usd),
        "detail": _text(verdict.detail),
    }


def _verdicts_of(row: Row) -> tuple[Verdict, ...]:
    """Read the verdicts; a record that was written before each was kept has only the score of one."""
    if row["verdicts"] is not None:
        return tuple(_verdict_of(fields) for fields in json.loads(row["verdicts"]))
    if row["score"] is None and row["verify_cost_usd"] is None:
        return ()
    return (Verdict(score=_or_nan(row["score"]), cost_usd=money_of(row["verify_cost_usd"])),)


def _verdict_of(fields: Row) -> Verdict:
    return Verdict(
        score=_or_nan(fields["score"]),
        cost_usd=money_of(fields["cost_usd"]),
        verifier=fields["verifier"],
        detail=fields["detail"],
    )


def _estimates(text: str) -> dict[str, float]:
    return {model: _or_nan(value) for model, value in json.loads(text).items()}


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _money(amount: Decimal | None) -> str | None:
    return None if amount is None else format(amount, "f")


def _json(value: object) -> str:
    """Write JSON, NaN as null; half a surrogate pair, which a careless client may send, is kept as an escape."""
    try:
        return _ENCODER.encode(value).decode()
    except UnicodeEncodeError:
        return json.dumps(value, default=_plain)


def _plain(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__!r} objects cannot be written as JSON.")


_ENCODER = msgspec.json.Encoder(enc_hook=_plain)
_NOTHING = Usage()


def _text(text: str | None) -> str | None:
    """Replace half a surrogate pair, which SQLite does not take."""
    return None if text is None else text.encode(errors="replace").decode()
