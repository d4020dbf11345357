"""Session: what is remembered of a conversation between its requests; and Claim, by which name a caller knows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Claim(NamedTuple):
    """What a caller says names the conversation; `rung` is where he says it. Never stored as it is."""

    rung: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The state of one conversation, before the query that is being decided.

    id : of the conversation, unguessable from the prompt and different for every tenant.
    model : which answered last; None for a conversation that begins.
    strategy : which chose it.
    topic : the rule or the semantic route that it was chosen by; None where none matched.
    turns : answers so far; switches : how often the model changed between them.
    failures : requests without an answer since the last one.
    idle_s : since the last answer.
    input_tokens : of the last request, as the upstream counted them: what its prompt cache may still hold; None is
        unknown.
    """

    id: str
    model: str | None = None
    strategy: str | None = None
    topic: str | None = None
    turns: int = 0
    switches: int = 0
    failures: int = 0
    idle_s: float = 0.0
    input_tokens: int | None = None
