"""A record told: a line for every call that was made and for every model weighed but not called; and the bill."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import isnan
from typing import NamedTuple

from switchpoint.core.attempt import Attempt, Verdict
from switchpoint.core.decision import Decision, Reason
from switchpoint.core.record import Record

WHY: Mapping[Reason, str] = {
    Reason.REQUESTED: "the caller named it",
    Reason.FIXED: "this router always takes it",
    Reason.RULE: "a rule matched",
    Reason.SEMANTIC: "like the examples of a route",
    Reason.ESTIMATED: "best by the estimates",
    Reason.RANDOM: "drawn at random, to learn",
    Reason.ONLY_ELIGIBLE: "no other model may take the query",
    Reason.NO_EVIDENCE: "unlike anything trained on: the default",
    Reason.ROUTER_FAILED: "deciding failed: the default",
    Reason.FIRST_OF_CASCADE: "cheap first",
    Reason.ESCALATED: "the answer before was not good enough",
    Reason.OPINION: "for another opinion",
    Reason.SWITCHED: "the answer before began badly",
    Reason.ENSEMBLE: "one of several that always answer",
    Reason.FUSED: "writes one answer from those in hand",
    Reason.RETRIED: "again after a passing failure",
    Reason.FELL_BACK: "the call before failed",
    Reason.STICKY: "the conversation stays with it",
    Reason.LOCKED: "the conversation cannot leave it",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One model's part in a record.

    quality, expected_cost_usd : the estimates before the call; None where none were made.
    attempt : number of the call, from 1; None for a model that was not called, of which only the estimates are known.
    why : the reason for the call; result : what became of it.
    cost_usd : of the call; each of its verdicts has its own.
    """

    model: str
    quality: float | None
    expected_cost_usd: float | None
    attempt: int | None = None
    why: str | None = None
    result: str = "not called"
    cost_usd: Decimal | None = None
    latency_s: float | None = None
    verdicts: tuple[Verdict, ...] = ()


class Bill(NamedTuple):
    """What a query cost in all, and the four parts that add up to it; None is unknown.

    given_usd : the call whose answer was given. discarded_usd : every other call, failed ones included.
    verifying_usd : all verdicts. preparing_usd : what was found out before deciding.
    """

    cost_usd: Decimal | None
    given_usd: Decimal | None
    discarded_usd: Decimal | None
    verifying_usd: Decimal | None
    preparing_usd: Decimal | None


def bill(record: Record) -> Bill:
    """Split the bill of a record."""
    return Bill(record.cost_usd, record.given_usd, record.discarded_usd, record.verify_cost_usd, record.preparation_usd)


def story(record: Record) -> tuple[Line, ...]:
    """Tell the record; a model that was not called is shown with the first estimates made of it."""
    called = {attempt.decision.model for attempt in record.attempts}
    weighed: dict[str, Line] = {}
    for attempt in record.attempts:
        for model in (*attempt.decision.quality, *attempt.decision.cost_usd):
            if model not in called:
                weighed.setdefault(model, _weighed(attempt.decision, model))
    calls = (_called(record, number, attempt) for number, attempt in enumerate(record.attempts))
    return (*calls, *weighed.values())


def why(decision: Decision) -> str:
    """Say in a clause why the model was called: the layer first, where there are layers, and the detail in brackets."""
    layer = "" if decision.layer is None else f"{decision.layer}: "
    return layer + WHY[decision.reason] + (f" ({decision.detail})" if decision.detail else "")


def said(verdict: Verdict) -> str:
    """Say a verdict: its score, or that there is none, with the detail in brackets."""
    return _score(verdict) + (f" ({verdict.detail})" if verdict.detail else "")


def result(record: Record, number: int) -> str:
    """Say what became of a call; of an answer that was scored, the latest verdict, and of one that was given, why."""
    attempt = record.attempts[number]
    score = "" if attempt.verdict is None else f", {_score(attempt.verdict)}"
    if number == record.accepted:
        return _accepted(record.accept_reason) + score
    if attempt.failure is not None:
        status = "" if attempt.failure.status is None else f" {attempt.failure.status}"
        return f"{attempt.failure.kind}{status}"
    if attempt.partial:
        return f"abandoned after its beginning{score}"
    return f"rejected{score}" if attempt.verdict is not None else "not used"


def _score(verdict: Verdict) -> str:
    return "no score" if isnan(verdict.score) else f"score {verdict.score:.2f}"


def _accepted(reason: str | None) -> str:
    return "accepted" if reason in (None, "answered") else f"accepted ({reason})"


def _weighed(decision: Decision, model: str) -> Line:
    return Line(model=model, quality=decision.quality.get(model), expected_cost_usd=decision.cost_usd.get(model))


def _called(record: Record, number: int, attempt: Attempt) -> Line:
    decision = attempt.decision
    return Line(
        model=decision.model,
        quality=decision.quality.get(decision.model),
        expected_cost_usd=decision.cost_usd.get(decision.model),
        attempt=number + 1,
        why=why(decision),
        result=result(record, number),
        cost_usd=attempt.cost_usd,
        latency_s=attempt.latency_s,
        verdicts=attempt.verdicts,
    )
