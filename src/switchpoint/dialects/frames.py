"""The events of a streamed answer: the upstream's own bytes, with our name for the model in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from switchpoint.core.attempt import Chunk
from switchpoint.dialects.encoding import encode

DONE = b"data: [DONE]\n\n"

_NO_CHOICES = re.compile(rb'"choices"\s*:\s*\[\s*\]')
_DECODER = msgspec.json.Decoder(dict[str, Any])


class Frames:
    """Turns the chunks of one answer into events.

    model : the name that the caller sees. keep_usage : whether he asked for the chunk that holds the usage alone; the
    upstream is always asked for it, because the bill depends on it.
    """

    def __init__(self, model: str, keep_usage: bool) -> None:
        self._model = model
        self._keep_usage = keep_usage
        self._claimed: str | None = None
        self._names: tuple[tuple[bytes, bytes], ...] = ()
        self._last = b"{}"

    def event(self, chunk: Chunk) -> bytes:
        """Return the event of a chunk; empty for one that is not for the caller."""
        if chunk.usage is not None and not self._keep_usage and _NO_CHOICES.search(chunk.data):
            return b""
        self._last = data = chunk.data if chunk.model == self._model else self._renamed(chunk)
        if b"\n" in data:  # only between the tokens of JSON; in an event it would end the line
            data = data.replace(b"\n", b" ")
        return b"data: %b\n\n" % data

    def end(self, story: Mapping[str, Any] | None) -> bytes:
        """Return [DONE], before it, where a story is told, an event of the same answer that has no choices."""
        if story is None:
            return DONE
        last = _DECODER.decode(self._last)
        same = {name: last[name] for name in ("id", "object", "created", "model") if name in last}
        return b"data: %b\n\n" % encode({**same, "choices": [], "switchpoint": story}) + DONE

    def error(self, told: Mapping[str, Any]) -> bytes:
        """Return the event of an error in the middle of an answer."""
        return b"data: %b\n\n" % encode(told)

    def _renamed(self, chunk: Chunk) -> bytes:
        """Replace the name as it stands in the bytes; a quote inside a JSON string is escaped, so no text is hit."""
        if chunk.model != self._claimed:
            self._claimed = chunk.model
            ours, theirs = encode(self._model), encode(chunk.model)
            self._names = tuple((start + theirs, start + ours) for start in (b'"model":', b'"model": '))
        for theirs, ours in self._names:
            if theirs in chunk.data:
                return chunk.data.replace(theirs, ours, 1)
        # No name at all, or one that is written in a way of its own.
        return encode({**_DECODER.decode(chunk.data), "model": self._model})
