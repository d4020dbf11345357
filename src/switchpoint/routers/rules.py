"""Rules: what the operator knows for certain. The first rule that matches says who decides."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from switchpoint.core.attempt import Attempt
from switchpoint.core.decision import Call, Reason, Step
from switchpoint.core.protocols import Strategy
from switchpoint.core.query import EMPTY, Query


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A condition on the query; every part that is given must hold.

    min_chars, max_chars : length of the last user message.
    keywords : any of these words stands in the user's last turn, whatever its case.
    pattern : is found in the user's last turn (at most `ROUTING_CHARS` characters of it, so its time is bounded).
    tags : each named tag has one of these values, such as {"tier": {"free"}, "task": {"chat", "search"}}.
    needs : capabilities the query needs, all of them.
    """

    name: str
    min_chars: int | None = None
    max_chars: int | None = None
    keywords: frozenset[str] = frozenset()
    pattern: re.Pattern[str] | None = None
    tags: Mapping[str, frozenset[str]] = field(default_factory=lambda: EMPTY)
    needs: frozenset[str] = frozenset()

    def matches(self, query: Query) -> bool:
        """Whether all parts of the rule hold for the query."""
        return (
            self.needs <= query.needs
            and all(query.tags.get(tag) in values for tag, values in self.tags.items())
            and self._length_fits(query)
            and (not self.keywords or not self.keywords.isdisjoint(_words(query.last_turn)))
            and (self.pattern is None or self.pattern.search(query.last_turn) is not None)
        )

    def _length_fits(self, query: Query) -> bool:
        if self.min_chars is None and self.max_chars is None:
            return True
        chars = len(query.full_text)
        return (self.min_chars or 0) <= chars and (self.max_chars is None or chars <= self.max_chars)


class Rules:
    """Ask the strategy of the first rule that matches; else the strategy `otherwise`.

    A rule only says who decides first: where its choice fails, what that strategy says next is followed.
    """

    def __init__(self, name: str, rules: Sequence[tuple[Rule, Strategy]], otherwise: Strategy) -> None:
        self.name = name
        self.rules = tuple(rules)
        self.otherwise = otherwise

    def next(self, query: Query, attempts: Sequence[Attempt]) -> Step:
        """Return the matching strategy's step, its decision marked with the rule's name."""
        for rule, strategy in self.rules:
            if rule.matches(query):
                step = strategy.next(query, attempts)
                return self._marked(step, rule) if isinstance(step, Call) else step
        return self.otherwise.next(query, attempts)

    def _marked(self, call: Call, rule: Rule) -> Call:
        decision = replace(call.decision, router=self.name, reason=Reason.RULE, detail=f"rule {rule.name}")
        return replace(call, decision=decision)


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold()))
