"""Attempt: one call of one model, with all that came of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from switchpoint.core.decision import Decision
from switchpoint.core.errors import SwitchpointError, UpstreamError
from switchpoint.core.model import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an upstream answered.

    text : the content of the first choice; empty for a bare tool call.
    model : the name under which the upstream says it answered; None where it says nothing.
    finish_reason : why it stopped, in OpenAI's words; None where unknown.
    logprobs : log-probability of each output token, natural logarithm; empty where the upstream gives none.
    body : the whole response body in OpenAI's form, passed on to the caller.
    cached : whether it is the answer to an earlier request, and so cost nothing.
    """

    text: str
    model: str | None = None
    finish_reason: str | None = None
    usage: Usage | None = None
    logprobs: tuple[float, ...] = ()
    body: Mapping[str, Any]
    cached: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """One piece of a streamed answer.

    data : the JSON of the event as the upstream sent it, without the `data:` prefix.
    text : the piece of content in it; empty for a role, a tool call, or the usage.
    speaks : whether it holds any part of the answer (content, reasoning, a tool call, the end) and so commits to it.
    cached : whether it is part of the answer to an earlier request.
    """

    data: bytes
    text: str = ""
    speaks: bool = True
    model: str | None = None
    finish_reason: str | None = None
    usage: Usage | None = None
    logprobs: tuple[float, ...] = ()
    cached: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a verifier says of an answer: a score in [0, 1] and what finding it cost; None is unknown.

    A verifier that failed leaves a score of NaN: no threshold accepts it.
    verifier : the name under which the configuration knows it; the engine writes it down.
    detail : one short clause for a person, such as the check that failed. Never quotes the prompt or the answer.
    """

    score: float
    cost_usd: Decimal | None = Decimal(0)
    verifier: str = ""
    detail: str | None = None


NO_COST = Decimal(0)

NOT_BILLED = frozenset({"RateLimited", "RequestError", "UpstreamRefused", "UpstreamUnreachable"})
"""Failures before any work was done: vendors do not charge for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a call failed; `kind` is the name of the error's class.

    vendor_code : what the vendor itself calls it; None is unknown, and in a record read back.
    """

    kind: str
    message: str
    status: int | None = None
    retryable: bool = False
    retry_after_s: float | None = None
    vendor_code: str | None = None

    @property
    def billed(self) -> bool:
        """Whether the call may be charged all the same."""
        return self.kind not in NOT_BILLED

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """Describe an exception; only an UpstreamError can be retryable."""
        if isinstance(error, UpstreamError):
            return cls(
                kind=type(error).__name__,
                message=str(error),
                status=error.status,
                retryable=error.retryable,
                retry_after_s=error.retry_after_s,
                vendor_code=error.vendor_code,
            )
        message = str(error) if isinstance(error, SwitchpointError) else f"{type(error).__name__}: {error}"
        return cls(kind=type(error).__name__, message=message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One call.

    answer : None if the call failed; a failed stream keeps the part that came.
    failure : None if it succeeded.
    verdicts : of the verifiers that have scored the answer, in their order; of each name at most one.
    aside : the answer is about other answers, and is never given to the caller; see `Call`.
    partial : the answer is only the held beginning of one that is still being written.
    cost_usd : of the call, failed ones included; None is unknown.
    latency_s : from the call to the end of the answer; ttft_s to its first token, None when not streamed.
    committed : whether any of it reached the caller.
    """

    decision: Decision
    answer: Answer | None = None
    failure: Failure | None = None
    verdicts: tuple[Verdict, ...] = ()
    cost_usd: Decimal | None = None
    latency_s: float
    ttft_s: float | None = None
    committed: bool = False
    partial: bool = False
    aside: bool = False

    @property
    def verdict(self) -> Verdict | None:
        """The latest verdict; None until a verifier has scored the answer."""
        return self.verdicts[-1] if self.verdicts else None

    def verdict_of(self, verifier: str) -> Verdict | None:
        """Return the verdict of a verifier, or None where it has not scored the answer."""
        return next((verdict for verdict in self.verdicts if verdict.verifier == verifier), None)

    @property
    def answered(self) -> bool:
        """Whether the call succeeded: a whole answer is in hand."""
        return self.answer is not None and self.failure is None and not self.partial

    @property
    def bill_usd(self) -> Decimal | None:
        """The call and the verification of its answer; None if either is unknown."""
        return total((self.cost_usd, self.verify_cost_usd))

    @property
    def verify_cost_usd(self) -> Decimal | None:
        """What every verdict together cost; None if one is unknown."""
        return total([verdict.cost_usd for verdict in self.verdicts])


def best_answered(attempts: Sequence[Attempt]) -> int | None:
    """Return the number of the best whole answer in hand: of the highest latest score, the later one on ties.

    One that was got aside is not in hand. An answer without a score, or with NaN, comes after every scored one. None
    where there is no answer.
    """
    answered = [number for number, attempt in enumerate(attempts) if attempt.answered and not attempt.aside]
    return max(answered, key=lambda number: (_score(attempts[number]), number), default=None)


def _score(attempt: Attempt) -> float:
    score = math.nan if attempt.verdict is None else attempt.verdict.score
    return -1.0 if math.isnan(score) else score


def total(parts: Iterable[Decimal | None]) -> Decimal | None:
    """Sum amounts of money; an unknown part makes the sum unknown, and no parts cost nothing."""
    result = NO_COST
    for part in parts:
        if part is None:
            return None
        result += part
    return result
