"""Resilient: retry and fallback around any strategy. Failures are attempts, so this needs no other machinery."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from switchpoint.cascades.causes import MATRIX, Elsewhere, Treatment, cause
from switchpoint.core.attempt import Attempt, Failure
from switchpoint.core.catalog import Catalog
from switchpoint.core.decision import Call, GiveUp, Reason, Step
from switchpoint.core.errors import NoEligibleModel
from switchpoint.core.protocols import Strategy
from switchpoint.core.query import Query

MAX_RETRY_AFTER_S = 20.0
"""An upstream that asks for a longer pause is left for another model."""

MAX_BACKOFF_S = 8.0
"""Pauses double up to this, before the jitter."""


class Resilient:
    """Follow a strategy, taking models that failed for good out of its reach; the retry matrix is in `causes.py`.

    Being pure, the strategy makes the same choice again while its model may be retried, and its next best choice once
    that model is out of `query.allow`; when none is left the query is given up.

    retries : further calls of one model after failures that may pass; the matrix allows fewer for some causes.
    backoff_s : pause before the first retry; it doubles with each, times 0.5 to 1.5 by the query's own draw. An
        upstream's Retry-After takes its place.
    """

    def __init__(self, strategy: Strategy, catalog: Catalog, *, retries: int = 2, backoff_s: float = 0.5) -> None:
        self.strategy = strategy
        self.name = strategy.name
        self.catalog = catalog
        self.retries = retries
        self.backoff_s = backoff_s

    def next(self, query: Query, attempts: Sequence[Attempt]) -> Step:
        """Return the strategy's step among the models that are not given up."""
        if not attempts:
            return self.strategy.next(query, attempts)
        query = self._narrowed(query, attempts)
        try:
            step = self.strategy.next(query, attempts)
        except NoEligibleModel as error:
            return GiveUp(reason=f"no model is left. {error}")
        last = attempts[-1]
        if not isinstance(step, Call) or last.failure is None:
            return step
        return self._after_failure(step, query, last.failure, last, attempts)

    def _narrowed(self, query: Query, attempts: Sequence[Attempt]) -> Query:
        """Return the query without the models that the failures so far put out of reach."""
        lost: set[str] = set()
        for attempt in attempts:
            if attempt.failure is None:
                continue
            treatment = MATRIX[cause(attempt.failure)]
            if not self._may_retry(attempt.failure, treatment, attempt.decision.model, attempts):
                lost |= self._put_out_of_reach(attempt.decision.model, treatment.elsewhere)
        if not lost:
            return query
        allowed = frozenset(self.catalog.ids) if query.allow is None else query.allow
        return replace(query, allow=allowed - lost)

    def _may_retry(self, failure: Failure, treatment: Treatment, model: str, attempts: Sequence[Attempt]) -> bool:
        patient = failure.retry_after_s is None or failure.retry_after_s <= MAX_RETRY_AFTER_S
        retries = self.retries if treatment.retries is None else min(self.retries, treatment.retries)
        return failure.retryable and patient and _failures(model, attempts) <= retries

    def _put_out_of_reach(self, model: str, elsewhere: Elsewhere) -> set[str]:
        """Return the models that are not called any more after one has failed for good, itself among them."""
        if elsewhere is Elsewhere.ANY:
            return {model}
        if elsewhere is Elsewhere.NONE:
            return set(self.catalog.ids)
        taken = self.catalog[model].context_tokens
        known = ((each.id, each.context_tokens) for each in self.catalog)
        return {model, *(id for id, limit in known if taken is not None and limit is not None and limit <= taken)}

    def _after_failure(
        self, call: Call, query: Query, failure: Failure, last: Attempt, attempts: Sequence[Attempt]
    ) -> Call:
        if call.decision.model != last.decision.model:
            return replace(call, decision=replace(call.decision, reason=Reason.FELL_BACK))
        delay_s = failure.retry_after_s
        if delay_s is None:
            doubled_s = self.backoff_s * 2 ** (_failures(last.decision.model, attempts) - 1)
            delay_s = min(MAX_BACKOFF_S, doubled_s) * (0.5 + query.draw)
        return replace(call, decision=replace(call.decision, reason=Reason.RETRIED), delay_s=delay_s)


def _failures(model: str, attempts: Sequence[Attempt]) -> int:
    return sum(1 for a in attempts if a.failure and a.decision.model == model)
