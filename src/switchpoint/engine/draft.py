"""Draft: an answer while it is being written; it becomes an Attempt."""

from __future__ import annotations

from collections.abc import Callable

from switchpoint.core.attempt import Answer, Attempt, Chunk, Failure, Verdict
from switchpoint.core.decision import Call, Hold
from switchpoint.core.errors import BadAnswer
from switchpoint.core.model import Model, Usage
from switchpoint.core.query import TOKENS_PER_BYTE
from switchpoint.engine.joining import calls_tool, joined


class Draft:
    """Collects the chunks of one call, says which may go to the caller now, and times it all.

    Chunks that say nothing yet (a role, a comment) wait for the first that does: until then a failure costs the caller
    nothing and the run may still turn to another model.

    whole_only : hold a prefix to the end of its answer, because its beginning alone must not be accepted. So does an
        answer that turns out to call a tool.
    max_held_bytes : of the data of the chunks that no caller has seen; see `add`.
    """

    def __init__(
        self, call: Call, model: Model, clock: Callable[[], float], *, whole_only: bool, max_held_bytes: int
    ) -> None:
        self.decision = call.decision
        self.hold = Hold.ALL if call.hold is Hold.PREFIX and whole_only else call.hold
        self.committed = False
        self.ends = False
        self._model, self._clock, self._start = model, clock, clock()
        self._aside = call.aside
        self._prefix_tokens, self._max_held_bytes = call.prefix_tokens, max_held_bytes
        self._chunks: list[Chunk] = []
        self._seen = 0  # so many of the chunks are the caller's
        self._held_bytes = self._chars = self._logprobs = 0
        self._answer: Answer | None = None
        self._first_token: float | None = None

    def whole(self, answer: Answer) -> None:
        """Take an answer that came in one piece."""
        self._answer = answer

    def add(self, chunk: Chunk) -> None:
        """Take a chunk; raises BadAnswer where an answer that must be held whole is longer than may be held."""
        self._chunks.append(chunk)
        if chunk.speaks and self._first_token is None:
            self._first_token = self._clock()
        if self._first_token is not None and (self.committed or self.hold is Hold.NOTHING):
            self.committed = True
        else:
            self._hold_back(chunk)

    def ready(self) -> list[Chunk]:
        """Return the chunks that are committed to the caller and that he has not got yet."""
        if not self.committed:
            return []
        ready, self._seen = self._chunks[self._seen :], len(self._chunks)
        return ready

    def commit(self) -> list[Chunk]:
        """Give what is held to the caller: from now on the answer streams straight through."""
        self.committed = True
        return self.ready()

    @property
    def at_prefix(self) -> bool:
        """Whether the beginning that was asked for is there, and waits for a verdict.

        Its length is the number of log-probabilities, or without any a token for every four characters. Only content
        counts, so reasoning is held until it ends.
        """
        if self.hold is not Hold.PREFIX or self.committed or self.ends or self._first_token is None:
            return False
        tokens = self._logprobs or self._chars * TOKENS_PER_BYTE
        return self._full or (self._chars > 0 and tokens >= self._prefix_tokens)

    def held(self) -> tuple[Chunk, ...]:
        """Return the chunks that no caller has seen."""
        return tuple(self._chunks[self._seen :])

    def check(self) -> None:
        """Raise BadAnswer if the call ended without an answer."""
        if self._answer is None and self._first_token is None:
            raise BadAnswer("the stream ended without an answer")

    def attempt(self, failure: Failure | None, *, verdicts: tuple[Verdict, ...] = (), partial: bool = False) -> Attempt:
        """Return the story of the call, up to now."""
        answer = self._answer
        if answer is None and self._chunks:  # of what the caller already has nobody needs a body
            answer = joined(self._chunks, body=not self.committed)
        latency_s = self._clock() - self._start
        return Attempt(
            decision=self.decision,
            answer=answer,
            failure=failure,
            verdicts=verdicts,
            cost_usd=self._model.cost_usd(_billed(answer, failure), latency_s),
            latency_s=latency_s,
            ttft_s=None if self._first_token is None else self._first_token - self._start,
            committed=self.committed,
            partial=partial,
            aside=self._aside,
        )

    @property
    def _full(self) -> bool:
        return self._held_bytes > self._max_held_bytes

    def _hold_back(self, chunk: Chunk) -> None:
        self._held_bytes += len(chunk.data)
        self._chars += len(chunk.text)
        self._logprobs += len(chunk.logprobs)
        self.ends = self.ends or chunk.finish_reason is not None
        if self.hold is Hold.PREFIX and calls_tool(chunk):
            self.hold = Hold.ALL
        if self._full and self.hold is not Hold.PREFIX:
            error = BadAnswer(f"the answer is longer than the {self._max_held_bytes} bytes that may be held")
            error.retryable = False  # it would be as long again
            raise error


def _billed(answer: Answer | None, failure: Failure | None) -> Usage | None:
    """Return what is charged: nothing for a refused call; what a call that broke on the way costs is unknown."""
    if answer is None and failure is not None and not failure.billed:
        return Usage(input_tokens=0, output_tokens=0)
    return None if answer is None else answer.usage
