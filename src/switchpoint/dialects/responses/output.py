"""Output: the items of a response, built from the pieces of a chat completion, and the events that tell of them.

A whole answer is one piece. So what a stream adds up to is what a whole answer holds, because it is made in one way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from switchpoint.dialects.dialect import Json
from switchpoint.dialects.responses.items import Call, Item, Message, Reasoning

READ = frozenset({"role", "content", "refusal", "reasoning_content", "reasoning", "tool_calls", "annotations"})
"""Fields of a message that have a place of their own in an item; the others are sealed into a reasoning item."""

Events = Iterator[Json]


class Output:
    """Takes the deltas of choice 0, one after the other.

    suffix : what the ids of this response's items end with. summarized : the caller asked for a summary of the
    reasoning, so that is where it is put. logprobs : whether log-probabilities are passed on.

    A message or a piece of reasoning ends where another kind of item begins. Calls end with the answer, because the
    arguments of several may come by turns.
    """

    def __init__(self, suffix: str, *, summarized: bool, logprobs: bool) -> None:
        self._suffix, self._summarized, self._logprobs = suffix, summarized, logprobs
        self._items: list[Item] = []
        self._calls: dict[int, Call] = {}

    @property
    def items(self) -> list[Json]:
        """The items as they are now."""
        return [item.shown() for item in self._items]

    def take(self, delta: Mapping[str, Any], logprobs: Sequence[Json] = ()) -> Events:
        """Yield the events of one delta, or of a whole message."""
        extra = {name: value for name, value in delta.items() if name not in READ and value is not None}
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        if thought or extra:
            yield from self._take_reasoning(thought if isinstance(thought, str) else "", extra)
        yield from self._take_text(delta, logprobs if self._logprobs else ())
        for number, call in enumerate(_objects(delta.get("tool_calls"))):
            index = call.get("index")
            yield from self._take_call(index if isinstance(index, int) else number, call)

    def end(self, status: str = "completed") -> Events:
        """Yield the events that end every open item; one that was cut short is the last message."""
        for item in self._items:
            yield from item.end(status)

    def _take_reasoning(self, text: str, extra: Json) -> Events:
        item = self._last(Reasoning)
        if item is None:
            item = Reasoning(f"rs_{self._suffix}_{len(self._items)}", len(self._items), self._summarized)
            yield from self._begin(item)
        yield from item.take(text, extra)

    def _take_text(self, delta: Mapping[str, Any], logprobs: Sequence[Json]) -> Events:
        said = [("output_text", _text(delta.get("content"))), ("refusal", _text(delta.get("refusal")))]
        notes = _objects(delta.get("annotations"))
        if not any(text for _, text in said) and not notes:
            return
        item = self._last(Message)
        if item is None:
            item = Message(f"msg_{self._suffix}_{len(self._items)}", len(self._items))
            yield from self._begin(item)
        for kind, text in said:
            if text:
                yield from item.take(kind, text, logprobs if kind == "output_text" else ())
        yield from item.annotate(notes)

    def _take_call(self, index: int, delta: Mapping[str, Any]) -> Events:
        call = self._calls.get(index)
        if call is None:
            call = self._calls[index] = Call(self._suffix, len(self._items), delta)
            yield from self._begin(call)
        yield from call.take(delta)

    def _last(self, kind: type[Any]) -> Any:
        """Return the last item if it is of this kind, so that what comes belongs to it."""
        return self._items[-1] if self._items and isinstance(self._items[-1], kind) else None

    def _begin(self, item: Item) -> Events:
        for before in self._items:
            if not isinstance(before, Call):
                yield from before.end("completed")
        self._items.append(item)
        yield from item.begin()


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text") or "") for part in _objects(content))


def _objects(value: object) -> list[Mapping[str, Any]]:
    """Return the objects of an array; upstreams may send anything."""
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []
