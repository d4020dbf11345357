"""Draft: an answer while it is being written; it becomes an Attempt."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from switchpoint.core.attempt import Answer, Attempt, Chunk, Failure
from switchpoint.core.decision import Decision, Hold
from switchpoint.core.errors import BadAnswer
from switchpoint.core.model import Model, Usage

T = TypeVar("T")


class Draft:
    """Collects the chunks of one call, says which may go to the caller now, and times it all.

    Chunks that say nothing yet (a role, a comment) wait for the first that does: until then a failure costs the caller
    nothing and the run may still turn to another model.
    """

    def __init__(self, decision: Decision, hold: Hold, clock: Callable[[], float]) -> None:
        self.decision = decision
        self.hold = hold
        self.clock = clock
        self.start = clock()
        self.committed = False
        self._waiting: list[Chunk] = []
        self._chunks: list[Chunk] = []
        self._answer: Answer | None = None
        self._first_token: float | None = None

    def whole(self, answer: Answer) -> None:
        """Take an answer that came in one piece."""
        self._answer = answer

    def add(self, chunk: Chunk) -> list[Chunk]:
        """Take a chunk; return those that are now committed to the caller."""
        self._chunks.append(chunk)
        self._waiting.append(chunk)
        if chunk.speaks and self._first_token is None:
            self._first_token = self.clock()
        if self.hold is Hold.ALL or self._first_token is None:
            return []
        self.committed = True
        ready, self._waiting = self._waiting, []
        return ready

    def held(self) -> tuple[Chunk, ...]:
        """Return the chunks that no caller has seen."""
        return tuple(self._waiting)

    def check(self) -> None:
        """Raise BadAnswer if the call ended without an answer."""
        if self._answer is None and self._first_token is None:
            raise BadAnswer("the stream ended without an answer")

    def attempt(self, model: Model, failure: Failure | None) -> Attempt:
        """Return the story of the call, up to now."""
        answer = self._answer or self._joined()
        latency_s = self.clock() - self.start
        return Attempt(
            decision=self.decision,
            answer=answer,
            failure=failure,
            cost_usd=model.cost_usd(_billed(answer, failure), latency_s),
            latency_s=latency_s,
            ttft_s=None if self._first_token is None else self._first_token - self.start,
            committed=self.committed,
        )

    def _joined(self) -> Answer | None:
        """Put the chunks together; the answer has no body, since the caller got its pieces."""
        if not self._chunks:
            return None
        return Answer(
            text="".join(chunk.text for chunk in self._chunks),
            model=_last(chunk.model for chunk in self._chunks),
            finish_reason=_last(chunk.finish_reason for chunk in self._chunks),
            usage=_last(chunk.usage for chunk in self._chunks),
            logprobs=tuple(value for chunk in self._chunks for value in chunk.logprobs),
            body={},
        )


def _last(values: Iterable[T | None]) -> T | None:
    found = None
    for value in values:
        found = found if value is None else value
    return found


def _billed(answer: Answer | None, failure: Failure | None) -> Usage | None:
    """Return what is charged: nothing for a refused call; what a call that broke on the way costs is unknown."""
    if answer is None and failure is not None and not failure.billed:
        return Usage(input_tokens=0, output_tokens=0)
    return None if answer is None else answer.usage
