"""A deployed strategy on recorded answers: what it gave and cost, beside single models, and layer by layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from switchpoint.core.errors import DataError
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import BoolArray, FloatArray
from switchpoint.core.record import Record
from switchpoint.evaluation.bootstrap import Interval, difference, intervals, mean_of
from switchpoint.evaluation.metrics import best_columns, single_models_hull
from switchpoint.evaluation.replay import Played, always, played, recorded
from switchpoint.evaluation.report import Sheet, cells
from switchpoint.upstreams.replay import Replay

NO_LAYER = "–"
"""In the place of a layer's name: a strategy without layers, or no call at all."""


class Beside(NamedTuple):
    """A choice beside the strategy's. gain : the strategy's quality minus its, paired; None for the strategy itself."""

    choice: str
    quality: Interval
    cost_usd: Interval
    gain: Interval | None


class LayerFound(NamedTuple):
    """What one layer settled. quality, cost_usd : of its answers, as means over its queries.

    share : of all queries. gain : its quality minus that of the best single model on the same queries, paired.
    """

    layer: str
    queries: int
    share: Interval
    quality: Interval
    cost_usd: Interval
    gain: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteFound:
    """What a route did. mix_gain : its quality minus that of the random mix of single models of its mean cost.

    escalated, unanswered : shares of the queries. mix_gain is None where a cost is unknown.
    """

    route: str
    dataset: str
    n_queries: int
    best_single: str
    beside: tuple[Beside, ...]
    layers: tuple[LayerFound, ...]
    escalated: Interval
    unanswered: float
    mix_gain: float | None

    def sheets(self) -> Iterator[Sheet]:
        """Yield what a person is shown."""
        caption = f"{self.n_queries} queries; 95 % bootstrap intervals, gains paired by query. "
        caption += f"Escalated: {self.escalated.value:.1%} ({self.escalated.low:.1%} to {self.escalated.high:.1%})"
        caption += f"; without an answer: {self.unanswered:.1%}."
        if self.mix_gain is not None:
            caption += f" Above the random mix of single models at its cost: {self.mix_gain:+.4f}."
        columns = ("choice", "quality", "95 %", "USD per 1,000", "95 %", f"gain of {self.route}", "95 %")
        yield Sheet(f"{self.route} on {self.dataset}", columns, [_row(each) for each in self.beside], caption)
        columns = ("layer", "queries", "share", "quality", "USD per 1,000", f"gain over {self.best_single}", "95 %")
        rows = [
            (x.layer, x.queries, x.share.value, x.quality.value, x.cost_usd.value * 1_000, *cells(x.gain))
            for x in self.layers
        ]
        yield Sheet("layers", columns, rows, None)

    def to_json(self) -> dict[str, object]:
        """Return all of it by name."""
        found: dict[str, object] = {name: getattr(self, name) for name in self.__slots__}
        return found | {
            "beside": [each._asdict() for each in self.beside],
            "layers": [each._asdict() for each in self.layers],
        }


def upstream_of(outcomes: Outcomes) -> Replay:
    """Return an upstream that answers as recorded; of two queries of one text the first one's answers are given."""
    rows: dict[tuple[str, str], dict[str, object]] = {}
    measured = outcomes.measured()
    for i, query in enumerate(outcomes.queries):
        for j, model in enumerate(outcomes.models):
            if np.isnan(outcomes.quality[i, j]):
                continue
            row: dict[str, object] = {"text": query.full_text, "model": model, "score": float(outcomes.quality[i, j])}
            row["cost_usd"] = float(outcomes.cost_usd[i, j])
            row["response"] = None if outcomes.responses is None else outcomes.responses[i, j]
            rows.setdefault((query.full_text, model), row | {name: float(at[i, j]) for name, at in measured.items()})
    return Replay.from_rows(rows.values())


def route_report(route: str, records: Sequence[Record | None], outcomes: Outcomes, best_single: str) -> RouteFound:
    """Return what a route did on recorded outcomes; `records` follows their queries, None where none was answered.

    best_single : the model to beat, chosen on other rows. Raises DataError where nothing was answered.
    """
    own = recorded(records, outcomes)
    if np.isnan(own.quality).all():
        raise DataError(f"{outcomes.name}: the route {route!r} answered none of {len(outcomes)} queries.")
    cost = outcomes.mean_cost_usd()
    others = {f"best single: {best_single}": always(outcomes, best_single)}
    if not np.isnan(cost).all():
        cheapest = outcomes.models[int(np.nanargmin(cost))]
        others[f"cheapest: {cheapest}"] = always(outcomes, cheapest)
    others["oracle"] = played(outcomes, best_columns(outcomes))
    return RouteFound(
        route=route,
        dataset=outcomes.name,
        n_queries=len(outcomes),
        best_single=best_single,
        beside=(_beside(route, own, None), *(_beside(name, each, own) for name, each in others.items())),
        layers=layer_report(records, outcomes, best_single),
        escalated=_mean(np.array([record is not None and record.escalated for record in records], dtype=float)),
        unanswered=float(np.mean(own.columns < 0)),
        mix_gain=_mix_gain(own, outcomes),
    )


def layer_report(records: Sequence[Record | None], outcomes: Outcomes, best_single: str) -> tuple[LayerFound, ...]:
    """Return what each layer settled, the most used first; `records` follows the outcomes' queries."""
    own, best = recorded(records, outcomes), always(outcomes, best_single)
    names = np.array([NO_LAYER if record is None else record.layer or NO_LAYER for record in records])
    found = [_layer(str(name), names == name, own, best) for name in np.unique(names)]
    return tuple(sorted(found, key=lambda each: -each.queries))


def _layer(name: str, its: BoolArray, own: Played, best: Played) -> LayerFound:
    return LayerFound(
        layer=name,
        queries=int(its.sum()),
        share=_mean(its.astype(float)),
        quality=_mean(own.quality[its]),
        cost_usd=_mean(own.cost_usd[its]),
        gain=difference(own.quality[its], best.quality[its]),
    )


def _beside(name: str, each: Played, own: Played | None) -> Beside:
    gain = None if own is None else difference(own.quality, each.quality)
    return Beside(name, _mean(each.quality), _mean(each.cost_usd), gain)


def _mix_gain(own: Played, outcomes: Outcomes) -> float | None:
    if np.isnan(own.cost_usd).any() or np.isnan(outcomes.mean_cost_usd()).any():
        return None
    reached = single_models_hull(outcomes).at(np.array([own.cost_usd.mean()]))[0]
    return None if np.isnan(reached) else float(np.nanmean(own.quality) - reached)


def _mean(values: FloatArray) -> Interval:
    return intervals({"mean": mean_of(values)}, len(values))["mean"]


def _row(each: Beside) -> tuple[object, ...]:
    usd = Interval(*(1_000 * figure for figure in each.cost_usd))
    return each.choice, *cells(each.quality), *cells(usd), *(("", "") if each.gain is None else cells(each.gain))
