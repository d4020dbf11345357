"""The demo: gateway, upstreams, a few hundred real queries through the official client, and what it was worth."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from switchpoint.assembly.switchpoint import Switchpoint
from switchpoint.core.query import FloatArray, Query
from switchpoint.core.record import Record
from switchpoint.demo.grading import Grader
from switchpoint.demo.report import Arm
from switchpoint.demo.setup import Setup
from switchpoint.demo.traffic import AT_ONCE, Reply, send, tell
from switchpoint.evaluation.bootstrap import Interval, Statistic, intervals, mean_of
from switchpoint.gateway.serve import serving
from switchpoint.records.reader import RecordReader


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What the traffic showed.

    arms : the routed traffic first, then every model alone, then the random mix of the routed shares.
    client_ms : median time of a replayed request on the client's side: client, HTTP, deciding and recording together.
    """

    arms: Sequence[Arm]
    replies: Sequence[Reply]
    client_ms: float
    records: int

    def against(self, baseline: str) -> list[object]:
        """Return the routed quality in parts of a constant model's, and the share of its cost that was saved."""
        arms = {arm.name: arm for arm in self.arms}
        routed, constant = self.arms[0], arms[baseline]
        statistics: dict[str, Statistic] = {
            "kept": _ratio(routed.quality, constant.quality),
            "spent": _ratio(routed.cost_usd, constant.cost_usd),
        }
        found = intervals(statistics, len(routed.quality))
        kept, spent = found["kept"], found["spent"]
        saved = Interval(1 - spent.value, 1 - spent.high, 1 - spent.low)
        return ["–" if np.isnan(f.value) else f"{f.value:.1%} [{f.low:.1%}, {f.high:.1%}]" for f in (kept, saved)]


@contextmanager
def gateway(setup: Setup) -> Iterator[tuple[str, Switchpoint]]:
    """Serve the configuration while the block runs; gives the address."""
    switchpoint = Switchpoint.load(setup.config)
    with switchpoint, serving(switchpoint.app()) as address:
        yield address, switchpoint


def run(
    setup: Setup,
    queries: Sequence[Query],
    grader: Grader,
    *,
    singles: Sequence[str],
    at_once: int = AT_ONCE,
    done: Callable[[], None] = lambda: None,
) -> Result:
    """Send every query as `auto` and as each single model, grade all answers, and compare."""
    with gateway(setup) as (address, switchpoint):
        asked = {
            name: asyncio.run(send(address, queries, name, at_once=at_once, done=done)) for name in (*singles, "auto")
        }
        records = _records(switchpoint)
        routed = asked["auto"]
        asyncio.run(tell(address, {r.record: s for r in routed if not np.isnan(s := grader.score(r))}))
        arms = {name: Arm.of(f"always {name}", replies, records, grader) for name, replies in asked.items()}
    first = Arm.of("Switchpoint (auto)", routed, records, grader)
    rest = [arms[name] for name in singles]
    mixed = [Arm.mixed("random, same shares", first.shares, arms)] if set(first.shares) <= set(singles) else []
    return Result(
        arms=[first, *rest, *mixed],
        replies=routed,
        client_ms=1000 * float(np.median([reply.latency_s for reply in routed])),
        records=len(records),
    )


def _ratio(routed: FloatArray, constant: FloatArray) -> Statistic:
    above, below = mean_of(routed), mean_of(constant)
    return lambda drawn: above(drawn) / below(drawn)


def _records(switchpoint: Switchpoint) -> Mapping[str, Record]:
    assert switchpoint.log is not None
    switchpoint.log.flush()
    return {record.id: record for record in RecordReader(switchpoint.log.path).all()}
