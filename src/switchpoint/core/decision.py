"""Decision: one choice of a model, explainable and learnable from; and Step: what a strategy wants next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from switchpoint.core.query import EMPTY


class Reason(StrEnum):
    """Why a model was called: a closed set."""

    REQUESTED = "requested"  # the caller named this model
    FIXED = "fixed"  # the router ignores the query
    RULE = "rule"  # a rule of the configuration matched
    SEMANTIC = "semantic"  # the query is like the examples of a semantic route
    ESTIMATED = "estimated"  # the policy chose it from the estimates
    RANDOM = "random"  # the policy drew it
    ONLY_ELIGIBLE = "only_eligible"  # no other model may take the query
    NO_EVIDENCE = "no_evidence"  # far from anything trained on: the default model
    ROUTER_FAILED = "router_failed"  # deciding failed: the default model
    FIRST_OF_CASCADE = "first_of_cascade"  # cheap first
    ESCALATED = "escalated"  # the previous answer was not good enough
    OPINION = "opinion"  # another model's answer, to compare with those in hand
    SWITCHED = "switched"  # the beginning of the previous answer was not good enough
    ENSEMBLE = "ensemble"  # one of several models that always answer
    FUSED = "fused"  # writes one answer from those in hand
    RETRIED = "retried"  # the same model again after a passing failure
    FELL_BACK = "fell_back"  # another model after a failure
    STICKY = "sticky"  # it answered before in this conversation, and a switch would not pay
    LOCKED = "locked"  # it answered before, and what it began only it can go on with


TOPICS = frozenset({Reason.RULE, Reason.SEMANTIC})
"""Reasons of choices by what a query is about; their `detail` names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One choice.

    propensity : the probability with which this model was chosen, in (0, 1]; makes the log unbiased training data.
    quality, cost_usd : the estimates that the choice was made from, by model; empty where none were made.
    novelty : see `switchpoint.core.estimate.Prediction`; None where unknown.
    detail : one short clause for a person, such as the rule that matched. Never quotes the prompt.
    layer : of a layered policy, the layer that settled the query; None for a strategy without layers.
    """

    model: str
    router: str
    reason: Reason
    propensity: float = 1.0
    quality: Mapping[str, float] = field(default_factory=lambda: EMPTY)
    cost_usd: Mapping[str, float] = field(default_factory=lambda: EMPTY)
    novelty: float | None = None
    detail: str | None = None
    layer: str | None = None

    @property
    def topic(self) -> str | None:
        """The rule or the semantic route that matched, such as "rule proofs"; None where none did."""
        if self.reason not in TOPICS or self.detail is None:
            return None
        return self.detail.rpartition("; ")[2].partition(", score")[0]


class Hold(StrEnum):
    """When the answer of a call is committed to the caller; after the first committed token nothing is re-routed."""

    NOTHING = "nothing"  # at once: chunks stream straight through
    PREFIX = "prefix"  # the strategy sees the beginning first, and accepts or abandons it
    ALL = "all"  # when the strategy accepts it


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Call the decision's model, after waiting `delay_s` (backoff).

    prefix_tokens : of a held prefix: about so many tokens are held before the strategy is asked again, with the
        partial attempt as the last one. It then accepts that attempt, which streams on, or calls another model.
    aside : what comes back is about other answers, such as which is the better one, and is never given to the caller.
    messages : sent in place of the query's, such as a request to fuse other answers; None sends the query's own.
    parameters : fields of this call's request, over the query's and under the model's; such as a verifier's need of
        log-probabilities.
    """

    decision: Decision
    hold: Hold = Hold.NOTHING
    delay_s: float = 0.0
    prefix_tokens: int = 0
    messages: tuple[Mapping[str, Any], ...] | None = None
    aside: bool = False
    parameters: Mapping[str, Any] = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verify:
    """Score the answer of attempt number `attempt` with the named verifier."""

    attempt: int
    verifier: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept:
    """Give the caller the answer of attempt number `attempt`; `reason` is kept in the record."""

    attempt: int
    reason: str = "answered"


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """There is nothing more to try."""

    reason: str


Step = Call | Verify | Accept | GiveUp
