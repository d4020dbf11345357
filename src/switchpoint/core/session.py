"""Session: what is remembered of a conversation between its requests."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The state of one conversation, before the query that is being decided.

    id : of the conversation, unguessable from the prompt and different for every tenant.
    model : which answered last; None for a conversation that begins.
    turns : answers so far; switches : how often the model changed between them.
    idle_s : since the last answer.
    input_tokens : of the last request, as the upstream counted them: what its prompt cache may still hold; None is
        unknown.
    """

    id: str
    model: str | None = None
    turns: int = 0
    switches: int = 0
    idle_s: float = 0.0
    input_tokens: int | None = None
