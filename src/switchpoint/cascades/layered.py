"""Layered: cheap signals first. Each layer settles the queries that it is sure of; the last one takes the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol, runtime_checkable

from switchpoint.core.attempt import Attempt
from switchpoint.core.decision import Call, Step
from switchpoint.core.errors import ConfigError, NoEligibleModel, RequestError
from switchpoint.core.protocols import Strategy
from switchpoint.core.query import Query


class Passed(NamedTuple):
    """A layer leaves the query to the next one; `why` is one short clause for a person, empty for nothing to say."""

    why: str


Settle = Callable[[Query, Sequence[Attempt]], Step | Passed]
"""The next step of a query that a layer settles, or `Passed`. Pure."""

Willingness = Callable[[Query], float]
"""The dollars that one would pay for a full point of quality on this query, as of now; see `routers/budget.py`."""


class Layer(NamedTuple):
    """A layer, by the name that decisions carry."""

    name: str
    settle: Settle


@runtime_checkable
class Willing(Protocol):
    """A strategy that decides by a willingness to pay, and can be asked at another one."""

    def at(self, willingness_usd: float) -> Strategy:
        """Return this strategy at a willingness: dollars for one full point of quality."""
        ...


class Layered:
    """Ask the layers in turn; the first that settles the query keeps it.

    layers : in the order in which they are asked, at least one; the last one settles all that it is asked.

    Which layer a query is with follows from its attempts, once there are any, so that a budget that moves between two
    of its calls does not move the query. It never goes back to an earlier layer; to a later one it goes where its own
    has no model left or fails to decide. What a layer fails with is kept in the decision's `detail`; what the last one
    raises is raised, as is a refusal.

    Every call carries this strategy's name and the layer's, so that one budget hears of all of them.
    """

    def __init__(self, name: str, layers: Sequence[Layer]) -> None:
        names = [layer.name for layer in layers]
        if not names or len(set(names)) < len(names):
            raise ConfigError(f"routers.{name}: layers must be at least one, of different names. Got {names!r}.")
        self.name = name
        self.layers = tuple(layers)

    def next(self, query: Query, attempts: Sequence[Attempt]) -> Step:
        """Return the step of the layer that settles the query; raises Refused, and what its last layer raises."""
        *sure, last = self.layers[self._reached(attempts) :]
        passed: list[str] = []
        for layer in sure:
            settled = _asked(layer, query, attempts)
            if not isinstance(settled, Passed):
                return self._marked(layer, settled, passed)
            passed += [f"{layer.name}: {settled.why}"] if settled.why else []
        settled = last.settle(query, attempts)
        if isinstance(settled, Passed):
            raise TypeError(f"the last layer, {last.name}, must settle what it is asked. It passed: {settled.why}")
        return self._marked(last, settled, passed)

    def _reached(self, attempts: Sequence[Attempt]) -> int:
        """Return the number of the layer that the query is with."""
        number_of = {layer.name: number for number, layer in enumerate(self.layers)}
        # A call of the default model, where deciding failed, is of no layer.
        return max((number_of.get(attempt.decision.layer or "", 0) for attempt in attempts), default=0)

    def _marked(self, layer: Layer, step: Step, passed: Sequence[str]) -> Step:
        if not isinstance(step, Call):
            return step
        said = [*passed, *([step.decision.detail] if step.decision.detail else [])]
        decision = replace(step.decision, router=self.name, layer=layer.name, detail="; ".join(said) or None)
        return replace(step, decision=decision)


def always(strategy: Strategy, willingness_usd: Willingness | None = None) -> Settle:
    """Return what settles every query by a strategy, at the willingness of the moment where it can be asked at one."""

    def settle(query: Query, attempts: Sequence[Attempt]) -> Step:
        if willingness_usd is not None and isinstance(strategy, Willing):
            return strategy.at(willingness_usd(query)).next(query, attempts)
        return strategy.next(query, attempts)

    return settle


def _asked(layer: Layer, query: Query, attempts: Sequence[Attempt]) -> Step | Passed:
    """Ask a layer; one that cannot decide passes."""
    try:
        return layer.settle(query, attempts)
    except NoEligibleModel:
        return Passed("none of its models may answer")
    except RequestError:
        raise
    except Exception as error:
        return Passed(f"deciding failed ({type(error).__name__})")
