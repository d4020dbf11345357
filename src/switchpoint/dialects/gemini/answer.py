"""What Gemini answers, as a chat completion, whole or in the pieces of a stream; a whole answer is one piece."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from switchpoint.dialects.dialect import Json
from switchpoint.dialects.extensions import GEMINI

FINISH: Mapping[str, str] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    **dict.fromkeys(
        (
            "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY",
            "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "MODEL_ARMOR",
        ),
        "content_filter",
    ),
}  # fmt: skip
"""Finish reasons of answers that are answers, in OpenAI's words; after any other the answer is broken."""


class Pieces:
    """Translates the GenerateContentResponses of one answer, in their order.

    model : the name that was asked for, in case the answer names none. created : seconds since the epoch.
    """

    def __init__(self, model: str, created: int) -> None:
        self._model, self._created = model, created
        self._calls: dict[int, int] = {}  # how many there were, by candidate
        self._begun: set[int] = set()

    def frame(self, body: Mapping[str, Any], kind: str) -> Json:
        """Return the fields of an answer, or of a chunk, but for its choices and its usage."""
        model = body.get("modelVersion") or self._model
        return {"id": body.get("responseId") or "", "object": kind, "created": self._created, "model": model}

    def choices(self, body: Mapping[str, Any]) -> list[Json]:
        """Return the choices, each with a `delta`; a prompt that was blocked is one that the filter ended."""
        candidates = body.get("candidates") or ()
        if not candidates and (body.get("promptFeedback") or {}).get("blockReason") is not None:
            candidates = ({"finishReason": "SAFETY"},)
        return [self._choice(candidate, str(body.get("responseId") or "")) for candidate in candidates]

    def _choice(self, candidate: Mapping[str, Any], response: str) -> Json:
        index = candidate.get("index") or 0
        delta: Json = {} if index in self._begun else {"role": "assistant", "content": ""}
        self._begun.add(index)
        for part in (candidate.get("content") or {}).get("parts") or ():
            self._part(delta, part, index, response)
        return {
            "index": index,
            "delta": delta,
            "finish_reason": self._finish(candidate.get("finishReason"), index),
            "logprobs": _logprobs(candidate.get("logprobsResult")),
        }

    def _finish(self, reason: str | None, index: int) -> str | None:
        if reason == "STOP" and self._calls.get(index):
            return "tool_calls"
        return None if reason is None else FINISH.get(reason)

    def _part(self, delta: Json, part: Mapping[str, Any], index: int, response: str) -> None:
        rest = {name: value for name, value in part.items() if name not in ("text", "thought", "functionCall")}
        if isinstance(part.get("functionCall"), Mapping):
            number = self._calls.get(index, 0)
            self._calls[index] = number + 1
            call = _call(part["functionCall"], number, f"call_{response}_{index}_{number}")
            delta.setdefault("tool_calls", []).append({**call, GEMINI: rest} if rest else call)
            return
        name = "reasoning_content" if part.get("thought") is True else "content"
        if isinstance(part.get("text"), str):
            delta[name] = delta.get(name, "") + part["text"]
        media = rest.pop("inlineData", None)
        if isinstance(media, Mapping):
            url = f"data:{media.get('mimeType')};base64,{media.get('data')}"
            delta.setdefault("images", []).append({"type": "image_url", "image_url": {"url": url}})
        if rest:
            delta[GEMINI] = {**delta.get(GEMINI, {}), **rest}


def completion(body: Mapping[str, Any], model: str, created: int) -> Json:
    """Return a whole answer as a `chat.completion`."""
    pieces = Pieces(model, created)
    choices = pieces.choices(body)
    for choice in choices:
        message = choice["message"] = choice.pop("delta")
        for call in message.get("tool_calls", ()):
            del call["index"]
        if "tool_calls" in message and not message["content"]:
            message["content"] = None
    return {**pieces.frame(body, "chat.completion"), "choices": choices, "usage": usage(body)}


def usage(body: Mapping[str, Any]) -> Json | None:
    """Return the usage; Gemini counts thinking apart, and leaves out counts that are nothing."""
    counted = body.get("usageMetadata")
    if not isinstance(counted, Mapping) or counted.get("promptTokenCount") is None:
        return None
    prompt = counted["promptTokenCount"] + (counted.get("toolUsePromptTokenCount") or 0)
    thoughts = counted.get("thoughtsTokenCount") or 0
    said = (counted.get("candidatesTokenCount") or 0) + thoughts
    return {
        "prompt_tokens": prompt,
        "completion_tokens": said,
        "total_tokens": prompt + said,
        "prompt_tokens_details": {"cached_tokens": counted.get("cachedContentTokenCount") or 0},
        "completion_tokens_details": {"reasoning_tokens": thoughts},
    }


def _call(call: Mapping[str, Any], number: int, id: str) -> Json:
    arguments = msgspec.json.encode(call.get("args") or {}).decode()
    function = {"name": call.get("name"), "arguments": arguments}
    return {"index": number, "id": call.get("id") or id, "type": "function", "function": function}


def _logprobs(result: Any) -> Json | None:
    if not isinstance(result, Mapping):
        return None
    tops = [top.get("candidates") or () for top in result.get("topCandidates") or ()]
    chosen = result.get("chosenCandidates") or ()
    return {
        "content": [
            {**_token(token), "top_logprobs": [_token(top) for top in (tops[n] if n < len(tops) else ())]}
            for n, token in enumerate(chosen)
        ]
    }


def _token(candidate: Mapping[str, Any]) -> Json:
    token = str(candidate.get("token", ""))
    return {"token": token, "bytes": list(token.encode()), "logprob": candidate.get("logProbability")}
