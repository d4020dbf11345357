"""Responses: OpenAI's Responses API without its state: every request brings the whole conversation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from switchpoint.dialects.dialect import Json
from switchpoint.dialects.responses.body import ended, logprobs, response, suffix, usage
from switchpoint.dialects.responses.output import Output
from switchpoint.dialects.responses.request import chat_request, wants_logprobs
from switchpoint.dialects.responses.writer import ResponseWriter


class Responses:
    """The dialect of POST /v1/responses."""

    name = "responses"
    waiting = b": waiting\n\n"  # a comment, which clients of event streams pass over

    def request(self, body: Json) -> Json:
        """Return a request as the body of a chat completion; raises RequestError for what cannot be carried."""
        return chat_request(body)

    def answer(self, body: Json, asked: Json) -> Json:
        """Return a `chat.completion` as a response."""
        ends = suffix(body.get("id"))
        output = output_of(asked, ends)
        choice = _first(body)
        for _ in output.take(choice.get("message") or {}, logprobs(choice)):
            pass
        status = ended(choice.get("finish_reason"))
        for _ in output.end(status["status"]):
            pass
        told = {"id": f"resp_{ends}", "output": output.items, "usage": usage(body.get("usage")), **status}
        return response(asked, body, **told)

    def writer(self, model: str, asked: Json) -> ResponseWriter:
        """Return the writer of a streamed response."""
        return ResponseWriter(model, asked, lambda ends: output_of(asked, ends))

    def error(self, told: Mapping[str, Any], status: int) -> Json:
        """Return the object as it is: the API shares it with chat completions."""
        return dict(told)


def output_of(asked: Json, ends: str) -> Output:
    """Return the empty output of what was asked; `ends` ends the ids of its items."""
    reasoning = asked.get("reasoning") or {}
    summarized = reasoning.get("summary") is not None or reasoning.get("generate_summary") is not None
    return Output(ends, summarized=summarized, logprobs=wants_logprobs(asked))


def _first(body: Mapping[str, Any]) -> Mapping[str, Any]:
    choices = body.get("choices") or ()
    return next((choice for choice in choices if choice.get("index") in (0, None)), {})
