"""Cascade: a belief and a rule as a strategy. After each answer: believe, price, and call the next model or stop."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from switchpoint.cascades.belief import Belief, Evidence, Posterior, numbered
from switchpoint.cascades.opinions import answers, text_of
from switchpoint.cascades.play import given
from switchpoint.cascades.rules import STOP, Rule, best_in_hand
from switchpoint.cascades.willingness import price
from switchpoint.core.attempt import Attempt
from switchpoint.core.bounds import Bounds, Number, worst_case
from switchpoint.core.catalog import Catalog
from switchpoint.core.decision import Accept, Call, Decision, Hold, Reason, Step, Verify
from switchpoint.core.errors import ConfigError, NoEligibleModel
from switchpoint.core.protocols import Estimator
from switchpoint.core.query import EMPTY, BoolArray, FloatArray, Query


@dataclass(frozen=True, kw_only=True)
class Cascade:
    """Verify the newest answer, believe, and let the rule say which model to call next, or that it is enough.

    catalog : the models that it may call; the columns of the belief and of all estimates follow it.
    quality : the prior, estimated from the query; None is what the belief learned of each model.
    cost, latency : estimators of every model. willingness_usd : dollars for one full point of quality.
    usd_per_s : dollars that a second of waiting is worth; it needs `latency`.
    verifier : whose scores the belief reads; None verifies nothing.
    max_calls : answers at most; None is as many as there are models.
    parameters : fields of every call's request, such as the verifier's need of log-probabilities.
    read : how answers are compared: their texts to the numbers of `Evidence.conclusion`.

    An answer is held until it is accepted, since a later one may be better; one streams straight through where no other
    model may be called and none has answered. A query's max_cost_usd leaves out what is more than is left of it.

    Raises ConfigError when the belief or an estimator was made for other models.
    """

    name: str
    catalog: Catalog
    belief: Belief
    rule: Rule
    cost: Estimator
    willingness_usd: float
    quality: Estimator | None = None
    verifier: str | None = None
    latency: Estimator | None = None
    usd_per_s: float = 0.0
    max_calls: int | None = None
    parameters: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    read: Callable[[Sequence[str | None]], list[int]] = numbered

    def __post_init__(self) -> None:
        for known in (self.belief, self.quality, self.cost, self.latency):
            if known is not None and known.models_ != self.catalog.ids:
                raise ConfigError(
                    f"cascades.{self.name}: {type(known).__name__} knows the models {', '.join(known.models_)}; the "
                    f"cascade has {', '.join(self.catalog.ids)}. Train it for these."
                )
        if self.usd_per_s > 0 and self.latency is None:
            raise ConfigError(f"cascades.{self.name}.usd_per_s: no latency is estimated, so it would price nothing.")
        if self.max_calls is not None and self.max_calls < 1:
            raise ConfigError(f"cascades.{self.name}.max_calls must be 1 or more. Got {self.max_calls!r}.")

    def at(self, willingness_usd: float) -> Self:
        """Return this cascade at another willingness."""
        return replace(self, willingness_usd=willingness_usd)

    def worst_case(self, query: Query) -> Bounds:
        """Return the bounds of the calls that take most, whichever they are."""
        tokens = query.input_tokens
        each = [worst_case(model, query) for model in self.catalog if model.exclusion(query, tokens) is None]
        calls = len(each) if self.max_calls is None else min(self.max_calls, len(each))
        return Bounds(
            calls=calls,
            input_tokens=_largest([bounds.input_tokens for bounds in each], calls),
            output_tokens=_largest([bounds.output_tokens for bounds in each], calls),
            latency_s=_largest([bounds.latency_s for bounds in each], calls),
            cost_usd=_largest([bounds.cost_usd for bounds in each], calls),
        ).within(query)

    def next(self, query: Query, attempts: Sequence[Attempt]) -> Step:
        """Verify, call or accept."""
        in_hand = {attempts[number].decision.model: number for number in answers(attempts)}
        eligible = self._eligible(query, attempts, in_hand)
        if not in_hand and not eligible.any():
            raise NoEligibleModel(self.catalog.exclusions(query))
        newest = max(in_hand.values(), default=None)
        if newest is not None and self.verifier is not None and self._matters(attempts[newest], in_hand, eligible):
            return Verify(attempt=newest, verifier=self.verifier)
        called = np.array([[model in in_hand for model in self.catalog.ids]])
        posterior = self._posterior(query, attempts, in_hand)
        cost_usd = self.cost.predict([query]).mean
        chosen = int(self.rule(posterior, called, eligible, self._price(query, cost_usd))[0])
        if chosen == STOP:
            best = self.catalog.ids[int(given(posterior, called)[0])]
            worth = "nothing more is worth its price" if eligible.any() else "no other model may be called"
            return Accept(attempt=in_hand[best], reason=worth)
        alone = not in_hand and (eligible.sum() == 1 or self.max_calls == 1)
        decision = self._decision(chosen, posterior, cost_usd, called)
        return Call(decision=decision, hold=Hold.NOTHING if alone else Hold.ALL, parameters=self.parameters)

    def _eligible(self, query: Query, attempts: Sequence[Attempt], in_hand: Collection[str]) -> BoolArray:
        """Return which models may be called next, shape (1, n_models)."""
        full = self.max_calls is not None and len(in_hand) >= self.max_calls
        tokens = query.input_tokens
        left = query
        if query.max_cost_usd is not None:
            spent_usd = sum(_spent_usd(attempt, self.catalog, query) for attempt in attempts)
            left = replace(query, max_cost_usd=query.max_cost_usd - spent_usd)
        return np.array(
            [[not full and m.id not in in_hand and m.exclusion(left, tokens) is None for m in self.catalog]]
        )

    def _matters(self, newest: Attempt, in_hand: Collection[str], eligible: BoolArray) -> bool:
        """Whether a verdict is missing and could change what comes next."""
        assert self.verifier is not None
        return newest.verdict_of(self.verifier) is None and (len(in_hand) > 1 or bool(eligible.any()))

    def _posterior(self, query: Query, attempts: Sequence[Attempt], in_hand: Mapping[str, int]) -> Posterior:
        prior = None if self.quality is None else self.quality.predict([query]).mean
        given_by = [attempts[in_hand[model]] if model in in_hand else None for model in self.catalog.ids]
        said = self.read([None if attempt is None else text_of(attempt) for attempt in given_by])
        score = [math.nan if attempt is None else self._score(attempt) for attempt in given_by]
        return self.belief.posterior(prior, Evidence(np.array([said]), np.array([score])))

    def _score(self, attempt: Attempt) -> float:
        verdict = None if self.verifier is None else attempt.verdict_of(self.verifier)
        return math.nan if verdict is None else verdict.score

    def _price(self, query: Query, cost_usd: FloatArray) -> FloatArray:
        """Return the price of calling each model, in quality; shape (1, n_models)."""
        if self.latency is None or self.usd_per_s == 0:
            return price(cost_usd, self.willingness_usd)
        seconds = self.latency.predict([query]).mean
        return price(cost_usd + self.usd_per_s * seconds, self.willingness_usd)

    def _decision(self, column: int, posterior: Posterior, cost_usd: FloatArray, called: BoolArray) -> Decision:
        mean, spread = posterior.mean[0], posterior.spread[0]
        reason, word = Reason.FIRST_OF_CASCADE, "first"
        if called.any():
            better = mean[column] > best_in_hand(posterior, called)[0]
            reason, word = (Reason.ESCALATED, "escalation") if better else (Reason.OPINION, "another opinion")
        return Decision(
            model=self.catalog.ids[column],
            router=self.name,
            reason=reason,
            quality=dict(zip(self.catalog.ids, mean.tolist(), strict=True)),
            cost_usd=dict(zip(self.catalog.ids, cost_usd[0].tolist(), strict=True)),
            detail=f"{word}: {mean[column]:.2f} ± {spread[column]:.2f} believed",
        )


def _spent_usd(attempt: Attempt, catalog: Catalog, query: Query) -> float:
    """What an attempt took off the query's limit: its bill, else what was set aside for it."""
    if attempt.bill_usd is not None:
        return float(attempt.bill_usd)
    model = attempt.decision.model
    reserve_usd = catalog[model].reserve_usd(query, query.input_tokens) if model in catalog else None
    return 0.0 if reserve_usd is None else reserve_usd


def _largest(values: Sequence[Number | None], count: int) -> Number | None:
    """Return the sum of the largest so many; None where one of all is unknown."""
    known = sorted((value for value in values if value is not None), reverse=True)
    return sum(known[1:count], start=known[0]) if 0 < len(known) == len(values) else None
