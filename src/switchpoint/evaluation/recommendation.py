"""Recommendation: what to do with a set of models, as a decision table over intervals and a sentence for anybody.

The table, its first line that holds:

route for quality   the router's gain over the best constant model: the whole interval lies above 0
route for cost      98 % of the best constant's quality is cheaper by the router than by the blind mix, beyond what the
                    same estimates reach when they are dealt out to other queries; or, of a pair without costs, the
                    router's order beats every blind order
mix two models      a blind mix of two models keeps 98 % at a saving worth having
one model           otherwise

Each router in it was chosen by cross-validation on training rows; no line looks for the best of many on the test.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from switchpoint.evaluation import sentences
from switchpoint.evaluation.evidence import Evidence


class Action(StrEnum):
    """What is recommended: a closed set."""

    QUALITY = "route for quality"
    COST = "route for cost"
    MIX = "mix two models"
    CONSTANT = "one model for everything"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """What to do, and why.

    router : None unless it is to route. models : what to call where no router picks, the cheaper one first; else none.
    sentence : for a person who has read nothing else. because : one line for each part of the evidence there is.
    """

    action: Action
    router: str | None = None
    models: tuple[str, ...] = ()
    sentence: str
    because: tuple[str, ...] = ()


def recommend(evidence: Evidence) -> Recommendation:
    """Go down the decision table and say what is found."""
    return replace(_first_line(evidence), because=sentences.reasons(evidence))


def _first_line(found: Evidence) -> Recommendation:
    """Return what the first line of the table says that holds."""
    if found.gains:
        said = sentences.on_routing_for_quality(found)
        return Recommendation(action=Action.QUALITY, router=found.for_quality, sentence=said)
    if found.saves or found.orders:
        said = sentences.on_routing_for_cost(found) if found.saves else sentences.on_saving_calls(found)
        return Recommendation(action=Action.COST, router=found.for_cost, sentence=said)
    mix = found.mix
    if mix is None or not mix.saves:
        return Recommendation(action=Action.CONSTANT, models=(found.best,), sentence=sentences.on_one_model(found))
    if mix.share > 0:
        said = sentences.on_mixing(mix, found.best)
        return Recommendation(action=Action.MIX, models=(mix.low, mix.high), sentence=said)
    return Recommendation(
        action=Action.CONSTANT, models=(mix.low,), sentence=sentences.on_a_cheaper_model(mix, found.best)
    )
