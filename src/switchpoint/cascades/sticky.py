"""Sticky: a conversation keeps its model, unless a switch is worth what it costs; and always where it must."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeGuard

from switchpoint.core.attempt import Attempt
from switchpoint.core.catalog import Catalog
from switchpoint.core.conversation import held_state, last_answer, open_tool_loop
from switchpoint.core.decision import TOPICS, Accept, Call, Decision, Hold, Reason, Step
from switchpoint.core.errors import NoEligibleModel, RequestError
from switchpoint.core.model import MILLION, Model
from switchpoint.core.protocols import Strategy
from switchpoint.core.query import Query
from switchpoint.core.session import Session

TOOL_LOOP, PROVIDER_STATE = "tool_loop", "provider_state"
LOCKS = frozenset({TOOL_LOOP, PROVIDER_STATE})
IN_TOOL_LOOP = "an open tool loop"
UNFOUNDED = frozenset({Reason.RANDOM, Reason.NO_EVIDENCE})
"""Choices without a gain behind them: no reason to switch."""
HELD = UNFOUNDED | {Reason.ESTIMATED, *TOPICS}
"""Choices that a conversation is held against, where they come with estimates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stickiness:
    """When a conversation may change its model.

    margin : quality that a switch must gain beyond what it costs, times one more for every switch there was, so that
        a conversation cannot go back and forth for ever; in [0, 1].
    willingness_usd : dollars for one full point of quality, to weigh it against what the prompt cache is worth; None
        does not weigh them: then a switch must gain more quality than the margin or save more dollars than it costs.
    idle_reset_s : after so long without an answer the choice is open again, and the cache is taken for lost.
    rescue_after : requests in a row without an answer after which the choice is open again.
    locks : which of `LOCKS` hold.
    fallback_in_tool_loop : whether a model that fails inside an open tool loop may be replaced.
    """

    margin: float = 0.05
    willingness_usd: float | None = None
    idle_reset_s: float = 300.0
    rescue_after: int = 2
    locks: frozenset[str] = LOCKS
    fallback_in_tool_loop: bool = False


class Sticky:
    """Follow a strategy, but hold a conversation to the model that answered last.

    Locked, whatever it costs: inside an open tool loop, and where the request refers to what only one provider holds.
    The strategy is still asked, because it may refuse; a locked model that may not take the query is an error and never
    a silent switch. Without a remembered model, the `model` that an assistant's message names counts, if it is one
    that the strategy itself chooses from.

    Otherwise the choice is open at the boundaries (a new conversation, a long pause, another route, rule or topic,
    repeated failures, a model that may no longer answer), and between them a switch must pay; see `Stickiness`.

    Only choices made from estimates or drawn are held. What an operator fixed is followed, and so is a cascade: it
    calls the same model first each turn, which keeps that one's cache warm, and chooses after seeing the answer.

    Source: the switching rule of vLLM's semantic router, 2026 (gain >= margin + switch cost); here the cost is the
    provider's price of the cache, in dollars, and nothing is weighed that has no unit.
    """

    def __init__(self, strategy: Strategy, catalog: Catalog, stickiness: Stickiness | None = None) -> None:
        self.strategy = strategy
        self.name = strategy.name
        self.catalog = catalog
        self.stickiness = stickiness or Stickiness()

    def next(self, query: Query, attempts: Sequence[Attempt]) -> Step:
        """Return the strategy's step, held to the conversation's model; raises NoEligibleModel where that cannot be."""
        lock = self._lock(query)
        if lock is not None:
            return self._locked(lock, query, attempts)
        step = self.strategy.next(query, attempts)
        if query.session is None or query.session.model is None or not _may_be_held(step, attempts):
            return step
        return self._held(step, query, query.session)

    def _lock(self, query: Query) -> str | None:
        """Say what ties the conversation to its model, or None."""
        locks = self.stickiness.locks
        if TOOL_LOOP in locks and open_tool_loop(query.messages) is not None:
            return IN_TOOL_LOOP
        if PROVIDER_STATE in locks:
            field = held_state(query.messages, query.parameters)
            return None if field is None else f"what only its provider holds ({field})"
        return None

    def _locked(self, lock: str, query: Query, attempts: Sequence[Attempt]) -> Step:
        decision = self._first(query)
        model = _began(query, decision)
        if model is None:
            return self.strategy.next(query, attempts)
        if attempts and attempts[-1].answered:
            return Accept(attempt=len(attempts) - 1)
        excluded = self._exclusion(model, query)
        if excluded is None:
            began = decision or Decision(model=model, router=self.name, reason=Reason.LOCKED)
            return Call(decision=replace(began, model=model, reason=Reason.LOCKED, propensity=1.0, detail=lock))
        if attempts and lock is IN_TOOL_LOOP and self.stickiness.fallback_in_tool_loop:
            return self.strategy.next(query, attempts)
        raise NoEligibleModel({model: f"{excluded}; {lock} ties this conversation to it"})

    def _first(self, query: Query) -> Decision | None:
        """Return what the strategy would begin with; raises Refused. A lock holds even where it cannot decide."""
        try:
            step = self.strategy.next(query, ())
        except NoEligibleModel:
            return None
        except RequestError:
            raise
        except Exception:
            return None
        return step.decision if isinstance(step, Call) else None

    def _held(self, call: Call, query: Query, session: Session) -> Call:
        """Return the call, of the session's model unless the choice is open or a switch pays."""
        decision, stay = call.decision, session.model
        if stay is None or self._is_open(decision, stay, query, session):
            return call
        if stay == decision.model:
            # A draw that falls on the model again decided nothing: any other would have been overruled.
            return replace(call, decision=_sticky(decision, stay)) if decision.reason is Reason.RANDOM else call
        gain = self._gain(decision, stay, query, session)
        if decision.reason not in UNFOUNDED and gain.pays(self.stickiness, session.switches):
            return call
        return replace(call, decision=_sticky(decision, stay, gain.told(decision.model)))

    def _is_open(self, decision: Decision, stay: str, query: Query, session: Session) -> bool:
        """Whether the conversation is at a boundary, where nothing holds it to its model."""
        floor = query.min_quality
        return (
            session.strategy not in (None, self.name)
            or session.idle_s > self.stickiness.idle_reset_s
            or session.failures >= self.stickiness.rescue_after
            or session.topic != decision.topic
            or stay not in decision.quality
            or (floor is not None and not decision.quality[stay] >= floor)
            or self._exclusion(stay, query) is not None
        )

    def _exclusion(self, model: str, query: Query) -> str | None:
        if model not in self.catalog:
            return "no longer in the catalog"
        return self.catalog[model].exclusion(query, query.input_tokens)

    def _gain(self, decision: Decision, stay: str, query: Query, session: Session) -> Gain:
        warmth = max(0.0, 1.0 - session.idle_s / self.stickiness.idle_reset_s)
        sent = query.input_tokens if session.input_tokens is None else min(session.input_tokens, query.input_tokens)
        cost_usd = decision.cost_usd
        return Gain(
            quality=decision.quality.get(decision.model, math.nan) - decision.quality[stay],
            saved_usd=cost_usd.get(stay, math.nan) - cost_usd.get(decision.model, math.nan),
            cache_usd=cache_usd(self.catalog[stay], sent) * warmth,
        )


