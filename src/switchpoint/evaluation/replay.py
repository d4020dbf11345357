"""Replay: what recorded outcomes say of the choices of a router, or of a whole run of the engine.

Two ways to the same numbers: a policy over estimates is applied to all queries at once (`choose`, `played`), and
anything else (cascades, retries, rules) runs through the deployed engine with the replay upstream (`replay`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import numpy as np

from switchpoint.core.errors import NoAnswer, RequestError
from switchpoint.core.estimate import Estimates, Prediction
from switchpoint.core.outcome import Outcomes
from switchpoint.core.protocols import Policy
from switchpoint.core.query import FloatArray, IntArray, Query
from switchpoint.core.record import Record

Run = Callable[[Query], Awaitable[Record]]
"""Serves one query, such as `functools.partial(engine.run, strategy)` of an engine with the replay upstream."""

NOBODY = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What came of one choice for each query; all of shape (n_queries,).

    columns : the model whose answer was given, as a column of the outcomes; `NOBODY` where none was.
    quality : NaN where that model was not observed on the query.
    cost_usd : of the whole way to the answer; NaN is unknown.
    """

    columns: IntArray
    quality: FloatArray
    cost_usd: FloatArray


MAX_NOVELTY = 0.5
"""Beyond it a deployed router trusts its default model, unless it is configured otherwise."""


@dataclass(frozen=True, slots=True)
class OnKnownGround:
    """Follow a policy, but where a query is farther from all training than `max_novelty` take the `default` model.

    What `switchpoint.routers.router.Router` does around a policy; here for a whole batch.
    """

    policy: Policy
    default: str
    max_novelty: float = MAX_NOVELTY

    def __call__(self, seen: Estimates) -> tuple[IntArray, FloatArray]:
        """Return the chosen columns and their probabilities."""
        columns, propensities = self.policy(seen)
        if seen.novelty is None:
            return columns, propensities
        unknown = seen.novelty > self.max_novelty
        return np.where(unknown, seen.models.index(self.default), columns), np.where(unknown, 1.0, propensities)


def estimates(prediction: Prediction, outcomes: Outcomes, cost_usd: FloatArray) -> Estimates:
    """Return what a policy sees of the queries: predicted quality, and expected costs, or the mean of each model."""
    return Estimates(
        models=outcomes.models,
        quality=prediction.mean,
        novelty=prediction.novelty,
        proven=prediction.proven,
        cost_usd=np.broadcast_to(cost_usd, prediction.mean.shape),
        eligible=np.ones(prediction.mean.shape, dtype=bool),
        draw=np.array([query.draw for query in outcomes.queries]),
    )


def choose(policy: Policy, seen: Estimates) -> IntArray:
    """Return the column that a policy chooses for each query, shape (n_queries,)."""
    return policy(seen)[0]


def played(outcomes: Outcomes, columns: IntArray) -> Played:
    """Look up the outcomes of one choice for each query, shape (n_queries,).

    The costs are all unknown when any of the chosen models has none on record: the rest would not be the bill.
    """
    rows = np.arange(len(outcomes))
    cost = outcomes.cost_usd[rows, columns]
    priced = ~np.isnan(outcomes.mean_cost_usd())
    return Played(
        columns=columns,
        quality=outcomes.quality[rows, columns],
        cost_usd=cost if priced[columns].all() else np.full(len(rows), np.nan),
    )


def always(outcomes: Outcomes, model: str) -> Played:
    """Return what always calling one model gives; raises UnknownModel."""
    return played(outcomes, np.full(len(outcomes), outcomes.column(model)))


def mixed(outcomes: Outcomes) -> Played:
    """Return what drawing any model with equal chances is expected to give, over those observed on each query."""
    priced = ~np.isnan(outcomes.mean_cost_usd())
    return Played(
        columns=np.full(len(outcomes), NOBODY),
        quality=_row_means(outcomes.quality),
        cost_usd=_row_means(outcomes.cost_usd) if priced.all() else np.full(len(outcomes), np.nan),
    )


async def replay(run: Run, outcomes: Outcomes) -> Played:
    """Run every query, one after the other, and look up the quality of the answer that was given; see `recorded`."""
    return recorded(await records_of(run, outcomes), outcomes)


async def records_of(run: Run, outcomes: Outcomes) -> list[Record | None]:
    """Run every query, one after the other; None where no answer was given."""
    return [await _record(run, query) for query in outcomes.queries]


def recorded(records: Sequence[Record | None], outcomes: Outcomes) -> Played:
    """Look up the quality of the answer that each record gave; `records` follows the outcomes' queries.

    The cost is the record's own bill, rejected and failed attempts included.
    """
    columns = [_column(outcomes, record) for record in records]
    quality = [np.nan if c == NOBODY else outcomes.quality[row, c] for row, c in enumerate(columns)]
    bills = [None if record is None else record.cost_usd for record in records]
    return Played(
        columns=np.array(columns, dtype=np.intp),
        quality=np.array(quality, dtype=float),
        cost_usd=np.array([np.nan if bill is None else float(bill) for bill in bills]),
    )


async def _record(run: Run, query: Query) -> Record | None:
    try:
        return await run(query)
    except (NoAnswer, RequestError):
        return None


def _column(outcomes: Outcomes, record: Record | None) -> int:
    model = None if record is None else record.answered_by
    return NOBODY if model is None else outcomes.column(model)


def _row_means(values: FloatArray) -> FloatArray:
    counts = (~np.isnan(values)).sum(axis=1)
    means: FloatArray = np.divide(np.nansum(values, axis=1), counts, out=np.full(len(values), np.nan), where=counts > 0)
    return means
