"""Dialect: a protocol that callers speak. Inside, requests and answers have the form of OpenAI's chat completions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from switchpoint.core.attempt import Chunk

Json = dict[str, Any]


class Writer(Protocol):
    """Writes the events of one streamed answer, as bytes that are ready to be sent."""

    def event(self, chunk: Chunk) -> bytes:
        """Return the events of a chunk; empty where there is nothing for the caller in it."""
        ...

    def end(self, story: Mapping[str, Any] | None) -> bytes:
        """Return what ends an answer that is complete, with the `switchpoint` object for a caller who asked for it."""
        ...

    def error(self, told: Mapping[str, Any]) -> bytes:
        """Return what ends an answer that broke, of OpenAI's error object; nothing follows it."""
        ...


class Dialect(Protocol):
    """Translates one protocol. What it cannot carry it refuses by name; it never drops anything."""

    @property
    def name(self) -> str:
        """What metrics and traces call it."""
        ...

    @property
    def waiting(self) -> bytes:
        """An event that says that the answer is still being waited for, before the first of it or between two."""
        ...

    def request(self, body: Json) -> Json:
        """Return a caller's request as the body of a chat completion, `switchpoint` left as it is.

        Raises RequestError, which names the field at fault in the caller's own form.
        """
        ...

    def answer(self, body: Json, asked: Json) -> Json:
        """Return a `chat.completion`, whose `model` is ours, as the answer to what was asked in the caller's form."""
        ...

    def writer(self, model: str, asked: Json) -> Writer:
        """Return the writer of a streamed answer of `model`, as callers see its name, to what was asked."""
        ...

    def error(self, told: Mapping[str, Any], status: int) -> Json:
        """Return OpenAI's error object in the caller's form."""
        ...
