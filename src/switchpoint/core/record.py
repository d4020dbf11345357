"""Record: the whole story of one query; and Feedback, which arrives later and never edits a record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from switchpoint.core.attempt import Answer, Attempt, total
from switchpoint.core.decision import Reason
from switchpoint.core.query import EMPTY
from switchpoint.core.session import Session

ESCALATIONS = frozenset({Reason.ESCALATED, Reason.SWITCHED})
"""Reasons for a call that say that what came before was not good enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """All that happened to one query, append-only.

    at : when the query came, with time zone.
    route : the name that the caller asked for; strategy : the strategy that served it.
    accepted : number of the attempt that was given to the caller, None if none was.
    accept_reason : why it was, in the strategy's words; "deadline" or "cost limit" for the best that was in hand then.
    outcome : "answered", "failed", "refused" (by the configuration) or "cancelled" (the caller went away).
    baseline_model, baseline_cost_usd : what the same tokens would have cost at the baseline model's prices.
    decide_s : time spent deciding; latency_s : the whole trip; ttft_s : to the first piece that the caller got of a
        streamed answer; overhead_s : what of the trip was ours, waiting for nobody. None is unknown.
    preparation_usd, preparation_s : what was spent before deciding on finding out what only the network knows.
    config, artifact : hashes of the configuration and of the artifact that decided.
    messages : None unless the configuration says that prompts are stored.
    session : the conversation as it was before this query; None where it is unknown, and in a record read back.
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
    ttft_s: float | None = None
    overhead_s: float | None = None
    session: Session | None = None

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
        return total([self.preparation_usd, *[attempt.bill_usd for attempt in self.attempts]])

    @property
    def given_usd(self) -> Decimal | None:
        """What the call cost whose answer was given; nothing where none was, None if it is unknown."""
        return Decimal(0) if self.accepted is None else self.attempts[self.accepted].cost_usd

    @property
    def discarded_usd(self) -> Decimal | None:
        """What every other call cost, failed ones included; None if any is unknown."""
        return total([attempt.cost_usd for number, attempt in enumerate(self.attempts) if number != self.accepted])

    @property
    def verify_cost_usd(self) -> Decimal | None:
        """What every verdict cost; None if any is unknown."""
        return total([attempt.verify_cost_usd for attempt in self.attempts])

    @property
    def wasted_usd(self) -> Decimal | None:
        """What bought no answer for the caller: discarded drafts and all verification; None if any part is unknown."""
        return total((self.discarded_usd, self.verify_cost_usd))

    @property
    def escalated(self) -> bool:
        """Whether what came first was not good enough and another model was called for it; an opinion is none."""
        return any(attempt.decision.reason in ESCALATIONS for attempt in self.attempts)

    @property
    def layer(self) -> str | None:
        """The layer that settled the query: of the answer given, else of the last call; None without layers."""
        if not self.attempts:
            return None
        return self.attempts[-1 if self.accepted is None else self.accepted].decision.layer

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
