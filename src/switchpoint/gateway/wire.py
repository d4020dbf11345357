"""Reading OpenAI's form of a request: bytes in, a Query and what else was asked for out.

Only the fields that Switchpoint reads are checked; every other field is passed on as it came, known to OpenAI or not.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from switchpoint.core.errors import RequestError
from switchpoint.core.ids import new_id
from switchpoint.core.query import IMAGE_PARTS, Query
from switchpoint.core.session import Claim
from switchpoint.gateway.limits import LIMITS, InputLimits, check_depth, check_size
from switchpoint.gateway.options import Options, kind, read_options

Json = dict[str, Any]
Headers = Iterable[tuple[bytes, bytes]]

AUTO = "auto"
"""The route of a request that names none."""

OWN_FIELDS = frozenset({"model", "messages", "stream", "switchpoint"})
"""Fields that are not parameters: an upstream gets its own or none."""

REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
"""An x-request-id that is used as the id of the query; any other is replaced."""

SESSION_HEADERS = {b"x-session-id": "x-session-id", b"x-claude-code-session-id": "x-claude-code-session-id"}
"""Headers by which programs name a conversation, the more telling first; x-switchpoint-session goes before them."""

SUBAGENT_HEADERS = frozenset({b"x-openai-subagent", b"x-claude-code-agent-id"})
"""Headers by which coding agents mark what their helpers ask: the tag `subagent`, for rules."""

MAX_NAME_BYTES = 256
"""A longer name of a conversation or a helper is not one."""

_DECODER = msgspec.json.Decoder()
_SURROGATES = re.compile(
    rb"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\[^u])|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """What a caller asks for.

    route : the `model` of the request: a route, a model, or `router-NAME-THRESHOLD`.
    include_usage : whether the caller asked for the usage of a stream himself.
    """

    query: Query
    route: str
    stream: bool
    explain: bool
    include_usage: bool


def parse(data: bytes, headers: Headers = (), models: Collection[str] = ()) -> ChatRequest:
    """Read the body of a chat completion; raises RequestError, which names the field at fault.

    headers : names in lower case, as ASGI gives them. models : ids of the catalog, for `switchpoint.allow`.
    """
    return read_request(read_object(data), headers, models)


def read_request(body: Json, headers: Headers, models: Collection[str], limits: InputLimits = LIMITS) -> ChatRequest:
    """Read a decoded chat completion; raises RequestError."""
    headers = tuple(headers)
    check_size(body, limits)
    options = read_options(body.get("switchpoint"), headers, models)
    messages = _messages(body.get("messages"))
    usage = _field(body, "stream_options", dict, {}).get("include_usage")
    query = Query(
        id=_request_id(headers),
        messages=messages,
        parameters={name: value for name, value in body.items() if name not in OWN_FIELDS},
        needs=_needs(body, messages),
        allow=options.allow,
        max_cost_usd=options.max_cost_usd,
        deadline_s=options.within_s,
        min_quality=options.min_quality,
        tags=_tags(options, headers),
        claim=_claim(options, headers),
    )
    return ChatRequest(
        query=query,
        route=_field(body, "model", str, "") or AUTO,
        stream=_field(body, "stream", bool, False),
        explain=options.explain,
        include_usage=usage is True,
    )


def _tags(options: Options, headers: Headers) -> dict[str, str]:
    tags = options.all_tags
    if options.cache == "off":
        tags["cache"] = "off"
    for name, value in headers:
        if name in SUBAGENT_HEADERS and 0 < len(value) <= MAX_NAME_BYTES:
            tags["subagent"] = value.decode("latin-1")
    return tags


def _claim(options: Options, headers: Headers) -> Claim | None:
    """Return what the caller's headers, or our own part of the body, call the conversation."""
    if options.session is not None:
        return Claim("x-switchpoint-session", options.session)
    said = {name: value for name, value in headers if name in SESSION_HEADERS}
    for name, rung in SESSION_HEADERS.items():
        if 0 < len(said.get(name, b"")) <= MAX_NAME_BYTES:
            return Claim(rung, said[name].decode("latin-1"))
    return None


