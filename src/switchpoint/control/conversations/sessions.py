"""Sessions: what is remembered of a conversation, read before a query is decided and written after its answer."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

import msgspec

from switchpoint.control.conversations.housekeeping import HOUSEKEEPING, Patterns, is_housekeeping
from switchpoint.control.conversations.identity import OPENING, identify
from switchpoint.core.conversation import last_answer
from switchpoint.core.copying import but
from switchpoint.core.decision import Reason
from switchpoint.core.protocols import KeyValue
from switchpoint.core.query import Query
from switchpoint.core.record import Record
from switchpoint.core.session import Session

PREFIX = "session:1:"
"""Of every key; the number changes when the form of a value does."""

DEFAULT_TENANT = "default"
HELD = frozenset({Reason.STICKY, Reason.LOCKED})
UNSPOKEN = frozenset({"cancelled", "refused"})
"""Outcomes that say nothing of the model."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A session as it is stored; `at` is the time of the last answer, in seconds since the epoch."""

    model: str
    strategy: str | None = None
    topic: str | None = None
    turns: int = 0
    switches: int = 0
    failures: int = 0
    at: float
    input_tokens: int | None = None


class Sessions:
    """Remembers conversations: a preparation of queries, and a sink of records.

    store : where; what it loses is a conversation that begins anew.
    secret : of this installation, which keys the ids; replicas that share a store must share it. None draws one.
    keep_s : how long a conversation is remembered after its last answer.
    patterns : of housekeeping calls, which are no part of a conversation; None knows none.
    clock : seconds since the epoch, which replicas agree on.
    """

    def __init__(
        self,
        store: KeyValue,
        *,
        secret: bytes | None = None,
        keep_s: float = 86_400.0,
        patterns: Patterns | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.store = store
        self.secret = secret or secrets.token_bytes(32)
        self._keep_s = keep_s
        self._patterns = patterns
        self._clock = clock
        self._unwritten: deque[tuple[str, Kept]] = deque()
        self._writing: asyncio.Task[None] | None = None

    async def prepare(self, query: Query) -> Query:
        """Return the query with its session, and its tags; of a housekeeping call only the tag `task`.

        tags : `session`, the id, and `session_rung`, where it comes from; they take the place of a caller's own.
        """
        if self._patterns is not None and "task" not in query.tags and is_housekeeping(query, self._patterns):
            return replace(query, tags={**query.tags, "task": HOUSEKEEPING})
        if query.tags.get("task") == HOUSEKEEPING:
            return query
        identity = identify(query, query.tags.get("tenant", DEFAULT_TENANT), self.secret)
        tags = {**query.tags, "session": identity.id, "session_rung": identity.rung}
        # Of a conversation that is known by its opening alone, the first request is like every other one that opens so.
        begins = identity.rung == OPENING and last_answer(query.messages) is None
        found = None if begins else await self.store.get(PREFIX + identity.id)
        return but(query, tags=tags, session=self._session(identity.id, found))

    def __call__(self, record: Record) -> None:
        """Take a finished record: remember who answered, or that nobody did. Never blocks."""
        session = record.session
        if session is None or not record.attempts or record.outcome in UNSPOKEN:
            return
        kept = self._after(session, record)
        if kept is not None:
            self._unwritten.append((PREFIX + session.id, kept))
            self._write()

    def _session(self, id: str, found: bytes | None) -> Session:
        kept = None if found is None else _decoded(found)
        if kept is None:
            return Session(id=id)
        return Session(
            id=id,
            model=kept.model,
            strategy=kept.strategy,
            topic=kept.topic,
            turns=kept.turns,
            switches=kept.switches,
            failures=kept.failures,
            idle_s=max(0.0, self._clock() - kept.at),
            input_tokens=kept.input_tokens,
        )

    def _after(self, session: Session, record: Record) -> Kept | None:
        """Return what is to be remembered now; None for a conversation in which nobody has answered yet."""
        if record.answered_by is None or record.answer is None:
            if session.model is None:
                return None
            return self._failed(session, session.model)
        first, usage = record.attempts[0].decision, record.answer.usage
        switched = session.model not in (None, record.answered_by)
        return Kept(
            model=record.answered_by,
            strategy=record.strategy,
            topic=session.topic if first.reason in HELD else first.topic,
            turns=session.turns + 1,
            switches=session.switches + switched,
            at=self._clock(),
            input_tokens=None if usage is None else usage.input_tokens,
        )

    def _failed(self, session: Session, model: str) -> Kept:
        return Kept(
            model=model,
            strategy=session.strategy,
            topic=session.topic,
            turns=session.turns,
            switches=session.switches,
            failures=session.failures + 1,
            at=self._clock() - session.idle_s,
            input_tokens=session.input_tokens,
        )

    def _write(self) -> None:
        """See to it that what waits is written: one task does it for all that end together."""
        if self._writing is not None and not self._writing.done():
            return
        try:
            self._writing = asyncio.get_running_loop().create_task(self._written())
        except RuntimeError:  # a run that was closed after its loop: there is nobody left to write for
            self._unwritten.clear()

    async def _written(self) -> None:
        while self._unwritten:
            key, kept = self._unwritten.popleft()
            await self.store.set(key, msgspec.json.encode(kept), self._keep_s)


def _decoded(data: bytes) -> Kept | None:
    """Read a stored session; one of another version, or damaged, is none."""
    try:
        return msgspec.json.decode(data, type=Kept)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
