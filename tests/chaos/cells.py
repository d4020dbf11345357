"""The words of the matrix: how it is asked, what one call does, and what must be seen of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

STRONG = "strong"
"""The model that is well, and stands behind every other one."""

OK = "ok"
"""In place of a failure: the call succeeded."""

NOT_BILLED = frozenset({"RateLimited", "UpstreamRefused", "UpstreamUnreachable"})
"""Failures of calls that cost nothing; what any other failed call costs is not known."""


class Way(StrEnum):
    """Who decides: nobody, a router with another model behind, or a cascade that holds the first answer."""

    PLAIN = "plain"
    ROUTER = "router"
    CASCADE = "cascade"


class Form(StrEnum):
    """How the answer is asked for."""

    WHOLE = "whole"
    STREAMED = "streamed"


class Sees(StrEnum):
    """What the caller gets."""

    ANSWER = "a whole answer"
    ERROR = "an error"
    BROKEN = "a beginning, then an error event"


class Cell(NamedTuple):
    """What is declared, and what is observed, of one request.

    code : of the error object, in the response or in the event. retry : the header x-should-retry.
    retry_after_s : the header retry-after.
    model : who the caller is told has answered, in the headers and in the body alike.
    outcome, attempts, bill_known : of the record; the attempts are the kinds of failure, "ok" where there was none.
    """

    status: int
    sees: Sees
    attempts: tuple[str, ...]
    outcome: str = "answered"
    code: str | None = None
    model: str | None = None
    retry: str | None = None
    retry_after_s: int | None = None
    bill_known: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """A call that succeeds. bill_known : whether the upstream said what was used, so that its price is known."""

    bill_known: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Fails:
    """A call that fails before the caller has seen anything of it.

    kind : the class of the error. calls : how often the same model is called. status, code : of the response when
    nothing else is left. elsewhere : whether another model is asked.
    """

    kind: str
    calls: int = 1
    status: int = 502
    code: str = "no_answer"
    retry_after_s: int | None = None
    elsewhere: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaks:
    """A call that fails after the beginning of its answer; where the caller has that, nothing is asked elsewhere.

    calls : how often the same model is called where the beginning was held. code : of the event. status : of the
    response when the beginning was held and nothing else is left.
    """

    kind: str
    code: str
    calls: int = 2
    status: int = 502


Call = Answers | Fails | Breaks


def cell(call: Call, way: Way, form: Form, model: str) -> Cell:
    """Return what follows for the caller and the record from how the calls of a model go; this is the law.

    A failure that nobody has seen is turned over to the next model, if there is one; one that the caller has seen the
    beginning of is told him, and nothing is asked again.
    """
    if isinstance(call, Answers):
        return Cell(200, Sees.ANSWER, (OK,), model=model, bill_known=call.bill_known)
    if isinstance(call, Breaks):
        if form is Form.STREAMED and way is not Way.CASCADE:
            return Cell(200, Sees.BROKEN, (call.kind,), "failed", call.code, model, bill_known=False)
        call = Fails(kind=call.kind, calls=call.calls, status=call.status)
    failures, free = (call.kind,) * call.calls, call.kind in NOT_BILLED
    if way is Way.PLAIN or not call.elsewhere:
        wait_s = call.retry_after_s
        return Cell(call.status, Sees.ERROR, failures, "failed", call.code, None, "false", wait_s, free)
    return Cell(200, Sees.ANSWER, (*failures, OK), model=STRONG, bill_known=free)
