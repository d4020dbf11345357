"""ThresholdCascade: cheap first; accept its answer if a verifier's score passes, else the next model of the chain."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

from switchpoint.core.attempt import Attempt
from switchpoint.core.catalog import Catalog
from switchpoint.core.decision import Accept, Call, Decision, Hold, Reason, Step, Verify
from switchpoint.core.errors import ConfigError, NoEligibleModel
from switchpoint.core.query import Query


class ThresholdCascade:
    """Call a chain of models until one's answer scores `threshold` or more; the last one's answer is taken as it is.

    models : at least two ids, cheapest first. verifier : the name under which the engine knows it.
    Answers are held until accepted, except the last model's, which streams straight through.
    When no model is left, the best answer in hand is taken.

    Source: FrugalGPT (Chen et al. 2023), section 3. Differs: one threshold for the chain, not one for each model.
    """

    def __init__(self, name: str, catalog: Catalog, models: Sequence[str], verifier: str, threshold: float) -> None:
        if len(models) < 2:
            raise ConfigError(f"cascades.{name}: models must name at least two models. Got {list(models)!r}.")
        self.name = name
        self.chain = tuple(catalog[model] for model in models)
        self.verifier = verifier
        self.threshold = threshold

    def next(self, query: Query, attempts: Sequence[Attempt]) -> Step:
        """Accept or check the answer in hand, else call the next eligible model that has not answered yet."""
        answered = [number for number, attempt in enumerate(attempts) if attempt.answered]
        waiting = self._waiting(query, {attempts[number].decision.model for number in answered})
        if answered and not waiting:
            return Accept(attempt=self._best(attempts, answered), reason="last of the cascade")
        if answered:
            verdict = attempts[answered[-1]].verdict
            if verdict is None:
                return Verify(attempt=answered[-1], verifier=self.verifier)
            if verdict.score >= self.threshold:
                return Accept(attempt=answered[-1], reason="verified")
        return self._call(query, waiting, escalated=bool(answered))

    def _waiting(self, query: Query, answered: set[str]) -> list[str]:
        tokens = query.input_tokens
        return [m.id for m in self.chain if m.id not in answered and m.exclusion(query, tokens) is None]

    def _call(self, query: Query, waiting: list[str], escalated: bool) -> Step:
        if not waiting:
            tokens = query.input_tokens
            raise NoEligibleModel({m.id: m.exclusion(query, tokens) or "already tried" for m in self.chain})
        reason = Reason.ESCALATED if escalated else Reason.FIRST_OF_CASCADE
        decision = Decision(model=waiting[0], router=self.name, reason=reason)
        return Call(decision=decision, hold=Hold.ALL if len(waiting) > 1 else Hold.NOTHING)

    def _best(self, attempts: Sequence[Attempt], answered: list[int]) -> int:
        """The last model's own answer if it came, else the answer with the highest score."""
        if attempts[answered[-1]].decision.model == self.chain[-1].id:
            return answered[-1]
        return max(answered, key=lambda number: _score(attempts[number]))


def _score(attempt: Attempt) -> float:
    score = attempt.verdict.score if attempt.verdict else float("nan")
    return -1.0 if isnan(score) else score
