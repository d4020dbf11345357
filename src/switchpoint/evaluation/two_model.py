"""The two-model view: how well a router orders queries by the gain of the strong model over the weak one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from switchpoint.core.errors import ConfigError
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import FloatArray, IntArray
from switchpoint.evaluation.baselines import random_apgr
from switchpoint.evaluation.bootstrap import RESAMPLES, Interval, Statistic, interval, resampled
from switchpoint.evaluation.curve import Ranking
from switchpoint.evaluation.metrics import apgr, cpt

SHARES = np.linspace(0.0, 1.0, 101)


class Pair(NamedTuple):
    """The two models of the view."""

    weak: str
    strong: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A curve to draw, with the band of its resamples; all of shape (n_points,)."""

    x: FloatArray
    y: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoModel:
    """Figures of the two-model view on the queries on which both models were observed.

    gain_over_length : APGR minus that of prompt length, paired.
    curve, length_curve : mean quality against the share of strong calls.
    """

    weak: str
    strong: str
    n_queries: int
    apgr: Interval
    cpt50: Interval
    cpt80: Interval
    apgr_random: Interval
    apgr_length: Interval
    apgr_oracle: Interval
    gain_over_length: Interval
    curve: Line
    length_curve: Line


def pair_of(models: tuple[str, ...], quality: FloatArray, weak: str | None, strong: str | None) -> Pair | None:
    """Return the pair that was named or, of exactly two models, the one of higher quality as the strong one.

    quality : shape (n_models,), of training outcomes or of what the router predicts, never of the test. NaN is
    unknown. None where there is nothing to tell the two apart. Raises ConfigError when only one is named.
    """
    if weak is not None and strong is not None:
        if weak == strong:
            raise ConfigError(f"weak and strong must be two models. Got {weak!r} twice.")
        return Pair(weak, strong)
    if weak is not None or strong is not None:
        raise ConfigError(f"Name both models of the two-model view. Got weak {weak!r} and strong {strong!r}.")
    if len(models) != 2 or not abs(quality[0] - quality[1]) > 0:
        return None
    return Pair(*models) if quality[0] < quality[1] else Pair(models[1], models[0])


def two_model(
    test: Outcomes,
    score: FloatArray,
    pair: Pair,
    resamples: int = RESAMPLES,
    seed: int = 0,
    groups: IntArray | None = None,
) -> TwoModel | None:
    """Measure an order of the queries by `score`, shape (n_queries,): the predicted gain of the strong model.

    None unless the strong model is better on these queries: without a gap no part of it can be recovered.
    """
    both = test.of(pair)
    rows = np.flatnonzero(~np.isnan(both.quality).any(axis=1))
    both = both.take(rows)
    weak, strong = both.quality.T
    if not len(rows) or not strong.mean() > weak.mean():
        return None
    rankings = {"": Ranking(score[rows]), "length": Ranking(_lengths(both)), "oracle": Ranking(strong - weak)}
    groups = None if groups is None else groups[rows]
    found = resampled(_statistics(rankings, weak, strong), len(rows), resamples, seed, groups)
    figures = {name: interval(float(v), draws) for name, (v, draws) in found.items() if v.ndim == 0}
    return TwoModel(
        weak=pair.weak,
        strong=pair.strong,
        n_queries=len(rows),
        apgr=figures["apgr"],
        cpt50=figures["cpt50"],
        cpt80=figures["cpt80"],
        apgr_random=random_apgr(weak, strong, resamples, seed),
        apgr_length=figures["apgr_length"],
        apgr_oracle=figures["apgr_oracle"],
        gain_over_length=figures["gain_over_length"],
        curve=line(SHARES, *found["curve"]),
        length_curve=line(SHARES, *found["length_curve"]),
    )


def _lengths(outcomes: Outcomes) -> FloatArray:
    """Characters of the whole last user message, shape (n_queries,)."""
    return np.array([len(query.full_text) for query in outcomes.queries], dtype=float)


def line(x: FloatArray, y: FloatArray, draws: FloatArray) -> Line:
    """Return a curve with the band of its draws, shape (n_draws, n_points)."""
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    return Line(x=x, y=y, low=low, high=high)


def _statistics(rankings: Mapping[str, Ranking], weak: FloatArray, strong: FloatArray) -> dict[str, Statistic]:
    def area(name: str, drawn: FloatArray) -> FloatArray:
        return apgr(rankings[name].curve(weak, strong, drawn))

    def share(recovered: float, drawn: FloatArray) -> FloatArray:
        return cpt(rankings[""].curve(weak, strong, drawn), recovered)

    def heights(name: str, drawn: FloatArray) -> FloatArray:
        curve = rankings[name].curve(weak, strong, drawn)
        return np.array([np.interp(SHARES, x, y) for x, y in zip(curve.share, curve.quality, strict=True)])

    return {
        "apgr": partial(area, ""),
        "apgr_length": partial(area, "length"),
        "apgr_oracle": partial(area, "oracle"),
        "gain_over_length": lambda drawn: area("", drawn) - area("length", drawn),
        "cpt50": partial(share, 0.5),
        "cpt80": partial(share, 0.8),
        "curve": partial(heights, ""),
        "length_curve": partial(heights, "length"),
    }
