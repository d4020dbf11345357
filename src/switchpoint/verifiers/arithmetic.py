"""The arithmetic that an answer writes down: does it come out."""

from __future__ import annotations

from switchpoint.core.attempt import Answer, Verdict
from switchpoint.core.query import Query
from switchpoint.verifiers.equations import equations


async def arithmetic(query: Query, answer: Answer) -> Verdict:
    """Score the share of an answer's statements "L = R" that hold.

    Without any statement nothing is refuted: the score is 1, and the detail says so. NaN would mean that the verifier
    failed, and a cascade would then reject every answer that does no arithmetic. Free.
    """
    found = equations(answer.text)
    if not found:
        return Verdict(score=1.0, detail="no equation")
    wrong = sum(not each.holds for each in found)
    detail = f"{wrong} of {len(found)} equations do not hold" if wrong else None
    return Verdict(score=1 - wrong / len(found), detail=detail)
