"""The events of a streamed response, numbered, each with its name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from switchpoint.core.attempt import Chunk
from switchpoint.dialects.dialect import Json
from switchpoint.dialects.encoding import encode
from switchpoint.dialects.responses.body import ended, error, logprobs, response, suffix, usage
from switchpoint.dialects.responses.output import Output

_DECODER = msgspec.json.Decoder(dict[str, Any])


class ResponseWriter:
    """Turns the chunks of one answer into the events of a response.

    model : the name that the caller sees. output : makes the empty output, given what its ids end with.
    """

    def __init__(self, model: str, asked: Json, output: Callable[[str], Output]) -> None:
        self._model, self._asked, self._make = model, asked, output
        self._output: Output | None = None
        self._frame: Json = {}
        self._finish: str | None = None
        self._usage: Any = None
        self._number = 0

    def event(self, chunk: Chunk) -> bytes:
        """Return the events of a chunk."""
        data = _DECODER.decode(chunk.data)
        written = b"" if self._output is not None else self._begin(data)
        assert self._output is not None
        if data.get("usage") is not None:
            self._usage = data["usage"]
        for choice in data.get("choices") or ():
            if choice.get("index") in (0, None):
                self._finish = choice.get("finish_reason") or self._finish
                written += self._write(self._output.take(choice.get("delta") or {}, logprobs(choice)))
        return written

    def end(self, story: Mapping[str, Any] | None) -> bytes:
        """Return the events that end the items and the response; the story stands in the last of them."""
        status = ended(self._finish)
        written = self._end_items(status["status"])
        told = {**status, "usage": usage(self._usage), **({} if story is None else {"switchpoint": story})}
        kind = f"response.{status['status']}"
        return written + self._write([{"type": kind, "response": self._response(**told)}])

    def error(self, told: Mapping[str, Any]) -> bytes:
        """Return what ends an answer that broke: the failed response, where one was begun, and an error.

        The clients of OpenAI raise at an event that holds an `error`; others look for `response.failed`.
        """
        inner = dict(told.get("error") or told)
        written = b""
        if self._output is not None:
            written = self._end_items("incomplete")
            failed = self._response(status="failed", error=error(inner))
            written += self._write([{"type": "response.failed", "response": failed}])
        flat = {name: inner.get(name) for name in ("code", "message", "param")}
        return written + self._write([{"type": "error", **flat, "error": inner}])

    def _begin(self, data: Json) -> bytes:
        ends = suffix(data.get("id"))
        self._frame = {**data, "id": ends, "model": self._model}
        self._output = self._make(ends)
        shown = self._response()
        return self._write({"type": f"response.{kind}", "response": shown} for kind in ("created", "in_progress"))

    def _end_items(self, status: str) -> bytes:
        return b"" if self._output is None else self._write(self._output.end(status))

    def _response(self, **told: Any) -> Json:
        items = [] if self._output is None else self._output.items
        return response(self._asked, self._frame, output=items, **told)

    def _write(self, events: Iterable[Json]) -> bytes:
        written = []
        for event in events:
            data = encode({**event, "sequence_number": self._number})
            written.append(b"event: %b\ndata: %b\n\n" % (event["type"].encode(), data))
            self._number += 1
        return b"".join(written)
