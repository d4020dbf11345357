"""ThresholdCascade: cheap first; accept its answer if a verifier's score passes, else the next model of the chain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from switchpoint.core.attempt import Attempt, best_answered
from switchpoint.core.bounds import Bounds, affordable, in_turn
from switchpoint.core.catalog import Catalog
from switchpoint.core.decision import Accept, Call, Decision, Hold, Reason, Step, Verify
from switchpoint.core.errors import ConfigError, NoEligibleModel, nearest
from switchpoint.core.model import Model
from switchpoint.core.query import EMPTY, Query

LOGPROBS: Mapping[str, Any] = {"logprobs": True}
"""What is asked for with an answer that a verifier reads log-probabilities of."""


class ThresholdCascade:
    """Call a chain of models until one's answer scores its threshold or more; the last one's answer is taken as it is.

    models : at least two ids, cheapest first. verifier : the name under which the engine knows it, or several, cheapest
    first: an answer must pass them all, and the first that it fails ends the asking. threshold : in [0, 1], or one for
    each model but the last. needs_logprobs : whether a verifier reads log-probabilities; they are then asked for.
    Answers are held until accepted, except the last model's, which streams straight through. Models that could take a
    query over its `max_cost_usd` together with those before them are left out. When no model is left, the best answer
    in hand is taken.

    Raises ConfigError for a chain that cannot be followed.

    Source: FrugalGPT (Chen et al. 2023), section 3.
    """

    def __init__(
        self,
        name: str,
        catalog: Catalog,
        models: Sequence[str],
        verifier: str | Sequence[str],
        threshold: float | Sequence[float],
        *,
        needs_logprobs: bool = False,
    ) -> None:
        self.name = name
        self.chain = chain_of(name, catalog, models, needs_logprobs=needs_logprobs)
        self.verifiers = (verifier,) if isinstance(verifier, str) else tuple(verifier)
        if not self.verifiers:
            raise ConfigError(f"cascades.{name}: verifier must name at least one verifier. Got none.")
        self.thresholds = _thresholds(name, [model.id for model in self.chain[:-1]], threshold)
        self._parameters = LOGPROBS if needs_logprobs else EMPTY

    def next(self, query: Query, attempts: Sequence[Attempt]) -> Step:
        """Accept or check the answer in hand, else call the next eligible model that has not answered yet."""
        answered = [number for number, attempt in enumerate(attempts) if attempt.answered]
        waiting = self._waiting(query, {attempts[number].decision.model for number in answered})
        if answered and not waiting:
            return Accept(attempt=_last_or_best(attempts, answered[-1]), reason="last of the cascade")
        if answered:
            step = self._judge(answered[-1], attempts[answered[-1]])
            if step is not None:
                return step
        return self._call(query, waiting, escalated=bool(answered))

    def worst_case(self, query: Query) -> Bounds:
        """Return what a run takes at most: every model that it can pay for, one after another."""
        return in_turn(affordable(self.chain, query), query)

    def _judge(self, number: int, attempt: Attempt) -> Step | None:
        """Verify an answer, or accept it; None rejects it."""
        for verifier in self.verifiers:
            verdict = attempt.verdict_of(verifier)
            if verdict is None:
                return Verify(attempt=number, verifier=verifier)
            if not verdict.score >= self.thresholds.get(attempt.decision.model, 0.0):
                return None
        return Accept(attempt=number, reason="verified")

    def _waiting(self, query: Query, answered: set[str]) -> list[str]:
        return [model.id for model in affordable(self.chain, query) if model.id not in answered]

    def _call(self, query: Query, waiting: list[str], escalated: bool) -> Step:
        if not waiting:
            raise nobody(self.chain, query)
        reason = Reason.ESCALATED if escalated else Reason.FIRST_OF_CASCADE
        decision = Decision(model=waiting[0], router=self.name, reason=reason)
        if len(waiting) == 1:
            return Call(decision=decision)
        return Call(decision=decision, hold=Hold.ALL, parameters=self._parameters)


def chain_of(name: str, catalog: Catalog, models: Sequence[str], *, needs_logprobs: bool) -> tuple[Model, ...]:
    """Return the models of the cascade `name`, in order.

    needs_logprobs : of every model but the last, whose answer is not looked at.

    Raises ConfigError for fewer than two, one that is unknown or named twice, and one that is known not to give the
    log-probabilities that are needed.
    """
    place = f"cascades.{name}"
    if len(models) < 2 or len(set(models)) < len(models):
        raise ConfigError(f"{place}: models must name at least two models, each once. Got {list(models)!r}.")
    unknown = next((model for model in models if model not in catalog), None)
    if unknown is not None:
        raise ConfigError(f"{place}: there is no model {unknown!r}.{nearest(unknown, catalog.ids)} Name one there is.")
    chain = tuple(catalog[model] for model in models)
    for model in chain[:-1]:
        if needs_logprobs and model.can is not None and "logprobs" not in model.can:
            raise ConfigError(
                f"{place}: its verifier needs log-probabilities, which model {model.id!r} cannot give (its `can` does "
                "not list logprobs). Name another model, or a verifier that does without."
            )
    return chain


def nobody(chain: Sequence[Model], query: Query) -> NoEligibleModel:
    """Return the error of a query that no model of a chain may take."""
    tokens = query.input_tokens
    return NoEligibleModel({model.id: model.exclusion(query, tokens) or "already tried" for model in chain})


def _thresholds(name: str, models: Sequence[str], threshold: float | Sequence[float]) -> dict[str, float]:
    given = [threshold] * len(models) if isinstance(threshold, int | float) else list(threshold)
    if len(given) != len(models) or not all(0.0 <= each <= 1.0 for each in given):
        raise ConfigError(
            f"cascades.{name}: threshold must be in [0, 1], or one such number for each of the {len(models)} models "
            f"before the last. Got {threshold!r}."
        )
    return dict(zip(models, given, strict=True))


def _last_or_best(attempts: Sequence[Attempt], last: int) -> int:
    """Return the last answer where nobody was to look at it, else the best of those that were rejected."""
    best = best_answered(attempts)
    return last if best is None or attempts[last].verdict is None else best
