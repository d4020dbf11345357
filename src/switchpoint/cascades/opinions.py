"""Opinions: several answers to one query, what they come to, and which conclusion most of them share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from switchpoint.core.attempt import Attempt
from switchpoint.core.conclusion import conclusion


class Leader(NamedTuple):
    """The conclusion that most answers share; of equals the one that was given first.

    attempt : number of the first attempt that gave it.
    votes, runner_up : how many answers share it, and the next one; 0 where there is no other.
    """

    attempt: int
    votes: int
    runner_up: int


def answers(attempts: Sequence[Attempt]) -> list[int]:
    """Return the numbers of the attempts that answered, in order."""
    return [number for number, attempt in enumerate(attempts) if attempt.answered]


def given(plan: Iterable[str], attempts: Sequence[Attempt]) -> list[int]:
    """Return the numbers of the answers that a plan asked for, in the plan's order; a model may stand in it repeatedly.

    Answers beyond those of the plan, and those of other models, are left out.
    """
    by_model: dict[str, list[int]] = {}
    for number in answers(attempts):
        by_model.setdefault(attempts[number].decision.model, []).append(number)
    return [left.pop(0) for model in plan if (left := by_model.get(model))]


def waiting(plan: Iterable[str], attempts: Sequence[Attempt]) -> list[str]:
    """Return the models of a plan that have yet to answer, in order; one that is to answer twice may be left once."""
    done = Counter(attempts[number].decision.model for number in answers(attempts))
    left = []
    for model in plan:
        if done[model] > 0:
            done[model] -= 1
        else:
            left.append(model)
    return left


def leading(attempts: Sequence[Attempt], numbers: Iterable[int]) -> Leader | None:
    """Count the conclusions of these attempts; None where no answer comes to anything. Earlier numbers win ties."""
    first: dict[str, int] = {}
    votes: Counter[str] = Counter()
    for number in numbers:
        said = conclusion(text_of(attempts[number]))
        if said is not None:
            first.setdefault(said, number)
            votes[said] += 1
    # most_common keeps the order of first appearance among equals.
    ranked = votes.most_common(2)
    if not ranked:
        return None
    (winner, count), runner_up = ranked[0], ranked[1][1] if len(ranked) > 1 else 0
    return Leader(first[winner], count, runner_up)


def text_of(attempt: Attempt) -> str:
    """Return the text of an attempt's answer; a call that failed has none."""
    return "" if attempt.answer is None else attempt.answer.text
