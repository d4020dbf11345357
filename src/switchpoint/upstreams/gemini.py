"""Gemini: Google's generateContent, for who asks in OpenAI's form."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from switchpoint.core.attempt import Answer, Chunk
from switchpoint.core.errors import RequestError, UpstreamError
from switchpoint.core.model import Model
from switchpoint.core.query import Query
from switchpoint.dialects.dialect import Json
from switchpoint.dialects.encoding import encode
from switchpoint.dialects.gemini.answer import FINISH, Pieces, completion, usage
from switchpoint.dialects.gemini.request import generate_content
from switchpoint.upstreams.failures import Failures
from switchpoint.upstreams.http import HttpUpstream, Sending, below, checked_key
from switchpoint.upstreams.reading import read_answer, read_chunk

RETRY_DELAY = re.compile(rb'"retryDelay"\s*:\s*"([0-9.]+)s"')
"""Of google.rpc.RetryInfo, one of the details of an error."""

_DECODER = msgspec.json.Decoder(dict[str, Any])


class Gemini(HttpUpstream):
    """Calls `base_url`/v1beta/models/MODEL:generateContent, and streamGenerateContent for a stream.

    api_key : sent as `x-goog-api-key`; None sends none. Never part of a message or of the repr.
    headers, *_timeout_s : see `HttpUpstream`.

    Raises ConfigError for a base_url that is not http(s), or a key that no header can hold.
    """

    def __init__(
        self,
        name: str,
        base_url: str = "https://generativelanguage.googleapis.com",
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        **timeouts: float,
    ) -> None:
        own = {} if api_key is None else {"x-goog-api-key": checked_key(name, api_key)}
        secrets = ((api_key or "").strip(),)
        super().__init__(name, base_url, own=own, secrets=secrets, headers=headers, **timeouts)
        self._failures = GoogleFailures(name, (*secrets, *(headers or {}).values()))

    def _sending(self, model: Model, query: Query, *, stream: bool) -> Sending:
        chat = {**query.parameters, **model.parameters, "model": model.upstream_model}
        body = self._body({**chat, "messages": [*model.preamble, *query.messages]})
        method = "streamGenerateContent" if stream else "generateContent"
        url = below(self._base, "v1beta", "models", f"{model.upstream_model}:{method}")
        return Sending(url.update_query(alt="sse") if stream else url, _encoded(body), model.upstream_model)

    def _body(self, chat: Json) -> Json:
        try:
            return generate_content(chat)
        except RequestError as error:  # another vendor's model may do
            raise RequestError(f"{self._failures.source} {error}", error.param) from None
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            what = f"cannot be sent a request in a shape that is not OpenAI's ({type(error).__name__}: {error})."
            raise RequestError(f"{self._failures.source} {what}") from None

    def _read_answer(self, data: bytes, sending: Sending) -> Answer:
        body = _decoded(data, self._failures)
        with _shaped(self._failures):
            whole = completion(body, sending.model, int(time.time()))
        return read_answer(encode(whole), self._failures)

    def _reader(self, sending: Sending) -> Responses:
        return Responses(self._failures, sending.model)


class GoogleFailures(Failures):
    """Makes the errors of an upstream of Google's, which advises how long to wait in the body, not in a header."""

    def of_status(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Map an HTTP status."""
        found = RETRY_DELAY.search(body)
        advice = {} if found is None else {"retry-after": found[1].decode()}
        return super().of_status(status, {**advice, **headers}, body)


class Responses:
    """Reads a stream of GenerateContentResponses; see `Reader`. The end of the body is its only end."""

    def __init__(self, failures: Failures, model: str) -> None:
        self.started = self.finished = self.ended = False
        self._failures = failures
        self._pieces = Pieces(model, int(time.time()))

    def read(self, data: bytes) -> Sequence[Chunk]:
        """Return the chunk in an event; with the finish reason also the usage, which Gemini repeats in every event."""
        body = _decoded(data, self._failures)
        with _shaped(self._failures):
            said = self._said(body)
        return [read_chunk(encode(each), self._failures) for each in said]

    def _said(self, body: Json) -> list[Json]:
        frame = self._pieces.frame(body, "chat.completion.chunk")
        choices = self._pieces.choices(body)
        self.started = True
        said = [{**frame, "choices": choices}] if choices else []
        if any(choice["finish_reason"] is not None for choice in choices):
            self.finished = True
            said.append({**frame, "choices": [], "usage": usage(body)})
        return said


@contextmanager
def _shaped(failures: Failures) -> Iterator[None]:
    """Raise BadAnswer for what is not in Gemini's shape."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise failures.broken(f"answered in a shape that is not Gemini's ({type(error).__name__}).") from None


def _encoded(body: Json) -> bytes:
    try:
        return encode(body)
    except (TypeError, ValueError, RecursionError) as error:
        raise RequestError(f"The request cannot be written as JSON ({type(error).__name__}: {error}).") from None


def _decoded(data: bytes, failures: Failures) -> Json:
    """Return a response; raises UpstreamError for an error in it, and for an answer that is none."""
    try:
        body = _DECODER.decode(data)
    except (ValueError, RecursionError):
        raise failures.broken("answered with something that is not a JSON object.") from None
    if body.get("error") is not None:
        raise failures.of_error(body["error"])
    with _shaped(failures):
        reasons = [candidate.get("finishReason") for candidate in body.get("candidates") or ()]
        gave_up = [reason for reason in reasons if reason is not None and reason not in FINISH]
    if gave_up:
        raise failures.broken(f"gave up its answer ({gave_up[0]}).")
    return body
