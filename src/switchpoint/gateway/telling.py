"""What the gateway tells of a decision: a few headers always, the whole story on request."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from switchpoint.core.attempt import Attempt, Verdict
from switchpoint.core.decision import Decision, Reason
from switchpoint.core.query import Query
from switchpoint.engine.run import Run
from switchpoint.gateway.errors import Header

SCHEMA_VERSION = b"1"
"""Of the headers and of the `switchpoint` object; it changes when a field changes its meaning or goes away."""


CUT_SHORT = frozenset({"deadline", "cost limit", "best in hand", "deciding failed"})
"""Reasons to accept an answer that a caller should know of: more would have been tried, and was not."""


@lru_cache(maxsize=1024)
def header_value(text: str) -> bytes:
    """Write a name so that a header can hold it: percent-encoded but for what is common in names."""
    return quote(text, safe="/:@+,=!()").encode()


def identity(run: Run) -> list[Header]:
    """Return the headers that name the run; there from its start, so on errors too."""
    return [
        (b"x-request-id", run.query.id.encode()),
        (b"x-switchpoint-version", SCHEMA_VERSION),
        (b"x-switchpoint-record", run.id.encode()),
        (b"x-switchpoint-route", header_value(run.route)),
    ]


def headers(run: Run) -> list[Header]:
    """Return the headers that tell the decision."""
    decision = run.decision
    assert decision is not None
    return [
        *identity(run),
        (b"x-switchpoint-model", header_value(decision.model)),
        (b"x-switchpoint-reason", decision.reason.encode()),
        (b"x-switchpoint-router", header_value(decision.router)),
        *_phase(run.query, decision),
        *_contract(run.query, decision),
    ]


def _phase(query: Query, decision: Decision) -> list[Header]:
    """Return the header that tells where in its conversation the query is; none where no conversation is known."""
    if decision.reason is Reason.LOCKED:
        return [(b"x-switchpoint-session-phase", b"locked")]
    if query.session is None:
        return []
    before = query.session.model
    phase = b"new" if before is None else b"stay" if before == decision.model else b"switch"
    return [(b"x-switchpoint-session-phase", phase)]


def _contract(query: Query, decision: Decision) -> list[Header]:
    """Return the header that tells whether the quality that the caller demands is estimated to be reached."""
    if query.min_quality is None:
        return []
    quality = decision.quality.get(decision.model, math.nan)
    told = b"unknown" if math.isnan(quality) else b"reached" if quality >= query.min_quality else b"missed"
    return [(b"x-switchpoint-min-quality", told)]


def cut_short(accept_reason: str | None) -> list[Header]:
    """Return the header that tells why an answer was accepted which the strategy was not done with; else none."""
    if accept_reason not in CUT_SHORT:
        return []
    return [(b"x-switchpoint-accept-reason", accept_reason.replace(" ", "-").encode())]


def cost(run: Run) -> list[Header]:
    """Return the header that tells the bill of a run that has ended; none where it is unknown."""
    cost_usd = run.record.cost_usd
    return [] if cost_usd is None else [(b"x-switchpoint-cost-usd", f"{cost_usd:f}".encode())]


def story(run: Run) -> dict[str, Any]:
    """Return the `switchpoint` object of a run that has ended; None is unknown.

    decision : every field of `switchpoint.core.decision.Decision`, of the answer that was given.
    accept_reason : why that answer was accepted, in the strategy's words.
    upstream_model : the name under which the upstream says it answered.
    """
    record = run.record
    return {
        "record": record.id,
        "route": record.route,
        "decision": run.decision,
        "accept_reason": record.accept_reason,
        "attempts": [_attempt(attempt) for attempt in record.attempts],
        "cost_usd": record.cost_usd,
        "baseline_model": record.baseline_model,
        "baseline_cost_usd": record.baseline_cost_usd,
        "saved_usd": record.saved_usd,
        "upstream_model": record.answer.model if record.answer else None,
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "model": attempt.decision.model,
        "reason": attempt.decision.reason,
        "failure": attempt.failure.kind if attempt.failure else None,
        "layer": attempt.decision.layer,
        "partial": attempt.partial,
        "score": attempt.verdict.score if attempt.verdict else None,
        "verdicts": [_verdict(verdict) for verdict in attempt.verdicts],
        "cost_usd": attempt.cost_usd,
        "latency_s": attempt.latency_s,
        "ttft_s": attempt.ttft_s,
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "verifier": verdict.verifier,
        "score": verdict.score,
        "cost_usd": verdict.cost_usd,
        "detail": verdict.detail,
    }
