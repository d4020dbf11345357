"""Meta-verifiers: which shares of "correct" in a noisy self-verification are worth a call of a larger model.

The set of shares that escalate need not lie below a threshold: where both models fail, a larger one is wasted, however
low the share. So the question is the expected *gain*, not the confidence.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from switchpoint.core.errors import ConfigError, DataError, nearest
from switchpoint.core.query import BoolArray, FloatArray, IntArray

BINS = 8
FOLDS = 5
PRIOR_ROWS = 5.0
"""The gain of a bin starts from so many rows of the mean gain: a bin with few rows is not believed much."""
HOPELESS_QUANTILE = 0.1


class Observed(NamedTuple):
    """What was observed of n queries that both models answered; all of shape (n,).

    v : share of the samples that call the small model's answer right, in [0, 1]; NaN is undecided.
    quality_small, quality_large : quality of the two answers, in [0, 1].
    cost_small_usd : of the small answer and of its verification. cost_large_usd : of the large answer.
    """

    v: FloatArray
    quality_small: FloatArray
    quality_large: FloatArray
    cost_small_usd: FloatArray
    cost_large_usd: FloatArray

    def take(self, rows: IntArray | BoolArray) -> Observed:
        """Return these rows."""
        return Observed(*(column[rows] for column in self))

    @property
    def gain(self) -> FloatArray:
        """What the larger model's answer adds, shape (n,)."""
        return self.quality_large - self.quality_small


class Terms(NamedTuple):
    """What quality is worth, or how much may be spent: exactly one of the two.

    willingness_usd : dollars for one full point of quality. max_cost_usd : mean cost of a query, verification included.
    """

    willingness_usd: float = math.nan
    max_cost_usd: float = math.nan


class MetaVerifier(NamedTuple):
    """Which bins of the share escalate, and what a share is worth as a score.

    rule : the rule of `RULES` that was chosen. escalate : shape (n_bins + 1,), for the shares 0, 1 / n_bins, …, 1.
    gain : shape (n_bins + 1,): expected gain of escalating, shrunk to the mean gain.
    found : of each rule, the mean value of a query in the rows held out; what the choice was made from.
    """

    rule: str
    escalate: BoolArray
    gain: FloatArray
    found: Mapping[str, float]

    @classmethod
    def fit(
        cls, observed: Observed, terms: Terms, *, bins: int = BINS, rules: Sequence[str] = (), folds: int = FOLDS
    ) -> Self:
        """Choose the rule by cross-validation, then its set of bins on all rows.

        bins : as many as samples were drawn. rules : of `RULES`, all by default; the first of equals is taken.
        Row i is held out in fold i mod `folds`: put rows of one group, or of one dataset, in an order that allows it.
        The value of a query is its quality less its cost at the willingness, or its quality where a budget is kept.

        Source: AutoMix (Aggarwal et al. 2024). Differs: what it calls a POMDP is the ranking of bins by how needy they
        are (`needy`), it has no further step; chosen by a price or a budget instead of a ratio that favours
        tiny spends; chosen out of fold; and bins are also ranked by their gain, in quality.

        Raises ConfigError for unknown rules, unclear terms or a budget below the small model's own cost, DataError for
        rows of unequal number, unknown quality or cost, or fewer rows than folds.
        """
        rules = tuple(rules) or tuple(RULES)
        _check(observed, terms, rules, folds)
        fold = np.arange(len(observed.v)) % folds
        found = {rule: _held_out(rule, observed, terms, bins, fold) for rule in rules}
        rule = max(rules, key=found.__getitem__)
        counts = _Counts.of(observed, bins)
        return cls(rule, _best(rule, observed, counts, terms), counts.gain, found)

    def escalates(self, v: float) -> bool:
        """Whether the larger model is called; an undecided verification (NaN) always calls it."""
        return math.isnan(v) or bool(self.escalate[_bins(np.array([v]), len(self.escalate) - 1)[0]])

    @property
    def scores(self) -> tuple[float, ...]:
        """A score for each bin, in [0, 1], for `Rescored`: so any cascade with a threshold can use what was learned.

        Below 0.5 stand exactly the bins that escalate; among them, and among the others, the lower the greater the
        expected gain.
        """
        scores = np.zeros(len(self.gain))
        for base, members in ((0.0, np.flatnonzero(self.escalate)), (0.5, np.flatnonzero(~self.escalate))):
            order = members[np.argsort(-self.gain[members], kind="stable")]
            scores[order] = base + 0.5 * np.arange(len(order)) / max(1, len(order))
        return tuple(float(score) for score in scores)


