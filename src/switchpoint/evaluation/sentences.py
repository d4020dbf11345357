"""Sentences: evidence in words, for a person who knows neither routers nor statistics."""

from __future__ import annotations

import math

from switchpoint.evaluation.bootstrap import Interval
from switchpoint.evaluation.evidence import Evidence, Mix, blind_ratio
from switchpoint.evaluation.family import NEAR_BEST


def on_routing_for_quality(evidence: Evidence) -> str:
    """Say what letting a router pick the model adds."""
    gain = evidence.gain
    assert gain is not None
    return (
        f"Route: letting '{evidence.for_quality}' pick the model raises quality by {gain.value * 100:.1f} points of "
        f"100 over always {evidence.best} ({points_range(gain)}){_bill(evidence)}."
    )


def _bill(evidence: Evidence) -> str:
    paid, best = evidence.usd_per_1k, evidence.best_usd_per_1k
    if paid is None or best is None or not best.value > 0:
        return ""
    change = paid.value / best.value - 1
    return f", at {share_of(abs(change))} {'more' if change > 0 else 'less'} cost"


def on_routing_for_cost(evidence: Evidence) -> str:
    """Say what near-best quality costs with a router."""
    found = evidence.costs
    assert found is not None
    ratio = found.near_best_ratio
    return (
        f"Route to save: with '{evidence.for_cost}', {share_of(NEAR_BEST)} of the quality of always {evidence.best} "
        f"costs {share_of(ratio.value)} of its bill ({share_range(ratio)}); mixing models blindly costs "
        f"{share_of(blind_ratio(found))}."
    )


def on_saving_calls(evidence: Evidence) -> str:
    """Say how many strong calls a router needs, where nobody knows what they cost."""
    pair = evidence.pair
    assert pair is not None
    return (
        f"Route to save: sending the {share_of(pair.cpt50.value)} of the queries that '{evidence.for_cost}' picks to "
        f"{pair.strong} brings half of what it adds to {pair.weak}, and {share_of(pair.cpt80.value)} bring four "
        f"fifths; picked blindly, {share_of(0.5)} and {share_of(0.8)} would be needed."
    )


def on_mixing(mix: Mix, best: str) -> str:
    """Say what drawing between two models keeps and saves."""
    return (
        f"Do not train a router: send {share_of(mix.share)} of the queries, drawn at random, to {mix.high} and the "
        f"rest to {mix.low}. That keeps {share_of(mix.quality_ratio.value)} of the quality of always {best} at "
        f"{share_of(mix.cost_ratio.value)} of its cost ({share_range(mix.cost_ratio)})."
    )


def on_a_cheaper_model(mix: Mix, best: str) -> str:
    """Say that another model is nearly as good for less."""
    return (
        f"Use {mix.low} for everything: it keeps {share_of(mix.quality_ratio.value)} of the quality of {best} at "
        f"{share_of(mix.cost_ratio.value)} of its cost ({share_range(mix.cost_ratio)}), and no router is proven to do "
        "better."
    )


def on_one_model(evidence: Evidence) -> str:
    """Say that the best constant model is the thing to use."""
    why = "no router is proven to answer better, or as well for less"
    if evidence.costs is None and evidence.pair is None:
        why = "no router is proven to answer better, and costs are not known"
    return f"Use {evidence.best} for everything: {why}."


def reasons(evidence: Evidence) -> tuple[str, ...]:
    """Say what each line of the decision table saw, those that saw nothing left out."""
    return tuple(line for line in (_on_quality(evidence), _on_cost(evidence), _on_mix(evidence)) if line is not None)


def _on_quality(evidence: Evidence) -> str | None:
    gain = evidence.gain
    if gain is None:
        return None
    return (
        f"A gain in quality is {_verdict(evidence.gains)}: '{evidence.for_quality}', the router to judge it by, gains "
        f"{points(gain.value)} points of 100 over always {evidence.best} ({points_range(gain)})."
    )


def _on_cost(evidence: Evidence) -> str | None:
    found, pair = evidence.costs, evidence.pair
    if found is not None:
        ratio, luck = found.near_best_ratio, found.near_best_ratio_shuffled
        return (
            f"A saving by routing is {_verdict(evidence.saves)}: {share_of(NEAR_BEST)} of that quality costs "
            f"{share_of(ratio.value)} of the bill ({share_range(ratio)}) by '{evidence.for_cost}', "
            f"{share_of(blind_ratio(found))} by a blind mix, and {share_of(luck.low)} to {share_of(luck.high)} by the "
            "luck of the same estimates dealt out to other queries."
        )
    if pair is not None:
        luck = pair.apgr_random
        return (
            f"A saving of calls is {_verdict(evidence.orders)}: APGR {pair.apgr.value:.3f} (95 %: {pair.apgr.low:.3f} "
            f"to {pair.apgr.high:.3f}) by '{evidence.for_cost}', {luck.low:.3f} to {luck.high:.3f} by the luck of a "
            "blind order."
        )
    return None


def _on_mix(evidence: Evidence) -> str | None:
    mix = evidence.mix
    if mix is None or mixture(mix) == f"always {evidence.best}":
        return None
    return (
        f"What needs no router, {mixture(mix)}, keeps {share_of(mix.quality_ratio.value)} of the quality "
        f"({share_range(mix.quality_ratio)}) at {share_of(mix.cost_ratio.value)} of the cost "
        f"({share_range(mix.cost_ratio)})."
    )


def _verdict(proven: bool) -> str:
    return "proven" if proven else "not proven"


def mixture(mix: Mix) -> str:
    """Name the models of a mix and their shares."""
    if 0 < mix.share < 1:
        return f"{share_of(mix.share)} {mix.high} and the rest {mix.low}"
    return f"always {mix.high if mix.share else mix.low}"


def points(value: float) -> str:
    """Show a difference of qualities in points of 100, signed."""
    return f"{value * 100:+.1f}".replace("-", "−")


def points_range(found: Interval) -> str:
    """Show the ends of an interval of a difference."""
    return f"95 %: {points(found.low)} to {points(found.high)}"


def share_of(value: float) -> str:
    """Show a part of one in percent; one digit below a tenth, NaN is unknown."""
    if math.isnan(value):
        return "an unknown part"
    return f"{value * 100:.{1 if abs(value) < 0.0995 else 0}f} %".replace("-", "−")


def share_range(found: Interval) -> str:
    """Show the ends of an interval of parts of one."""
    return f"95 %: {share_of(found.low)} to {share_of(found.high)}"