def text_as_messages(body: Json) -> Json:
    """Turn {"text": ...} into the request of one user message; any other body is left as it is."""
    if body.get("text") is None or "messages" in body:
        return body
    text = _field(body, "text", str, "")
    rest = {name: value for name, value in body.items() if name != "text"}
    return {**rest, "messages": [{"role": "user", "content": text}]}


def read_object(data: bytes, max_depth: int = LIMITS.max_depth) -> Json:
    """Decode a JSON object; raises RequestError, also for one that is nested deeper than `max_depth`.

    Halves of surrogate pairs, which programs leave behind when they cut a text, become U+FFFD: no upstream takes them.
    """
    try:
        body = _DECODER.decode(data)
    except (ValueError, RecursionError) as error:
        return read_object(_mended(data, error), max_depth)
    check_depth(body, data, max_depth)
    if not isinstance(body, dict):
        raise RequestError(f"The body must be a JSON object. Got {kind(body)} instead.")
    return body


def _mended(data: bytes, error: Exception) -> bytes:
    """Return a body without lone surrogates; raises RequestError where they are not what is wrong with it."""
    if isinstance(error, RecursionError):
        raise RequestError("The body is nested too deeply. Send it flatter.") from None
    mended = _SURROGATES.sub(lambda found: found[1] or rb"\ufffd", data)
    if mended != data:
        return mended
    raise RequestError(f"The body is not JSON ({error}). Send a JSON object in UTF-8.") from None


def _field(body: Json, name: str, shape: type[Any], default: Any) -> Any:
    """Return a field that must be of this type; missing and null are the default."""
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, shape):
        raise RequestError(f"{name!r} must be {kind(shape())}. Got {kind(value)} instead.", name)
    return value


def _messages(messages: object) -> tuple[Json, ...]:
    if not isinstance(messages, list) or not messages:
        got = "none" if messages is None else "an empty array" if messages == [] else kind(messages)
        raise RequestError(f"'messages' must be an array of at least one message. Got {got} instead.", "messages")
    for number, message in enumerate(messages):
        _check_message(message, f"messages[{number}]")
    return tuple(messages)


def _check_message(message: object, place: str) -> None:
    if not isinstance(message, dict):
        raise RequestError(f"'{place}' must be an object. Got {kind(message)} instead.", place)
    role, content = message.get("role"), message.get("content")
    if not isinstance(role, str):
        allowed = "a string, such as 'user', 'assistant', 'system' or 'tool'"
        raise RequestError(f"'{place}.role' must be {allowed}. Got {kind(role)} instead.", f"{place}.role")
    if content is None or isinstance(content, str):
        return
    if not isinstance(content, list):
        allowed = "a string, an array of parts, or null"
        raise RequestError(f"'{place}.content' must be {allowed}. Got {kind(content)} instead.", f"{place}.content")
    for number, part in enumerate(content):
        if not isinstance(part, dict):
            where = f"{place}.content[{number}]"
            raise RequestError(f"'{where}' must be an object with a 'type'. Got {kind(part)} instead.", where)


def _needs(body: Json, messages: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """Say what a model must be able to do; an empty list of tools needs nothing, a tool's result needs tools."""
    needs = set()
    if body.get("tools") or body.get("functions") or any(message["role"] == "tool" for message in messages):
        needs.add("tools")
    if any(_shows_image(message.get("content")) for message in messages):
        needs.add("vision")
    if _field(body, "response_format", dict, {}).get("type") == "json_schema":
        needs.add("json_schema")
    if body.get("logprobs") not in (None, False):
        needs.add("logprobs")
    return frozenset(needs)


def _shows_image(content: object) -> bool:
    if not isinstance(content, list):
        return False
    return any(isinstance(part.get("type"), str) and part["type"] in IMAGE_PARTS for part in content)


def _request_id(headers: Headers) -> str:
    for name, value in headers:
        if name == b"x-request-id" and REQUEST_ID.fullmatch(value):
            return value.decode()
    return new_id()
