"""Looking at datasets before anything is trained on them: what is observed of whom, and what leaks where."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import Query
from switchpoint.learning.datasets import read
from switchpoint.learning.leaks import Leaks, leaks
from switchpoint.learning.tables import read_table


class Pair(NamedTuple):
    """A query that was measured on, and the one of training that it is like."""

    query: str
    domain: str
    other: str
    similarity: float
    exact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaked:
    """How many of the queries measured on stand in training.

    pairs : one for each such query, the nearest first.
    """

    queries: int
    exact: int
    near: int
    pairs: tuple[Pair, ...]

    def sentence(self, train: str, test: str) -> str:
        """Say it in a sentence."""
        return (
            f"Of {self.queries} queries of {test}, {self.exact} stand in {train} exactly and {self.near} more nearly"
            + ("." if not self.pairs else ": figures on them may measure memory, not routing.")
        )


class ModelLine(NamedTuple):
    """What is known of one model; NaN is unknown."""

    model: str
    observed: int
    mean_quality: float
    mean_cost_usd: float
    costs_known: int


class DomainLine(NamedTuple):
    """How many queries of a domain are in each split, and how many of its test queries stand in training."""

    domain: str
    train: int
    test: int
    leaked: int
    exact: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """A dataset that reads without a fault, summed up."""

    name: str
    queries: int
    models: tuple[ModelLine, ...]
    domains: tuple[DomainLine, ...]
    leaked: Leaked


def inspect(folder: Path, near: float) -> Inspection:
    """Read and validate a dataset, and sum it up; raises what `datasets.read` raises."""
    outcomes = read(folder)
    table = read_table(folder, "queries", ("query_id", "split"))
    split_of = dict(zip(table.columns["query_id"], table.columns["split"], strict=True))
    is_test = np.array([split_of[query.id] == "test" for query in outcomes.queries])
    train, test = outcomes.take(np.flatnonzero(~is_test)), outcomes.take(np.flatnonzero(is_test))
    found = leaks(train, test, near)
    return Inspection(
        name=outcomes.name,
        queries=len(outcomes),
        models=_models(outcomes),
        domains=_domains(train, test, found),
        leaked=_leaked(train, test, found),
    )


def queries(folder: Path) -> list[Query]:
    """Read the queries of a folder, which needs no outcomes for it."""
    table = read_table(folder, "queries", ("query_id", "text"))
    return [Query.of(text, id=id) for _, (id, text) in table.rows("query_id", "text")]


def compare(train: Path, test: Path, near: float) -> Leaked:
    """Find the queries of one folder that stand in another, whatever their splits."""
    a, b = read(train), read(test)
    return _leaked(a, b, leaks(a, b, near))


def _models(outcomes: Outcomes) -> tuple[ModelLine, ...]:
    observed = (~np.isnan(outcomes.quality)).sum(axis=0).tolist()
    priced = (~np.isnan(outcomes.cost_usd)).sum(axis=0).tolist()
    quality, cost_usd = outcomes.mean_quality().tolist(), outcomes.mean_cost_usd().tolist()
    return tuple(map(ModelLine, outcomes.models, observed, quality, cost_usd, priced))


def _domains(train: Outcomes, test: Outcomes, found: Leaks) -> tuple[DomainLine, ...]:
    trained, tested = Counter(train.domains), Counter(test.domains)
    leaked = Counter(test.domains[row] for row in found.rows)
    exact = Counter(test.domains[row] for row in found.rows[found.exact])
    names = dict.fromkeys((*train.domains, *test.domains))
    return tuple(DomainLine(name, trained[name], tested[name], leaked[name], exact[name]) for name in names)


def _leaked(train: Outcomes, test: Outcomes, found: Leaks) -> Leaked:
    order = np.lexsort((found.rows, -found.similarity))
    pairs = tuple(
        Pair(
            query=test.queries[int(found.rows[i])].id,
            domain=test.domains[int(found.rows[i])],
            other=train.queries[int(found.matches[i])].id,
            similarity=round(float(found.similarity[i]), 3),
            exact=bool(found.exact[i]),
        )
        for i in order.tolist()
    )
    exact = int(found.exact.sum())
    return Leaked(queries=len(test), exact=exact, near=len(found) - exact, pairs=pairs)
