"""Capped: the share of queries that escalate is kept to a limit, in expectation.

As with a budget (`routers/budget.py`), deciding stays pure: what changes is a value that the record sink replaces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from switchpoint.core.attempt import Attempt, best_answered
from switchpoint.core.decision import Accept, Call, Step
from switchpoint.core.errors import ConfigError
from switchpoint.core.protocols import Strategy
from switchpoint.core.query import Query
from switchpoint.core.record import ESCALATIONS, Record

CAPPED = "escalation cap"
"""Why an answer was accepted that the strategy would not have settled for."""

WINDOW = 500
"""Finished queries that are looked back on."""

WARM_UP = 20
"""Until so many are known, those that are not count as wanting to escalate."""


@dataclass(frozen=True, slots=True)
class Recent:
    """Of the latest queries, which wanted to escalate, the oldest first, whether they could or not."""

    wanted: tuple[bool, ...] = ()

    def after(self, wanted: bool, window: int) -> Recent:
        """Return what is remembered after one more query."""
        return Recent((*self.wanted, wanted)[-window:])

    @property
    def demand(self) -> float:
        """The share of queries that want to escalate, in [0, 1]."""
        unseen = max(0, WARM_UP - len(self.wanted))
        return (sum(self.wanted) + unseen) / max(len(self.wanted), WARM_UP)


class Cap:
    """Holds what the latest queries wanted, and replaces it after each record.

    share : of the queries that may escalate, in [0, 1]. window : how many finished ones are looked back on.

    A share d of the queries wants to escalate. Each of them is let through with probability min(1, share / d), so that
    d * min(1, share / d) = min(d, share) are expected to: all of them while they are few, never more than the cap.

    Raises ConfigError for a share outside [0, 1], or a window below 1.
    """

    def __init__(self, share: float, window: int = WINDOW) -> None:
        if not 0 <= share <= 1:
            raise ConfigError(f"max_escalation_share must be in [0, 1]. Got {share!r}.")
        if window < 1:
            raise ConfigError(f"The window of a cap must be 1 or more. Got {window!r}.")
        self.share = share
        self.window = window
        self.recent = Recent()

    @property
    def let_through(self) -> float:
        """The probability with which a query that wants to escalate may, in [0, 1]."""
        demand = self.recent.demand
        return 1.0 if demand <= self.share else self.share / demand

    def update(self, record: Record) -> None:
        """Learn from a finished record; one without a call teaches nothing."""
        if record.attempts:
            self.recent = self.recent.after(record.escalated or record.accept_reason == CAPPED, self.window)


class Capped:
    """Follow a strategy; where it would escalate over the cap, accept the best answer in hand instead.

    An escalation is a call because the answer in hand is not good enough; one for another opinion is none. A query that
    was let through once is let through to its end; one without an answer in hand (the call before failed) is none.
    """

    def __init__(self, strategy: Strategy, cap: Cap) -> None:
        self.strategy = strategy
        self.name = strategy.name
        self.cap = cap

    def next(self, query: Query, attempts: Sequence[Attempt]) -> Step:
        """Return the strategy's step, or accept the answer in hand; raises what the strategy raises."""
        step = self.strategy.next(query, attempts)
        in_hand = _in_hand(attempts)
        if not isinstance(step, Call) or in_hand is None or step.decision.reason not in ESCALATIONS:
            return step
        if any(attempt.decision.reason in ESCALATIONS for attempt in attempts) or _drawn(query) < self.cap.let_through:
            return step
        return Accept(attempt=in_hand, reason=CAPPED)


class Caps:
    """The caps of a process by the name of their strategy; as a sink it hands each record to those that it is of.

    after : whose place these take: a cap that is unchanged looks back on what it has seen.
    """

    def __init__(self, after: Caps | None = None) -> None:
        self._before: Mapping[str, Cap] = {} if after is None else after._caps
        self._caps: dict[str, Cap] = {}

    def of(self, strategy: str, share: float) -> Cap:
        """Return the cap of a strategy of the configuration: the same one each time."""
        old = self._before.get(strategy)
        return self._caps.setdefault(strategy, Cap(share) if old is None or old.share != share else old)

    def __call__(self, record: Record) -> None:
        """Take a finished record."""
        for name in {record.strategy, *(attempt.decision.router for attempt in record.attempts)} & self._caps.keys():
            self._caps[name].update(record)


def _in_hand(attempts: Sequence[Attempt]) -> int | None:
    """Return the number of the answer to accept: one of which the beginning is held, else the best whole one."""
    if attempts and attempts[-1].partial and attempts[-1].failure is None:
        return len(attempts) - 1
    return best_answered(attempts)


def _drawn(query: Query) -> float:
    """Return the part of the query's draw that exploring (the first digits) and budgets (the last) leave over."""
    return query.draw * 2**12 % 1
