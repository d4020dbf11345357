"""Ensemble: every model answers, then one answer is chosen or written. A reference, priced in full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from switchpoint.cascades.opinions import given, waiting
from switchpoint.core.attempt import Attempt
from switchpoint.core.bounds import Bounds, affordable, in_turn
from switchpoint.core.catalog import Catalog
from switchpoint.core.decision import Accept, Call, Decision, Hold, Reason, Step
from switchpoint.core.errors import ConfigError, NoEligibleModel
from switchpoint.core.query import EMPTY, Query


class Combine(Protocol):
    """Makes one answer of several; those of the room are in `combine.py`."""

    def step(self, name: str, query: Query, attempts: Sequence[Attempt], candidates: Sequence[int]) -> Step:
        """Return the next step towards one answer.

        name : of the ensemble, for decisions. candidates : two or more numbers of attempts, in the order of the models;
        answers beyond these are to calls that were made for combining.
        """
        ...

    def worst_case(self, query: Query, n_candidates: int) -> Bounds:
        """Return the bounds of combining so many candidates."""
        ...


class Ensemble:
    """Call every model, one after another, then combine their answers.

    models : ids, the best first, because that decides ties; one that stands twice is sampled twice.
    combine : see `combine.py`.
    parameters : fields of every candidate's request, such as a verifier's need of log-probabilities.

    All calls are in the record and in the bill. A model that failed for good, or that the query's limit cannot pay for,
    is left out; a single answer is taken as it is.
    """

    def __init__(
        self,
        name: str,
        catalog: Catalog,
        models: Sequence[str],
        combine: Combine,
        *,
        parameters: Mapping[str, Any] = EMPTY,
    ) -> None:
        if len(models) < 2:
            raise ConfigError(f"cascades.{name}: models must name at least two models. Got {list(models)!r}.")
        self.name = name
        self.models = [catalog[model] for model in models]
        self.combine = combine
        self.parameters = parameters

    def worst_case(self, query: Query) -> Bounds:
        """Return the bounds of every call, those for combining included."""
        models = affordable(self.models, query)
        combining = self.combine.worst_case(query, len(models)) if len(models) > 1 else Bounds()
        return (in_turn(models, query) + combining).within(query)

    def next(self, query: Query, attempts: Sequence[Attempt]) -> Step:
        """Call the next model that has not answered; once all have, combine."""
        candidates = given([model.id for model in self.models], attempts)
        left = waiting([model.id for model in affordable(self.models, query)], attempts)
        if left:
            alone = not candidates and len(left) == 1
            decision = Decision(model=left[0], router=self.name, reason=Reason.ENSEMBLE)
            return Call(decision=decision, hold=Hold.NOTHING if alone else Hold.ALL, parameters=self.parameters)
        if not candidates:
            raise NoEligibleModel(Catalog({model.id: model for model in self.models}.values()).exclusions(query))
        if len(candidates) == 1:
            return Accept(attempt=candidates[0], reason="the only answer")
        return self.combine.step(self.name, query, attempts, candidates)
