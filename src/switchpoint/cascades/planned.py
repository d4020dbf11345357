"""Planned: a trained cascade as a strategy: look up what was said so far, and do what is best from there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

import numpy as np

from switchpoint.cascades.plan import Plan
from switchpoint.cascades.rules import STOP
from switchpoint.core.attempt import Attempt
from switchpoint.core.bounds import Bounds, affordable, in_turn
from switchpoint.core.catalog import Catalog
from switchpoint.core.decision import Accept, Call, Decision, Hold, Reason, Step, Verify
from switchpoint.core.errors import NoEligibleModel
from switchpoint.core.query import EMPTY, IntArray, Query


class Planned:
    """Follow a plan at a willingness to pay.

    verifiers : by model, the name under which the engine knows what scores its answers; of each that the plan scores.
    parameters : fields of every call's request, such as a verifier's need of log-probabilities.
    Answers are held until accepted; the last one, of a model after which nothing is left to decide, streams through.
    A model that failed, may not take the query, or could take it over its `max_cost_usd` together with those before it
    in the plan, is left out, and the plan is made anew without it.

    Raises UnknownModel for a model that is not in the catalog.
    """

    def __init__(
        self,
        name: str,
        catalog: Catalog,
        plan: Plan,
        *,
        willingness_usd: float | None = None,
        verifiers: Mapping[str, str] | None = None,
        parameters: Mapping[str, Any] = EMPTY,
    ) -> None:
        self.name = name
        self.catalog = catalog
        self.plan = plan
        self.models = tuple(catalog[model] for model in plan.models)
        self.verifiers = dict(verifiers or {})
        self.parameters = parameters
        self.willingness_usd = plan.willingness_usd if willingness_usd is None else willingness_usd
        self._actions: dict[frozenset[int], IntArray] = {}

    def next(self, query: Query, attempts: Sequence[Attempt]) -> Step:
        """Have the newest answer scored, or look up what to do; raises NoEligibleModel where nobody may be asked."""
        program = self.plan.program
        answers = self._answers(attempts)
        for column, number in answers.items():
            verifier = self._verifier(column)
            if verifier is not None and attempts[number].verdict_of(verifier) is None:
                return Verify(attempt=number, verifier=verifier)
        blocked = self._blocked(query, attempts, answers)
        state = program.state(self._said(attempts, answers))
        column = int(self._plan_without(blocked)[state])
        if column == STOP:
            return self._accept(query, state, answers)
        return self._call(column, state, blocked, bool(answers))

    def worst_case(self, query: Query) -> Bounds:
        """Return the bounds of asking everybody that a run can pay for."""
        return in_turn(affordable(self.models, query), query)

    def at(self, willingness_usd: float) -> Planned:
        """Return this cascade at another willingness to pay."""
        return Planned(self.name, self.catalog, self.plan, willingness_usd=willingness_usd, verifiers=self.verifiers)

    def _answers(self, attempts: Sequence[Attempt]) -> dict[int, int]:
        """Return the number of the attempt that holds each model's answer, by column."""
        ids = [model.id for model in self.models]
        return {
            ids.index(a.decision.model): n for n, a in enumerate(attempts) if a.answered and a.decision.model in ids
        }

    def _verifier(self, column: int) -> str | None:
        return self.verifiers.get(self.models[column].id) if self.plan.program.scored[column] else None

    def _said(self, attempts: Sequence[Attempt], answers: dict[int, int]) -> list[int]:
        """Return the state: what each model said, with the bin of its score."""
        texts: list[str | None] = [None] * len(self.models)
        score = np.full(len(self.models), np.nan)
        for column, number in answers.items():
            attempt = attempts[number]
            assert attempt.answer is not None
            texts[column] = attempt.answer.text
            verifier = self._verifier(column)
            verdict = None if verifier is None else attempt.verdict_of(verifier)
            score[column] = np.nan if verdict is None else verdict.score
        return self.plan.program.codes(np.array([self.plan.reading.read(texts)]), score[None])[0]

    def _blocked(self, query: Query, attempts: Sequence[Attempt], answers: dict[int, int]) -> frozenset[int]:
        failed = {attempt.decision.model for attempt in attempts if attempt.failure is not None}
        may = {model.id for model in affordable(self.models, query)} - failed
        return frozenset(
            column for column, model in enumerate(self.models) if column not in answers and model.id not in may
        )

    def _plan_without(self, blocked: frozenset[int]) -> IntArray:
        """Return the action in each state; kept, since the same models are left out again and again."""
        if blocked not in self._actions:
            price = self.plan.price(self.willingness_usd)
            price[:, list(blocked)] = inf
            self._actions[blocked] = self.plan.program.actions(price)[:, 0]
        return self._actions[blocked]

    def _accept(self, query: Query, state: int, answers: dict[int, int]) -> Step:
        program = self.plan.program
        if not answers:
            tokens = query.input_tokens
            raise NoEligibleModel({m.id: m.exclusion(query, tokens) or "failed" for m in self.models})
        return Accept(attempt=answers[int(program.pick[state])], reason=f"believed {program.best[state]:.2f}")

    def _call(self, column: int, state: int, blocked: frozenset[int], escalated: bool) -> Step:
        program, action = self.plan.program, self._plan_without(blocked)
        reason = Reason.FIRST_OF_CASCADE
        if escalated:
            reason = Reason.ESCALATED if program.models[column] == self.plan.strong else Reason.OPINION
        after = program.child[state, column][program.chance[state, column] > 0]
        final = bool((action[after] == STOP).all() and (program.pick[after] == column).all())
        decision = Decision(
            model=self.models[column].id,
            router=self.name,
            reason=reason,
            cost_usd=self._expected(),
            detail=f"the best in hand is believed {program.best[state]:.2f}" if escalated else None,
        )
        return Call(decision=decision, hold=Hold.NOTHING if final else Hold.ALL, parameters=self.parameters)

    def _expected(self) -> dict[str, float]:
        return dict(zip(self.plan.models, self.plan.cost_usd.tolist(), strict=True)) if self.plan.priced else {}