class Gain(NamedTuple):
    """What a switch would bring: quality and dollars by the router's own estimates; NaN is unknown.

    cache_usd : what the provider's prompt cache is worth that would be lost.
    """

    quality: float
    saved_usd: float
    cache_usd: float

    def pays(self, stickiness: Stickiness, switches: int) -> bool:
        """Whether the gain exceeds margin and cost; an unknown gain never does."""
        margin, willingness_usd = stickiness.margin * (1 + switches), stickiness.willingness_usd
        usd = self.saved_usd - self.cache_usd
        if willingness_usd is None:
            return self.quality > margin or usd > 0
        if willingness_usd == 0:
            return usd > 0
        return self.quality + usd / willingness_usd > margin

    def told(self, model: str) -> str:
        """Say it in one clause."""
        return (
            f"a switch to {model} would not pay: quality {self.quality:+.3f}, calls {self.saved_usd:+.6f} USD, "
            f"prompt cache {-self.cache_usd:+.6f} USD"
        )


def _sticky(decision: Decision, stay: str, detail: str | None = None) -> Decision:
    return replace(decision, model=stay, reason=Reason.STICKY, propensity=1.0, detail=detail)


def cache_usd(model: Model, tokens: int) -> float:
    """Return what having so many tokens in the provider's prompt cache saves on the next call; NaN if that is unknown.

    A model without a price for cached input bills it in full, so its cache is worth nothing.
    """
    if model.cached_input_usd_per_mtok is None:
        return 0.0
    if model.input_usd_per_mtok is None:
        return math.nan
    return float((model.input_usd_per_mtok - model.cached_input_usd_per_mtok) * tokens * model.samples / MILLION)


def _may_be_held(step: Step, attempts: Sequence[Attempt]) -> TypeGuard[Call]:
    """Whether a step is a router's choice from estimates, which no answer has followed yet."""
    return (
        isinstance(step, Call)
        and step.hold is Hold.NOTHING
        and step.messages is None
        and step.decision.reason in HELD
        and len(step.decision.quality) > 0
        and not any(attempt.answer is not None for attempt in attempts)
    )


def _began(query: Query, decision: Decision | None) -> str | None:
    """Return the model that began what a lock protects: the remembered one, else the one that the history names.

    What a caller writes into the history opens no model to him that the strategy does not choose from.
    """
    if query.session is not None and query.session.model is not None:
        return query.session.model
    spoke = last_answer(query.messages)
    named = spoke.get("model") if spoke is not None else None
    chosen_from = () if decision is None else (decision.model, *decision.quality)
    return named if isinstance(named, str) and named in chosen_from else None
