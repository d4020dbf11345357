"""PrefixGate: cheap first; hold the beginning of its answer, and go on with it or call the next model."""

from __future__ import annotations

from collections.abc import Sequence

from switchpoint.cascades.threshold import LOGPROBS, chain_of, nobody
from switchpoint.core.attempt import Attempt, best_answered
from switchpoint.core.bounds import Bounds, affordable, in_turn
from switchpoint.core.catalog import Catalog
from switchpoint.core.decision import Accept, Call, Decision, Hold, Reason, Step, Verify
from switchpoint.core.errors import ConfigError
from switchpoint.core.query import EMPTY, Query


class PrefixGate:
    """Score the first `prefix_tokens` of each model's answer; it streams on from `threshold`, else the next is called.

    models : at least two ids, cheapest first; the last one's answer is not held. verifier : scores the beginning as it
    would a whole answer, so it must not mind that the end is missing. needs_logprobs : whether it reads
    log-probabilities; they are then asked for. An answer that ends within the beginning, calls a tool or is not
    streamed is scored whole. When no model is left, the beginning that is held is taken, else the best whole answer in
    hand, else a model whose beginning was abandoned is called again.

    Raises ConfigError for a chain that cannot be followed, a threshold outside [0, 1] or no tokens to hold.

    Source: the chunk-wise check of Narasimhan et al. (2025), with one chunk. Differs: the verifier may be any, and what
    was rejected is not continued but left.
    """

    def __init__(
        self,
        name: str,
        catalog: Catalog,
        models: Sequence[str],
        verifier: str,
        threshold: float,
        prefix_tokens: int,
        *,
        needs_logprobs: bool = False,
    ) -> None:
        if not 0.0 <= threshold <= 1.0:
            raise ConfigError(f"cascades.{name}: threshold must be in [0, 1]. Got {threshold!r}.")
        if prefix_tokens < 1:
            raise ConfigError(f"cascades.{name}: prefix_tokens must be 1 or more. Got {prefix_tokens!r}.")
        self.name = name
        self.chain = chain_of(name, catalog, models, needs_logprobs=needs_logprobs)
        self.verifier, self.threshold, self.prefix_tokens = verifier, threshold, prefix_tokens
        self._parameters = LOGPROBS if needs_logprobs else EMPTY

    def next(self, query: Query, attempts: Sequence[Attempt]) -> Step:
        """Judge the beginning or the answer that came last, else call the next model that has not been heard."""
        heard = {attempt.decision.model for attempt in attempts if attempt.answered or attempt.partial}
        waiting = [model.id for model in affordable(self.chain, query) if model.id not in heard]
        last = attempts[-1] if attempts else None
        if last is not None and (last.answered or last.partial):
            step = self._judge(len(attempts) - 1, last, last_one=not waiting)
            if step is not None:
                return step
        if waiting:
            return self._call(waiting[0], _reason(attempts), held=len(waiting) > 1)
        best = best_answered(attempts)
        if best is not None:
            return Accept(attempt=best, reason="last of the cascade")
        return self._again(query, attempts)

    def worst_case(self, query: Query) -> Bounds:
        """Return what a run takes at most: every model that it can pay for, one after another, each to its end."""
        return in_turn(affordable(self.chain, query), query)

    def _judge(self, number: int, attempt: Attempt, last_one: bool) -> Step | None:
        """Verify a beginning or a whole answer, or accept it; None rejects it."""
        verdict = attempt.verdict_of(self.verifier)
        if verdict is None:
            if last_one:
                return Accept(attempt=number, reason="last of the cascade")
            return Verify(attempt=number, verifier=self.verifier)
        if verdict.score >= self.threshold:
            return Accept(attempt=number, reason="beginning verified" if attempt.partial else "verified")
        if attempt.partial and last_one:
            return Accept(attempt=number, reason="last of the cascade")
        return None

    def _call(self, model: str, reason: Reason, *, held: bool) -> Call:
        decision = Decision(model=model, router=self.name, reason=reason)
        if not held:
            return Call(decision=decision)
        return Call(decision=decision, hold=Hold.PREFIX, prefix_tokens=self.prefix_tokens, parameters=self._parameters)

    def _again(self, query: Query, attempts: Sequence[Attempt]) -> Step:
        """An abandoned beginning is better than nothing: its model answers after all, where every later one failed."""
        abandoned = {attempt.decision.model for attempt in attempts if attempt.partial}
        able = [model.id for model in affordable(self.chain, query) if model.id in abandoned]
        if not able:
            raise nobody(self.chain, query)
        return self._call(able[-1], Reason.FELL_BACK, held=False)


def _reason(attempts: Sequence[Attempt]) -> Reason:
    """Return why the next model is called: after nothing, a beginning or a whole answer."""
    seen = next((attempt for attempt in reversed(attempts) if attempt.answered or attempt.partial), None)
    if seen is None:
        return Reason.FIRST_OF_CASCADE
    return Reason.SWITCHED if seen.partial else Reason.ESCALATED
