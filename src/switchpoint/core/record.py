"""Record: the whole story of one query; and Feedback, which arrives later and never edits a record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from switchpoint.core.attempt import Answer, Attempt, total
from switchpoint.core.query import EMPTY


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """All that happened to one query, append-only.

    at : when the query came, with time zone.
    route : the name that the caller asked for; strategy : the strategy that served it.
    accepted : number of the attempt that was given to the caller, None if none was.
    accept_reason : why it was, in the strategy's words; "deadline" or "cost limit" for the best that was in hand then.
    outcome : "answered", "failed", "refused" (by the configuration) or "cancelled" (the caller went away).
    baseline_model, baseline_cost_usd : what the same tokens would have cost at the baseline model's prices.
    decide_s : time spent deciding; latency_s : the whole trip.
    preparation_usd, preparation_s : what was spent before deciding on finding out what only the network knows.
    config, artifact : hashes of the configuration and of the artifact that decided.
    messages : None unless the configuration says that prompts are stored.
    """

    id: str
    at: datetime
    query_id: str
    route: str
    strategy: str
    attempts: tuple[Attempt, ...]
    accepted: int | None
    outcome: str
    decide_s: float
    latency_s: float
    tags: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    needs: frozenset[str] = frozenset()
    baseline_model: str | None = None
    baseline_cost_usd: Decimal | None = None
    config: str | None = None
    artifact: str | None = None
    messages: tuple[Mapping[str, Any], ...] | None = None
    preparation_usd: Decimal | None = Decimal(0)
    preparation_s: float = 0.0
    accept_reason: str | None = None

    @property
    def answered_by(self) -> str | None:
        """The model whose answer was given to the caller."""
        return None if self.accepted is None else self.attempts[self.accepted].decision.model

    @property
    def answer(self) -> Answer | None:
        """The answer that was given to the caller."""
        return None if self.accepted is None else self.attempts[self.accepted].answer

    @property
    def cost_usd(self) -> Decimal | None:
        """The bill: the preparation and every attempt, verification included; None if any part is unknown."""
        return total((self.preparation_usd, *(attempt.bill_usd for attempt in self.attempts)))

    @property
    def saved_usd(self) -> Decimal | None:
        """Baseline cost minus the bill; negative where routing cost more, None where either is unknown."""
        cost = self.cost_usd
        return None if cost is None or self.baseline_cost_usd is None else self.baseline_cost_usd - cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What somebody thought of an answer later: a metric's value in [0, 1] from a named source."""

    record_id: str
    at: datetime
    metric: str
    value: float
    source: str
