"""Anthropic: Anthropic's Messages, or any server that speaks them, over HTTP."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from yarl import URL

from switchpoint.core.attempt import Answer, Chunk
from switchpoint.core.errors import BadAnswer, ConfigError, RequestError, UpstreamError
from switchpoint.core.model import Model
from switchpoint.core.query import Query
from switchpoint.dialects.anthropic.errors import STATUSES
from switchpoint.dialects.anthropic.receiving import Pieces, Unreadable, read_message
from switchpoint.dialects.anthropic.sending import write_request
from switchpoint.dialects.encoding import encode
from switchpoint.upstreams.failures import Failures
from switchpoint.upstreams.http import HttpUpstream, Sending, below, checked_key
from switchpoint.upstreams.reading import read_answer, read_chunk

BASE_URL = "https://api.anthropic.com"
VERSION = "2023-06-01"
MAX_TOKENS = 4096

BETA = re.compile(r"[A-Za-z0-9._-]{1,100}")
"""The name of a beta; anything else could end the header that it goes into."""

_DECODER = msgspec.json.Decoder(dict[str, Any])


class Anthropic(HttpUpstream):
    """Calls `base_url`/v1/messages. Answers and chunks have OpenAI's form, like everybody's.

    api_key : sent as `x-api-key`; None sends none. Never part of a message or of the repr.
    version : sent as `anthropic-version`. betas : sent as `anthropic-beta`, before those that a request names.
    max_tokens : asked for where neither the request nor the model says how long an answer may be.
    headers, *_timeout_s : see `HttpUpstream`.

    What Anthropic's form cannot carry (several answers, log-probabilities, ...) is refused by name, as RequestError:
    another model may do. Nothing is cached unasked. Raises ConfigError for a base_url that is not http(s), a key that
    no header can hold, or a max_tokens below 1.
    """

    def __init__(
        self,
        name: str,
        base_url: str = BASE_URL,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        version: str = VERSION,
        betas: Sequence[str] = (),
        max_tokens: int = MAX_TOKENS,
        connect_timeout_s: float = 5.0,
        first_byte_timeout_s: float = 60.0,
        idle_timeout_s: float = 30.0,
        total_timeout_s: float = 600.0,
    ) -> None:
        if max_tokens < 1:
            raise ConfigError(f"upstream {name!r}: max_tokens must be at least 1. Got {max_tokens!r}.")
        key = {} if api_key is None else {"x-api-key": checked_key(name, api_key)}
        super().__init__(
            name,
            base_url,
            own={"anthropic-version": version, **key},
            secrets=((api_key or "").strip(),),
            headers=headers,
            connect_timeout_s=connect_timeout_s,
            first_byte_timeout_s=first_byte_timeout_s,
            idle_timeout_s=idle_timeout_s,
            total_timeout_s=total_timeout_s,
        )
        self._url = below(self._base, "v1", "messages")
        self._betas = tuple(betas)
        self._max_tokens = max_tokens

    async def count_tokens(self, model: Model, query: Query) -> int:
        """Return how many tokens the request has, as Anthropic counts them; raises as `complete` does."""
        body = self._body(model, query)
        counted = {name: body[name] for name in body if name in COUNTED}
        url = below(self._base, "v1", "messages", "count_tokens")
        data = await self._fetch(self._send_to(url, model, counted, body.get("betas")))
        tokens = _decoded(data, self._failures).get("input_tokens")
        if not isinstance(tokens, int):
            raise self._failures.broken("counted tokens without saying how many.")
        return tokens

    def _sending(self, model: Model, query: Query, *, stream: bool) -> Sending:
        body = self._body(model, query)
        betas = body.pop("betas", None)
        return self._send_to(self._url, model, {**body, "stream": stream}, betas)

    def _body(self, model: Model, query: Query) -> dict[str, Any]:
        chat = {**query.parameters, **model.parameters}
        chat |= {"model": model.upstream_model, "messages": [*model.preamble, *query.messages]}
        longest = self._max_tokens if model.max_output_tokens is None else model.max_output_tokens
        try:
            return write_request(chat, longest, own_effort="reasoning_effort" in model.parameters)
        except RequestError as error:  # another vendor's model may do
            raise RequestError(f"{self._failures.source} {error}", error.param) from None
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            what = f"cannot be sent a request in a shape that is not OpenAI's ({type(error).__name__}: {error})."
            raise RequestError(f"{self._failures.source} {what}") from None

    def _send_to(self, url: URL, model: Model, body: Mapping[str, Any], betas: object) -> Sending:
        try:
            return Sending(url, encode(body), model.upstream_model, self._named(betas))
        except (TypeError, ValueError, RecursionError) as error:
            raise RequestError(f"The request cannot be written as JSON ({type(error).__name__}: {error}).") from None

    def _named(self, betas: object) -> dict[str, str]:
        """Return the header that names betas: the upstream's own, and after them those of the request."""
        asked = [] if betas is None else betas
        if not isinstance(asked, list) or not all(isinstance(beta, str) and BETA.fullmatch(beta) for beta in asked):
            what = "cannot be sent 'betas': they are an array of names, of letters, digits, '-', '_' and '.'."
            raise RequestError(f"{self._failures.source} {what}")
        named = dict.fromkeys([*self._betas, *asked])
        return {"anthropic-beta": ",".join(named)} if named else {}

    def _read_answer(self, data: bytes, sending: Sending) -> Answer:
        body = _decoded(data, self._failures)
        if body.get("type") == "error":
            raise of_error(body, self._failures)
        try:
            return read_answer(encode(read_message(body, int(time.time()))), self._failures)
        except (Unreadable, KeyError, TypeError, ValueError, AttributeError) as error:
            raise unreadable(error, self._failures) from None

    def _reader(self, sending: Sending) -> MessageEvents:
        return MessageEvents(self._failures)


