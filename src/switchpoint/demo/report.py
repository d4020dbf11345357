"""The demo's table: routed traffic beside every constant model and a random mix of the same shares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from switchpoint.core.query import FloatArray
from switchpoint.core.record import Record
from switchpoint.demo.grading import Grader
from switchpoint.demo.traffic import Reply
from switchpoint.evaluation.bootstrap import Interval, Statistic, intervals, mean_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One way to serve the traffic; all arrays of shape (n_queries,), in the same order of queries.

    cost_usd : the whole bill of each query; NaN is unknown. latency_s : of the upstream's answer.
    shares : of queries that each model answered.
    """

    name: str
    quality: FloatArray
    cost_usd: FloatArray
    latency_s: FloatArray
    shares: Mapping[str, float]

    @classmethod
    def of(cls, name: str, replies: Sequence[Reply], records: Mapping[str, Record], grader: Grader) -> Arm:
        """Grade replies and look their bills up in the records."""
        counts = Counter(reply.model for reply in replies)
        bills = [records[reply.record].cost_usd for reply in replies]
        return cls(
            name=name,
            quality=np.array([grader.score(reply) for reply in replies]),
            cost_usd=np.array([np.nan if bill is None else float(bill) for bill in bills]),
            latency_s=np.array([grader.latency_s(reply, records[reply.record]) for reply in replies]),
            shares={model: count / len(replies) for model, count in counts.most_common()},
        )

    @classmethod
    def mixed(cls, name: str, shares: Mapping[str, float], singles: Mapping[str, Arm]) -> Arm:
        """Return what drawing models with these shares is expected to give: no luck in it, only the average."""

        def blend(values: str) -> FloatArray:
            total: FloatArray = sum(share * getattr(singles[model], values) for model, share in shares.items())
            return total

        return cls(
            name=name, quality=blend("quality"), cost_usd=blend("cost_usd"), latency_s=blend("latency_s"), shares=shares
        )

    def figures(self) -> dict[str, Interval]:
        """Return mean quality and USD per 1,000 queries, each with its 95 % bootstrap interval."""
        statistics: dict[str, Statistic] = {"quality": mean_of(self.quality), "usd": mean_of(1000 * self.cost_usd)}
        return intervals(statistics, len(self.quality))

    def row(self) -> list[object]:
        """Return the line of the table."""
        figures = self.figures()
        shares = ", ".join(f"{model} {share:.0%}" for model, share in self.shares.items())
        return [
            self.name,
            _with_range(figures["quality"], 3),
            _with_range(figures["usd"], 5),
            float(np.median(self.latency_s)),
            shares,
        ]


COLUMNS = ("served by", "quality [95 %]", "USD per 1,000 [95 %]", "p50 answer, s", "share per model")


def _with_range(figure: Interval, digits: int) -> str:
    value, low, high = (f"{number:.{digits}f}" for number in figure)
    return "–" if np.isnan(figure.value) else f"{value} [{low}, {high}]"
