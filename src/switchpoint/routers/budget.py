"""Budget: spend a target on average, whatever the traffic: the willingness to pay follows what was really spent.

The policy stays arithmetic. What changes is a value, `Spending`, that is replaced after every finished record; it lives
in this process alone. Replicas each keep the target for their own share of the traffic, and so for the whole; after a
restart it is learned again from the first records.

Two parts find the willingness. *Feed-forward*: a sketch of the prices at which recent queries would change to a better
model says which willingness would have spent the target on them. *Feedback*: what was spent too much or too little is
paid back over the next `HORIZON` queries, and predicted costs are scaled by what calls really cost. It is a PI
controller that acts on the planned spend and not on the willingness: the spend is a steep and bent curve over the
willingness, which the sketch straightens, so that one gain fits everywhere.

Source of the sketch: logarithmic buckets as in DDSketch (Masson, Rim, Lee 2019). Differs: buckets hold dollars instead
of counts, and forget.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from switchpoint.core.decision import Decision, Reason
from switchpoint.core.errors import ConfigError
from switchpoint.core.estimate import Estimates
from switchpoint.core.query import FloatArray, IntArray
from switchpoint.core.record import Record
from switchpoint.routers.policies import MaxUtility, certain

MEMORY = 300
"""Records that the sketch remembers: each counts 1/e of the newest after so many more."""
HORIZON = 300
"""Queries over which a debt is paid back, or savings are spent."""
WARM_UP = 20
"""Records before the sketch is believed."""
MAX_BALANCE = 0.9
"""Bound on what is paid back at once, in parts of the target: the plan stays between 0.1 and 1.9 of it."""
MAX_SCALE = 30.0
"""Bound on the correction of predicted costs, either way."""
MAX_ASKED = 64
"""Budgets of callers at one time; the one that was not asked for the longest is forgotten first."""

BY_ESTIMATES = frozenset({Reason.ESTIMATED, Reason.FIRST_OF_CASCADE})
"""Reasons of a first call after which what is spent depends on the willingness: routed, or the start of a cascade."""

LOWEST_USD, HIGHEST_USD = 1e-9, 1e6
"""Willingness that buys nothing, and that buys all: finite, or models of unknown cost would be chosen."""
STEP = 1.02
BUCKETS = math.ceil(math.log(HIGHEST_USD / LOWEST_USD) / math.log(STEP))


class Dial(NamedTuple):
    """The setting of a budgeted policy: a share of the queries is decided at `high_usd`, the rest at `low_usd`.

    Both are willingnesses, the edges of one bucket of the sketch: where many queries have one price, no willingness
    between none and all of them would meet the target.
    """

    low_usd: float
    high_usd: float
    share: float


class Upgrade(NamedTuple):
    """A step to a better model: the willingness from which it is worth it, and what it costs more."""

    price_usd: float
    extra_usd: float


class Observed(NamedTuple):
    """What one finished query teaches, in USD.

    expected_usd : the estimate for the model that was called; NaN is unknown.
    base_usd : the estimate for no willingness at all.
    """

    spent_usd: float
    expected_usd: float
    base_usd: float
    upgrades: tuple[Upgrade, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """All that a budget remembers; the means are decayed sums over `weight`.

    target_usd : to be spent on a query on average.
    dial : how the next query is decided. n_records : counted up to `WARM_UP`.
    balance_usd : what is left over; negative is a debt.
    spent_usd, expected_usd : of the queries with an estimate; their ratio scales estimates.
    base_usd, extra_usd : of no willingness, and of the upgrades by bucket of their price, shape (BUCKETS,).
    """

    target_usd: float
    dial: Dial
    n_records: int = 0
    balance_usd: float = 0.0
    weight: float = 0.0
    spent_usd: float = 0.0
    expected_usd: float = 0.0
    base_usd: float = 0.0
    extra_usd: FloatArray = field(default_factory=lambda: np.zeros(BUCKETS))

    @property
    def scale(self) -> float:
        """What calls cost in parts of their estimates."""
        if self.expected_usd <= 0 or self.spent_usd <= 0:
            return 1.0
        return min(max(self.spent_usd / self.expected_usd, 1 / MAX_SCALE), MAX_SCALE)

    @property
    def plan_usd(self) -> float:
        """What the next queries are to cost on average: the target, and a part of the balance."""
        return self.target_usd + self.balance_usd / HORIZON

    def after(self, seen: Observed) -> Spending:
        """Return what is remembered after one more query."""
        keep = math.exp(-1 / MEMORY)
        extra = self.extra_usd * keep
        for upgrade in seen.upgrades:
            extra[_bucket(upgrade.price_usd)] += upgrade.extra_usd
        estimated = seen.expected_usd > 0
        learned = replace(
            self,
            n_records=min(self.n_records + 1, WARM_UP),
            balance_usd=self._balance_after(seen.spent_usd),
            weight=self.weight * keep + 1,
            spent_usd=self.spent_usd * keep + (seen.spent_usd if estimated else 0.0),
            expected_usd=self.expected_usd * keep + (seen.expected_usd if estimated else 0.0),
            base_usd=self.base_usd * keep + seen.base_usd,
            extra_usd=extra,
        )
        return learned if learned.n_records < WARM_UP else replace(learned, dial=learned._set())

    def _balance_after(self, spent_usd: float) -> float:
        """Add what this query left over; bounded, and not while the dial is at the end that it would turn it past."""
        bound = MAX_BALANCE * self.target_usd * HORIZON
        balance = min(max(self.balance_usd + self.target_usd - spent_usd, -bound), bound)
        if self.dial.low_usd >= HIGHEST_USD:
            return min(balance, max(self.balance_usd, 0.0))
        if self.dial.high_usd <= 0:
            return max(balance, min(self.balance_usd, 0.0))
        return balance

    def _set(self) -> Dial:
        """Return the dial that would have spent the plan on the remembered queries."""
        left = self.plan_usd * self.weight / self.scale - self.base_usd
        spent = self.extra_usd.cumsum()
        if left <= 0:
            return Dial(0.0, 0.0, 0.0)
        if left >= spent[-1]:
            return Dial(HIGHEST_USD, HIGHEST_USD, 0.0)
        bucket = int(np.searchsorted(spent, left, side="right"))
        share = 1 - (spent[bucket] - left) / self.extra_usd[bucket]
        return Dial(LOWEST_USD * STEP**bucket, LOWEST_USD * STEP ** (bucket + 1), float(min(max(share, 0.0), 1.0)))


class Budget:
    """Holds what was spent towards a target, and replaces it after each record.

    start_usd : the willingness until `WARM_UP` records are known; 0, the cheapest model, cannot spend too much.

    Raises ConfigError for a target that is not above 0.
    """

    def __init__(self, target_usd_per_1k: float, start_usd: float = 0.0) -> None:
        if not 0 < target_usd_per_1k < math.inf:
            raise ConfigError(f"target_usd_per_1k must be above 0 and finite. Got {target_usd_per_1k!r}.")
        self.spending = Spending(target_usd=target_usd_per_1k / 1_000, dial=Dial(start_usd, start_usd, 0.0))

    def willingness_usd(self, draw: float) -> float:
        """Return what a query of this draw is decided at, as of now; the same as `Budgeted` takes for it."""
        low_usd, high_usd, share = self.spending.dial
        return high_usd if draw * 2**24 % 1 < share else low_usd

    def update(self, record: Record) -> None:
        """Learn from a finished record; one of which neither bill nor estimate is known teaches nothing."""
        seen = observed(record, self.spending.scale)
        if seen is not None:
            self.spending = self.spending.after(seen)


@dataclass(frozen=True, slots=True)
class Budgeted:
    """Maximise quality - cost / willingness, at the willingness that the budget has come to.

    Between two updates of the budget it is a function of the estimates alone. Probability 1: the share of queries that
    is decided at the higher willingness is drawn, but like the willingness it belongs to the setting.
    """

    budget: Budget

    def __call__(self, estimates: Estimates) -> tuple[IntArray, FloatArray]:
        """Return the chosen columns, probability 1."""
        low_usd, high_usd, share = self.budget.spending.dial
        columns = MaxUtility(low_usd)(estimates)[0]
        # The lower digits of the draw: the upper ones are those that `Explore` draws by.
        high = estimates.draw * 2**24 % 1 < share
        if high.any():
            columns = np.where(high, MaxUtility(high_usd)(estimates)[0], columns)
        return columns, certain(len(columns))


class Budgets:
    """The budgets of a process by the name of their router; as a sink it hands each record to the one it is of.

    Those of the configuration are kept for ever, those that callers name as long as they are among the last
    `MAX_ASKED` that were asked for.

    after : whose place these take: what was spent towards an unchanged target is remembered.
    """

    def __init__(self, after: Budgets | None = None) -> None:
        self._before: Mapping[str, Budget] = {} if after is None else after._configured
        self._configured: dict[str, Budget] = {}
        self._asked: OrderedDict[str, Budget] = OrderedDict() if after is None else after._asked

    def configured(self, router: str, target_usd_per_1k: float, start_usd: float) -> Budget:
        """Return the budget of a router of the configuration."""
        budget, before = Budget(target_usd_per_1k, start_usd), self._before.get(router)
        if before is not None and before.spending.target_usd == budget.spending.target_usd:
            budget = before
        return self._configured.setdefault(router, budget)

    def asked(self, router: str, target_usd_per_1k: float) -> Budget:
        """Return the budget that a caller named: the same one each time."""
        found = self._asked.pop(router, None) or Budget(target_usd_per_1k)
        self._asked[router] = found
        if len(self._asked) > MAX_ASKED:
            self._asked.popitem(last=False)
        return found

    def __call__(self, record: Record) -> None:
        """Take a finished record."""
        if record.attempts:
            router = record.attempts[0].decision.router
            budget = self._configured.get(router) or self._asked.get(router)
            if budget is not None:
                budget.update(record)


def observed(record: Record, scale: float = 1.0) -> Observed | None:
    """Return what a record teaches; None without a call, or where neither its bill nor its estimate is known.

    An unknown bill is taken to be the estimate times `scale`. A model that was not chosen by the estimates (the
    default model on unknown ground, the only eligible one) costs what it costs whatever the willingness.
    """
    if not record.attempts:
        return None
    decision = record.attempts[0].decision
    expected = decision.cost_usd.get(decision.model, math.nan)
    spent = expected * scale if record.cost_usd is None else float(record.cost_usd)
    if math.isnan(spent):
        return None
    if decision.reason in BY_ESTIMATES:
        base, upgrades = upgrades_of(decision)
    else:
        base, upgrades = expected, ()
    return Observed(spent, expected, spent / scale if math.isnan(base) else base, upgrades)


def upgrades_of(decision: Decision) -> tuple[float, tuple[Upgrade, ...]]:
    """Return the cost of the cheapest model, and the changes of model as the willingness rises from 0 to infinity.

    They climb the upper hull of the estimates. Models of unknown quality or cost take no part; NaN without any.
    """
    pairs = ((cost, decision.quality.get(model, math.nan)) for model, cost in decision.cost_usd.items())
    known = [(cost, quality) for cost, quality in pairs if math.isfinite(cost) and math.isfinite(quality)]
    if not known:
        return math.nan, ()
    base = at = min(known, key=lambda point: (point[0], -point[1]))
    found: list[Upgrade] = []
    while better := [point for point in known if point[1] > at[1]]:
        price, cost, quality = min(((c - at[0]) / (q - at[1]), c, q) for c, q in better)
        found.append(Upgrade(price, cost - at[0]))
        at = (cost, quality)
    return base[0], tuple(found)


def _bucket(price_usd: float) -> int:
    if price_usd <= LOWEST_USD:
        return 0
    return min(BUCKETS - 1, int(math.log(price_usd / LOWEST_USD) / math.log(STEP)))
