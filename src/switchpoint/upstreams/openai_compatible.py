"""OpenAICompatible: any server that speaks OpenAI's chat completions, over HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from yarl import URL

from switchpoint.core.attempt import Answer, Chunk
from switchpoint.core.model import Model
from switchpoint.core.query import Query
from switchpoint.dialects.extensions import MARKS, without
from switchpoint.upstreams import wire
from switchpoint.upstreams.failures import Failures
from switchpoint.upstreams.http import HttpUpstream, Sending, below, checked_key
from switchpoint.upstreams.reading import read_answer, read_chunk
from switchpoint.upstreams.sse import DONE

OPENAI = "api.openai.com"


class OpenAICompatible(HttpUpstream):
    """Calls `base_url`/chat/completions; the events of a stream are passed on with their bytes untouched.

    base_url : up to and including the version, such as `https://api.openai.com/v1`.
    api_key : sent as `Authorization: Bearer`, or alone in `api_key_header` where that is another one; None sends none.
        Never part of a message or of the repr.
    query : added to the query string of every call, such as Azure's `api-version`.
    headers, *_timeout_s : see `HttpUpstream`.

    OpenAI itself is sent `max_tokens` as `max_completion_tokens`, because its reasoning models refuse the old name.
    Raises ConfigError for a base_url that is not http(s), or a key that no header can hold.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        api_key_header: str = "Authorization",
        connect_timeout_s: float = 5.0,
        first_byte_timeout_s: float = 60.0,
        idle_timeout_s: float = 30.0,
        total_timeout_s: float = 600.0,
    ) -> None:
        super().__init__(
            name,
            base_url,
            own={} if api_key is None else _key_header(api_key_header, checked_key(name, api_key)),
            secrets=((api_key or "").strip(),),
            headers=headers,
            connect_timeout_s=connect_timeout_s,
            first_byte_timeout_s=first_byte_timeout_s,
            idle_timeout_s=idle_timeout_s,
            total_timeout_s=total_timeout_s,
        )
        self._base = self._base.update_query(query or {})
        self._url = chat_url(self._base)

    def _sending(self, model: Model, query: Query, *, stream: bool) -> Sending:
        asked = under_new_names(query) if self._url.host == OPENAI else query
        return Sending(self._url, body_of(model, asked, stream=stream), model.upstream_model)

    def _read_answer(self, data: bytes, sending: Sending) -> Answer:
        return read_answer(data, self._failures)

    def _reader(self, sending: Sending) -> Chunks:
        return Chunks(self._failures)


def body_of(model: Model, query: Query, *, stream: bool) -> bytes:
    """Write the request; what only Anthropic can read of it stays behind."""
    body = wire.request(model, query, stream=stream)
    if not any(mark in body for mark in MARKS):  # nearly always; the text of a prompt can hold one too
        return body
    plain = without({**query.parameters, "messages": query.messages})
    return wire.request(model, replace(query, messages=plain.pop("messages"), parameters=plain), stream=stream)


def under_new_names(query: Query) -> Query:
    """Return a query with `max_tokens` under the name that every model of OpenAI takes, which wins where both stand."""
    parameters = dict(query.parameters)
    if "max_tokens" not in parameters:
        return query
    limit = parameters.pop("max_tokens")
    return replace(query, parameters={"max_completion_tokens": limit, **parameters})


class Chunks:
    """Reads a stream of `chat.completion.chunk`; see `Reader`."""

    def __init__(self, failures: Failures) -> None:
        self.started = self.finished = self.ended = False
        self._failures = failures

    def read(self, data: bytes) -> Sequence[Chunk]:
        """Return the chunk in an event; nothing in [DONE]."""
        if data.startswith(DONE):
            self.ended = True
            return ()
        chunk = read_chunk(data, self._failures)
        self.started, self.finished = True, self.finished or chunk.finish_reason is not None
        return (chunk,)


def _key_header(header: str, key: str) -> dict[str, str]:
    return {header: f"Bearer {key}" if header.lower() == "authorization" else key}


def chat_url(base: URL) -> URL:
    """Return where chat completions are asked for."""
    return below(base, "chat", "completions")
