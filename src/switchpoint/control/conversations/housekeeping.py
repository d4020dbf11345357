"""Housekeeping: calls that agents and chat programs make for themselves, such as a title for a conversation."""

from __future__ import annotations

from dataclasses import dataclass

from switchpoint.core.conversation import opening
from switchpoint.core.query import Query, window

HOUSEKEEPING = "housekeeping"

SYSTEM_CONTAINS = (
    "Analyze if this message indicates a new conversation topic",
    "You are a title generator",
    "You will generate a short title",
    "write the title in the predominant language",
    "single-line task title",
    "Summarize this coding conversation in under 50 characters",
    "helpful AI assistant tasked with summarizing conversations",
)
"""What well-known agents say in the system text of such calls."""

USER_CONTAINS = (
    "Your task is to create a detailed summary of the conversation so far",
    "word title the following conversation",
    "Generate a concise, 3-5 word title",
    "Generate 1-3 broad tags",
    "Suggest 3-5 relevant follow-up questions",
    "Generate a title for this conversation",
)
"""What they say in the user's place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patterns:
    """By what such a call is known; plain substrings, so that looking takes time in proportion to the text alone.

    system_contains, user_contains : texts in the first system message, and in the user's last turn, case and all.
    max_tokens : a request for at most so many tokens, without tools, is a probe of a quota or a connection.
    """

    system_contains: tuple[str, ...] = SYSTEM_CONTAINS
    user_contains: tuple[str, ...] = USER_CONTAINS
    max_tokens: int = 1


def is_housekeeping(query: Query, patterns: Patterns) -> bool:
    """Whether a query is a program's own business: a pure function of it, which reads a bounded part."""
    if _probes(query, patterns.max_tokens):
        return True
    asked = query.last_turn
    if any(text in asked for text in patterns.user_contains):
        return True
    system = window(opening(query.messages)[0])
    return bool(system) and any(text in system for text in patterns.system_contains)


def _probes(query: Query, max_tokens: int) -> bool:
    said = query.parameters
    caps = (said.get("max_tokens"), said.get("max_completion_tokens"))
    return not said.get("tools") and any(type(cap) is int and 0 < cap <= max_tokens for cap in caps)
