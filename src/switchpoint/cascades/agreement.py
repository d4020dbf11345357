"""Agreement: ask for opinions one at a time until enough of them agree, else call the model that settles it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import cycle, islice
from math import comb

from switchpoint.cascades.opinions import Leader, answers, given, leading, waiting
from switchpoint.core.attempt import Attempt
from switchpoint.core.bounds import Bounds, affordable, in_turn
from switchpoint.core.catalog import Catalog
from switchpoint.core.decision import Accept, Call, Decision, Hold, Reason, Step
from switchpoint.core.errors import ConfigError, NoEligibleModel
from switchpoint.core.model import Model
from switchpoint.core.query import Query

Settled = Callable[[int, int, int], bool]
"""From (votes of the leader, votes of the runner-up, answers drawn) to whether that is agreement enough.

More votes for the leader, the rest unchanged, must never unsettle it.
"""

NOTHING_SAID = Leader(-1, 0, 0)
LEAST_DRAWN = 3
"""With fewer answers the odds rest on the uniform prior alone."""


class Agreement:
    """Draw opinions one at a time and return the leader's first answer once its lead is enough.

    voters : ids in the order of asking; one that stands twice, or comes round again, is sampled again.
    final : answers where the voters do not agree; None gives the answer that most voters gave.
    lead : votes by which the leader must be ahead of the runner-up: 2 of 2 voters is "the first two agree", 3 of 3 is
        unanimity.
    confidence : in (0.5, 1): in place of the lead, the odds that the leader's share is more than half, of 3 or more.
    most : opinions drawn at most; the voters are asked in turn. By default each voter once.

    An answer without a conclusion counts as drawn, never as a vote; a model that failed for good is not asked again.
    No further opinion is drawn when the voters that are left could not settle it and `final` may answer.

    Source: agreement-based cascading (Kolawole et al. 2024), mixture of thought (Yue et al. 2024) and adaptive
    consistency (Aggarwal et al. 2023). Differs: one at a time, and compared by what any two answers come to.

    Raises ConfigError for no voter, a final that votes too, and for an agreement that `most` answers cannot reach.
    """

    def __init__(
        self,
        name: str,
        catalog: Catalog,
        voters: Sequence[str],
        final: str | None = None,
        *,
        lead: int = 2,
        confidence: float | None = None,
        most: int | None = None,
    ) -> None:
        self.name = name
        self.plan = [catalog[voter] for voter in islice(cycle(voters), len(voters) if most is None else most)]
        self.final = None if final is None else catalog[final]
        self.settled = by_lead(lead) if confidence is None else by_odds(confidence)
        self.voters = [model.id for model in self.plan]
        if final in voters:
            raise ConfigError(f"cascades.{name}: {final!r} is a voter and the final model. Name another final model.")
        if not self.settled(len(self.plan), 0, len(self.plan)):
            raise ConfigError(
                f"cascades.{name}: {len(self.plan)} opinions never agree enough. Draw more, or ask for less."
            )

    def worst_case(self, query: Query) -> Bounds:
        """Return the bounds of asking everybody."""
        return in_turn(affordable(self._everybody, query), query)

    def next(self, query: Query, attempts: Sequence[Attempt]) -> Step:
        """Accept what the answers in hand agree on, else ask for another opinion, else call the final model."""
        for number in answers(attempts):
            if self.final is not None and attempts[number].decision.model == self.final.id:
                return Accept(attempt=number, reason="called in where the others did not agree")
        drawn = sorted(given(self.voters, attempts))
        leader = leading(attempts, drawn) or NOTHING_SAID
        if self.settled(leader.votes, leader.runner_up, len(drawn)):
            return Accept(attempt=leader.attempt, reason=f"{leader.votes} of {len(drawn)} answers agree")
        reachable = [model.id for model in affordable(self._everybody, query)]
        left = [voter for voter in waiting(reachable, attempts) if voter in self.voters]
        if self.final is None or self.final.id not in reachable:
            return self._voted(query, left, drawn, leader)
        if left and self.settled(leader.votes + len(left), leader.runner_up, len(drawn) + len(left)):
            return self._opinion(left[0], leader, bool(drawn), Hold.ALL)
        detail = f"{leader.votes} of {len(drawn)} answers agree"
        decision = Decision(model=self.final.id, router=self.name, reason=Reason.ESCALATED, detail=detail)
        return Call(decision=decision)

    @property
    def _everybody(self) -> list[Model]:
        return [*self.plan, *([] if self.final is None else [self.final])]

    def _voted(self, query: Query, left: Sequence[str], drawn: Sequence[int], leader: Leader) -> Step:
        """Without a final model every voter is asked, and the answer that most gave is taken."""
        if left:
            alone = not drawn and len(left) == 1
            return self._opinion(left[0], leader, bool(drawn), Hold.NOTHING if alone else Hold.ALL)
        if not drawn:
            excluded = Catalog({model.id: model for model in self._everybody}.values()).exclusions(query)
            raise NoEligibleModel(excluded)
        number = drawn[0] if leader is NOTHING_SAID else leader.attempt
        return Accept(attempt=number, reason=f"no agreement: {leader.votes} of {len(drawn)} gave this answer")

    def _opinion(self, model: str, leader: Leader, later: bool, hold: Hold) -> Call:
        reason = Reason.OPINION if later else Reason.FIRST_OF_CASCADE
        detail = f"{leader.votes} for the leading answer, {leader.runner_up} for the next" if later else None
        return Call(decision=Decision(model=model, router=self.name, reason=reason, detail=detail), hold=hold)


def by_lead(lead: int) -> Settled:
    """Return the rule of a lead in votes; raises ConfigError for less than 1."""
    if lead < 1:
        raise ConfigError(f"lead must be 1 or more. Got {lead!r}.")
    return lambda votes, runner_up, drawn: votes - runner_up >= lead


def by_odds(confidence: float) -> Settled:
    """Return the rule of adaptive consistency; raises ConfigError for a confidence outside (0.5, 1)."""
    if not 0.5 < confidence < 1:
        raise ConfigError(f"confidence must be between 0.5 and 1. Got {confidence!r}.")
    return lambda votes, runner_up, drawn: drawn >= LEAST_DRAWN and odds(votes, runner_up) >= confidence


def odds(votes: int, runner_up: int) -> float:
    """Return the probability that the leader's share of the two is more than half, under a uniform prior.

    That is 1 - I_1/2(votes + 1, runner_up + 1). For whole numbers the incomplete beta function is the tail of a
    binomial: with n = votes + runner_up + 1, the sum of C(n, i) for i up to votes, over 2 ** n. Exact.

    Source: adaptive consistency (Aggarwal et al. 2023), the Beta rule. Differs: theirs integrates numerically.
    """
    n = votes + runner_up + 1
    return float(sum(comb(n, i) for i in range(votes + 1)) / 2**n)
