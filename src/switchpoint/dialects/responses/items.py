"""The items of a response's output, each with the events of its life: added, deltas, done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from switchpoint.dialects.dialect import Json
from switchpoint.dialects.responses.sealed import sealed, together, unnumbered

Events = Iterator[Json]


class Item(Protocol):
    """One item."""

    def shown(self) -> Json:
        """Return the item as it is now."""
        ...

    def begin(self) -> Events:
        """Yield that it was added."""
        ...

    def end(self, status: str) -> Events:
        """Yield what is done; nothing where that was yielded before."""
        ...


class Reasoning:
    """What a model thought: as a summary or as it is; and what its vendor wants back of it, sealed."""

    def __init__(self, id: str, index: int, summarized: bool) -> None:
        self.id, self.index, self.status = id, index, "in_progress"
        self._text, self._begun = "", False
        self._extra: Json = {}
        names = ("summary_index", "reasoning_summary_part", "reasoning_summary_text", "summary_text")
        self._names = names if summarized else ("content_index", "content_part", "reasoning_text", "reasoning_text")
        self._summarized = summarized

    def shown(self) -> Json:
        """Return the item as it is now."""
        parts = [{"type": self._names[3], "text": self._text}] if self._text else []
        item: Json = {"id": self.id, "type": "reasoning", "summary": parts if self._summarized else []}
        if not self._summarized:
            item["content"] = parts
        item["encrypted_content"] = sealed(unnumbered(self._extra)) if self._extra else None
        return {**item, "status": self.status}

    def begin(self) -> Events:
        """Yield that it was added."""
        yield _added(self)

    def take(self, text: str, extra: Json) -> Events:
        """Yield the events of a piece of it."""
        for name, value in extra.items():
            self._extra[name] = together(self._extra.get(name), value)
        if not text:
            return
        _, part, kind, _ = self._names
        if not self._begun:
            self._begun = True
            yield {"type": f"response.{part}.added", **self._place(), "part": self._part("")}
        self._text += text
        yield {"type": f"response.{kind}.delta", **self._place(), "delta": text}

    def end(self, status: str) -> Events:
        """Yield what is done."""
        if self.status != "in_progress":
            return
        self.status = status
        if self._begun:
            _, part, kind, _ = self._names
            yield {"type": f"response.{kind}.done", **self._place(), "text": self._text}
            yield {"type": f"response.{part}.done", **self._place(), "part": self._part(self._text)}
        yield _done(self)

    def _part(self, text: str) -> Json:
        return {"type": self._names[3], "text": text}

    def _place(self) -> Json:
        return {"item_id": self.id, "output_index": self.index, self._names[0]: 0}


class Message:
    """What a model said: parts of text, or its refusal."""

    def __init__(self, id: str, index: int) -> None:
        self.id, self.index, self.status = id, index, "in_progress"
        self._parts: list[Json] = []
        self._pieces: list[str] = []  # of the last part's text, until it is shown

    def shown(self) -> Json:
        """Return the item as it is now."""
        self._join()
        parts = [dict(part) for part in self._parts]
        return {"id": self.id, "type": "message", "role": "assistant", "status": self.status, "content": parts}

    def begin(self) -> Events:
        """Yield that it was added."""
        yield _added(self)

    def take(self, kind: str, text: str, logprobs: Sequence[Json]) -> Events:
        """Yield the events of a piece of text, or of a refusal."""
        if not self._parts or self._parts[-1]["type"] != kind:
            yield from self._next(kind)
        part = self._parts[-1]
        event = {"type": f"response.{kind}.delta", **self._place(), "delta": text}
        self._pieces.append(text)
        if kind != "refusal":
            part["logprobs"].extend(logprobs)
            event["logprobs"] = list(logprobs)
        yield event

    def annotate(self, notes: Sequence[Mapping[str, Any]]) -> Events:
        """Yield the annotations of the text, such as citations; chat completions nest what they say."""
        if notes and (not self._parts or self._parts[-1]["type"] != "output_text"):
            yield from self._next("output_text")
        for note in notes:
            kind = note.get("type")
            inner = note.get(kind) if isinstance(kind, str) else None
            flat = {"type": kind, **inner} if isinstance(inner, Mapping) else dict(note)
            given = self._parts[-1]["annotations"]
            place = {**self._place(), "annotation_index": len(given)}
            given.append(flat)
            yield {"type": "response.output_text.annotation.added", **place, "annotation": flat}

    def end(self, status: str) -> Events:
        """Yield what is done."""
        if self.status != "in_progress":
            return
        self.status = status
        yield from self._end_part()
        yield _done(self)

    def _next(self, kind: str) -> Events:
        yield from self._end_part()
        empty: Json = {"type": kind, "refusal": ""}
        self._parts.append(
            empty if kind == "refusal" else {"type": kind, "text": "", "annotations": [], "logprobs": []}
        )
        yield {"type": "response.content_part.added", **self._place(), "part": dict(self._parts[-1])}

    def _join(self) -> None:
        if self._pieces:
            part = self._parts[-1]
            part["refusal" if part["type"] == "refusal" else "text"] += "".join(self._pieces)
            self._pieces.clear()

    def _end_part(self) -> Events:
        if not self._parts:
            return
        self._join()
        part = dict(self._parts[-1])
        kind = part["type"]
        told = (
            {"refusal": part["refusal"]} if kind == "refusal" else {name: part[name] for name in ("text", "logprobs")}
        )
        yield {"type": f"response.{kind}.done", **self._place(), **told}
        yield {"type": "response.content_part.done", **self._place(), "part": part}

    def _place(self) -> Json:
        return {"item_id": self.id, "output_index": self.index, "content_index": len(self._parts) - 1}


class Call:
    """A call of a function, or of a custom tool, whose input is any text."""

    def __init__(self, suffix: str, index: int, delta: Mapping[str, Any]) -> None:
        custom = delta.get("type") == "custom" or isinstance(delta.get("custom"), Mapping)
        self._kind, self._argument = ("custom", "input") if custom else ("function", "arguments")
        self._event = "custom_tool_call_input" if custom else "function_call_arguments"
        self.id, self.index, self.status = f"{'ctc' if custom else 'fc'}_{suffix}_{index}", index, "in_progress"
        self._item: Json = {"id": self.id, "type": "custom_tool_call" if custom else "function_call"}
        # The id and the name come whole with the first delta; arguments in pieces with it and those after it.
        inner = self._inner(delta)
        self._item |= {"call_id": delta.get("id") or self.id, "name": inner.get("name") or "", self._argument: ""}

    def shown(self) -> Json:
        """Return the item as it is now."""
        return {**self._item, "status": self.status}

    def begin(self) -> Events:
        """Yield that it was added."""
        yield _added(self)

    def take(self, delta: Mapping[str, Any]) -> Events:
        """Yield the events of a piece of the call; fields that nothing is known of stay with the item."""
        self._item |= {name: value for name, value in delta.items() if name not in ("index", "id", "type", self._kind)}
        piece = self._inner(delta).get(self._argument)
        if isinstance(piece, str) and piece:
            self._item[self._argument] += piece
            yield {"type": f"response.{self._event}.delta", **self._place(), "delta": piece}

    def end(self, status: str) -> Events:
        """Yield what is done."""
        if self.status != "in_progress":
            return
        self.status = status
        told = {self._argument: self._item[self._argument]}
        if self._kind == "function":
            told["name"] = self._item["name"]
        yield {"type": f"response.{self._event}.done", **self._place(), **told}
        yield _done(self)

    def _inner(self, delta: Mapping[str, Any]) -> Mapping[str, Any]:
        inner = delta.get(self._kind)
        return inner if isinstance(inner, Mapping) else {}

    def _place(self) -> Json:
        return {"item_id": self.id, "output_index": self.index}


class _Placed(Protocol):
    index: int

    def shown(self) -> Json: ...


def _added(item: _Placed) -> Json:
    return {"type": "response.output_item.added", "output_index": item.index, "item": item.shown()}


def _done(item: _Placed) -> Json:
    return {"type": "response.output_item.done", "output_index": item.index, "item": item.shown()}