class Point(NamedTuple):
    """A way to answer: mean quality and mean cost."""

    quality: float
    cost_usd: float


def delta_ibc(method: Point, small: Point, large: Point) -> float:
    """Return ΔIBC: how much more quality a dollar buys than by going from the small to the large model.

    (slope of the method - slope of the large model) / slope of the large model, both from the small model; 0 is as good
    as mixing the two blindly. NaN where the large model is not better or not dearer, or the method costs no more than
    the small model. For comparison with AutoMix only: a ratio at one operating point rewards tiny, noisy spends.
    """
    rise, run = method.quality - small.quality, method.cost_usd - small.cost_usd
    base_rise, base_run = large.quality - small.quality, large.cost_usd - small.cost_usd
    if not (run > 0 and base_run > 0 and base_rise > 0):
        return math.nan
    base = base_rise / base_run
    return (rise / run - base) / base


class States(NamedTuple):
    """How many rows of each bin are of which state, shape (n_bins + 1,) each; see `states`."""

    needy: FloatArray
    good: FloatArray
    hopeless: FloatArray


def states(observed: Observed, bins: int) -> States:
    """Count the states of AutoMix by bin: the larger model is better; both do equally well; both do badly.

    Badly is at or below the tenth percentile of each model. Rows on which the small model is better are in none.
    """
    small, large = observed.quality_small, observed.quality_large
    needy, good = small < large, (small == large) & (small > 0)
    low = (small <= np.quantile(small, HOPELESS_QUANTILE)) & (large <= np.quantile(large, HOPELESS_QUANTILE))
    known = ~np.isnan(observed.v)
    place = _bins(observed.v[known], bins)
    kinds = (needy, good, low & ~needy & ~good)
    return States(*(_sums(place, kind[known], bins) for kind in kinds))


class _Counts(NamedTuple):
    """Sums by bin, shape (n_bins + 1,); rows that are undecided escalate whatever the set, so they are left out."""

    gain_sum: FloatArray
    cost_usd_sum: FloatArray
    gain: FloatArray

    @classmethod
    def of(cls, observed: Observed, bins: int) -> Self:
        known = observed.take(~np.isnan(observed.v))
        place = _bins(known.v, bins)
        rows, gain, cost_usd = (
            _sums(place, each, bins) for each in (np.ones(len(known.v)), known.gain, known.cost_large_usd)
        )
        mean = known.gain.mean() if len(known.v) else 0.0
        return cls(gain, cost_usd, (gain + PRIOR_ROWS * mean) / (rows + PRIOR_ROWS))


def _threshold(observed: Observed, counts: _Counts) -> BoolArray:
    """Every share below a limit."""
    n = len(counts.gain)
    return np.arange(n) < np.arange(n + 1)[:, None]


def _double_threshold(observed: Observed, counts: _Counts) -> BoolArray:
    """Every share between two limits."""
    n = len(counts.gain)
    pairs = sorted(((a, b) for a in range(n) for b in range(a, n)), key=lambda pair: pair[1] - pair[0])
    sets = [[a <= k <= b for k in range(n)] for a, b in pairs]
    return np.array([[False] * n, *sets])


def _needy(observed: Observed, counts: _Counts) -> BoolArray:
    """The bins that are most often needy: AutoMix's POMDP, see `states`.

    It escalates a bin for the reward r where r·N > 100·N + 100·G + 99·H, so bins enter in the order of
    N / (100·G + 99·H) as r rises. Bins without a needy row never do.
    """
    found = states(observed, len(counts.gain) - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        odds = found.needy / (100 * found.good + 99 * found.hopeless)
    return _tops(np.where(found.needy > 0, odds, -np.inf))


def _gain(observed: Observed, counts: _Counts) -> BoolArray:
    """The bins in which the larger model adds most quality, shrunk to the mean gain."""
    return _tops(counts.gain)


RULES: Mapping[str, Callable[[Observed, _Counts], BoolArray]] = {
    "threshold": _threshold,
    "double_threshold": _double_threshold,
    "needy": _needy,
    "gain": _gain,
}
"""From what was observed to the sets of bins that a rule allows, shape (n_sets, n_bins + 1), the empty one first."""


def _tops(worth: FloatArray) -> BoolArray:
    """Return the sets of the j bins of the greatest worth, for every j; bins of worth -inf are in none."""
    order = np.argsort(-worth, kind="stable")
    rank = np.empty(len(worth), dtype=int)
    rank[order] = np.arange(len(worth))
    sets: BoolArray = rank < np.arange(int(np.sum(worth > -np.inf)) + 1)[:, None]
    return sets


def _best(rule: str, observed: Observed, counts: _Counts, terms: Terms) -> BoolArray:
    """Return the best set of a rule on these rows; the earliest of equals, which escalates least."""
    sets = RULES[rule](observed, counts)
    worth = sets @ counts.gain_sum
    spent = sets @ counts.cost_usd_sum
    if math.isnan(terms.max_cost_usd):
        worth = worth - _in_quality(spent, terms.willingness_usd)
    else:
        left = terms.max_cost_usd * len(observed.v) - _fixed_usd(observed)
        worth = np.where(spent <= left + 1e-12 * abs(left), worth, -np.inf)
        worth[0] = max(worth[0], 0.0)
    chosen: BoolArray = sets[int(np.argmax(worth))]
    return chosen


def _held_out(rule: str, observed: Observed, terms: Terms, bins: int, fold: IntArray) -> float:
    values = []
    for held in range(int(fold.max()) + 1):
        train, test = observed.take(fold != held), observed.take(fold == held)
        chosen = _best(rule, train, _Counts.of(train, bins), terms)
        undecided = np.isnan(test.v)
        escalated = undecided | chosen[_bins(np.where(undecided, 0.0, test.v), bins)]
        value = np.where(escalated, test.quality_large, test.quality_small)
        if math.isnan(terms.max_cost_usd):
            value = value - _in_quality(np.where(escalated, test.cost_large_usd, 0.0), terms.willingness_usd)
        values.append(value)
    return float(np.concatenate(values).mean())


def _in_quality(cost_usd: FloatArray, willingness_usd: float) -> FloatArray:
    """Nothing spent is worth nothing, also for somebody who would pay nothing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(cost_usd > 0, np.divide(cost_usd, willingness_usd), 0.0)


def _fixed_usd(observed: Observed) -> float:
    """What is spent whatever the set: every small answer, and the large one of every undecided row."""
    return float(observed.cost_small_usd.sum() + observed.cost_large_usd[np.isnan(observed.v)].sum())


def _bins(v: FloatArray, bins: int) -> IntArray:
    places: npt.NDArray[np.intp] = np.clip(np.rint(v * bins), 0, bins).astype(np.intp)
    return places


def _sums(places: IntArray, values: FloatArray | BoolArray, bins: int) -> FloatArray:
    return np.bincount(places, weights=values, minlength=bins + 1).astype(np.float64)


def _check(observed: Observed, terms: Terms, rules: Sequence[str], folds: int) -> None:
    for rule in rules:
        if rule not in RULES:
            raise ConfigError(f"rules: no rule is called {rule!r}.{nearest(rule, RULES)} Known: {', '.join(RULES)}.")
    if math.isnan(terms.willingness_usd) == math.isnan(terms.max_cost_usd) or any(limit < 0 for limit in terms):
        raise ConfigError(f"Give either willingness_usd or max_cost_usd, 0 or more. Got {terms!r}.")
    if len({len(column) for column in observed}) != 1 or not 2 <= folds <= len(observed.v):
        lengths = ", ".join(str(len(column)) for column in observed)
        raise DataError(f"All columns must be of one length, of at least {folds} rows. Got {lengths}.")
    if not all(np.isfinite(column).all() for column in observed[1:]) or not _in_unit_range(observed.v):
        raise DataError("Every quality and cost must be known, and every v from 0 to 1 or NaN. Leave such rows out.")
    if terms.max_cost_usd * len(observed.v) < _fixed_usd(observed) * (1 - 1e-12):
        least = _fixed_usd(observed) / len(observed.v)
        raise ConfigError(
            f"max_cost_usd: {terms.max_cost_usd!r} is less than is spent without escalating, {least:.6g}."
        )


def _in_unit_range(v: FloatArray) -> bool:
    return bool((np.isnan(v) | ((v >= 0) & (v <= 1))).all())
