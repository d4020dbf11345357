"""The response object: what was asked, what came of it, and what it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from switchpoint.dialects.dialect import Json

ECHOED: Mapping[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": None,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": None,
    "top_p": None,
    "user": None,
}
"""Fields of the request that stand in the response, and what stands there where they were not given."""

FIXED: Mapping[str, Any] = {
    "background": False,
    "conversation": None,
    "max_tool_calls": None,
    "previous_response_id": None,
    "prompt": None,
    "store": False,
    "truncation": "disabled",
}
"""What holds of every response: nothing is kept."""

REASONS = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""Finish reasons of an answer that is not whole, and why the Responses API says it is not."""

FRAME = frozenset({"id", "object", "created", "model", "choices", "usage"})
"""Fields of a chat completion that have a place of their own; the others, vendors' own, stand beside them."""


def suffix(chat_id: object) -> str:
    """Return what the ids of a response end with: the upstream's own id, which its logs know, else a new one."""
    own = chat_id.removeprefix("chatcmpl-") if isinstance(chat_id, str) else ""
    return own or uuid4().hex


def response(asked: Json, frame: Mapping[str, Any], **told: Any) -> Json:
    """Return a response object in progress; `told` are fields that are known better.

    frame : of the chat completion, or of one of its chunks.
    """
    given = {name: asked[name] for name in ECHOED if asked.get(name) is not None}
    extra = {name: value for name, value in frame.items() if name not in FRAME and value is not None}
    return {
        "id": f"resp_{suffix(frame.get('id'))}",
        "object": "response",
        "created_at": frame.get("created") or 0,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "model": frame.get("model"),
        "output": [],
        "usage": None,
        **FIXED,
        **ECHOED,
        **given,
        **extra,
        **told,
    }


def ended(finish_reason: str | None) -> Json:
    """Return the status of an answer that ended for this reason."""
    why = REASONS.get(finish_reason or "")
    return {"status": "incomplete", "incomplete_details": {"reason": why}} if why else {"status": "completed"}


def usage(given: object) -> Json | None:
    """Return usage under the names of the Responses API; null where the tokens are unknown. Other fields travel on.

    The details must be numbers there: it has no word for unknown, so a detail that was not told is 0.
    """
    if not isinstance(given, Mapping):
        return None
    said, written = given.get("prompt_tokens"), given.get("completion_tokens")
    if not isinstance(said, int) or not isinstance(written, int):
        return None
    return {
        "input_tokens": said,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0, **_told(given, "prompt_tokens_details")},
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": 0, **_told(given, "completion_tokens_details")},
        "total_tokens": said + written if given.get("total_tokens") is None else given["total_tokens"],
        **{name: value for name, value in given.items() if name not in _RENAMED},
    }


_RENAMED = frozenset(
    {"prompt_tokens", "prompt_tokens_details", "completion_tokens", "completion_tokens_details", "total_tokens"}
)


def _told(given: Mapping[str, Any], name: str) -> Json:
    details = given.get(name)
    return {k: v for k, v in details.items() if v is not None} if isinstance(details, Mapping) else {}


def logprobs(choice: Mapping[str, Any]) -> Sequence[Json]:
    """Return the log-probabilities of a choice's text, token by token."""
    given = choice.get("logprobs")
    tokens = given.get("content") if isinstance(given, Mapping) else None
    return tokens if isinstance(tokens, list) else ()


def error(told: Mapping[str, Any]) -> Json:
    """Return the error of a response that failed, of OpenAI's error object."""
    codes = {"rate_limit_error": "rate_limit_exceeded", "invalid_request_error": "invalid_prompt"}
    return {"code": codes.get(told.get("type") or "", "server_error"), "message": told.get("message")}