COUNTED = frozenset(
    {"model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control"}
)
"""The fields of a request that counting its tokens takes."""


class MessageEvents:
    """Reads the events of a streamed message; see `Reader`."""

    def __init__(self, failures: Failures) -> None:
        self.started = self.finished = self.ended = False
        self._failures = failures
        self._pieces = Pieces(int(time.time()))

    def read(self, data: bytes) -> Sequence[Chunk]:
        """Return the chunks of an event; a ping has none."""
        event = _decoded(data, self._failures)
        if event.get("type") == "error":
            raise of_error(event, self._failures)
        try:
            chunks = [read_chunk(encode(piece), self._failures) for piece in self._pieces.read(event)]
        except (Unreadable, KeyError, TypeError, ValueError, AttributeError) as error:
            raise unreadable(error, self._failures) from None
        self.started = self.started or bool(chunks)
        self.finished = self.finished or any(chunk.finish_reason is not None for chunk in chunks)
        self.ended = self._pieces.ended
        return chunks


def of_error(body: Mapping[str, Any], failures: Failures) -> UpstreamError:
    """Map an error object that came with status 200, by the status that Anthropic gives its type elsewhere."""
    error = body.get("error")
    kind = error.get("type") if isinstance(error, Mapping) else None
    status = STATUSES.get(kind) if isinstance(kind, str) else None
    return failures.of_error({**error, "status": status} if isinstance(error, Mapping) else error)


def unreadable(error: Exception, failures: Failures) -> BadAnswer:
    """Make the error for an answer that is not of Anthropic's form, or has something that cannot be passed on."""
    if isinstance(error, Unreadable):
        return failures.broken(f"answered with {error}, which cannot be passed on.")
    return failures.broken(f"answered in a shape that is not Anthropic's ({type(error).__name__}).")


def _decoded(data: bytes, failures: Failures) -> dict[str, Any]:
    try:
        return _DECODER.decode(data)
    except (ValueError, RecursionError):
        raise failures.broken("answered with something that is not a JSON object.") from None
