"""Reading OpenAI's form: the bytes of a body or of one streamed event in, Answer or Chunk out.

Only what Switchpoint needs is decoded with types. Usage and log-probabilities are read apart and leniently: in a shape
that is not understood they are unknown, and the answer stands.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, TypeVar

import msgspec

from switchpoint.core.attempt import Answer, Chunk
from switchpoint.core.model import Usage
from switchpoint.core.query import content_text
from switchpoint.upstreams.failures import Failures

NULL = msgspec.Raw(b"null")

MAX_TOKENS = 10**9
MAX_COST_USD = 10**6
"""No call uses or costs more: what says so is not understood, so it is neither booked nor recorded."""

Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_TOKENS)]
T = TypeVar("T")


class _Text(msgspec.Struct):
    """A `message` or a `delta`; its content is a string, a list of parts, or null beside a tool call."""

    content: Any = None
    reasoning_content: Any = None
    reasoning: Any = None
    refusal: Any = None
    tool_calls: msgspec.Raw = NULL
    function_call: msgspec.Raw = NULL
    audio: msgspec.Raw = NULL

    def speaks(self) -> bool:
        """Whether it holds any part of an answer; a bare role does not."""
        if self.content or self.reasoning_content or self.reasoning or self.refusal:
            return True
        return any(bytes(raw) not in (b"null", b"[]") for raw in (self.tool_calls, self.function_call, self.audio))


class _Choice(msgspec.Struct):
    index: int | None = 0
    message: _Text | None = None
    delta: _Text | None = None
    finish_reason: str | None = None
    logprobs: msgspec.Raw = NULL


class _Body(msgspec.Struct):
    choices: list[_Choice] | None = None
    model: str | None = None
    usage: msgspec.Raw = NULL
    completion_probabilities: msgspec.Raw = NULL  # older llama.cpp servers put log-probabilities here
    error: Any = None
    object: Any = None


class _PromptDetails(msgspec.Struct):
    cached_tokens: Count | None = None
    cache_write_tokens: Count | None = None  # OpenRouter's name, and that of our Anthropic upstream


class _Usage(msgspec.Struct):
    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    prompt_tokens_details: _PromptDetails | None = None
    prompt_cache_hit_tokens: Count | None = None  # DeepSeek's name for cached_tokens
    cost: Decimal | None = None  # OpenRouter's bill, in USD


class _Token(msgspec.Struct):
    logprob: float | None = None


class _Logprobs(msgspec.Struct):
    content: list[_Token] | None = None
    token_logprobs: list[float | None] | None = None


_ANY = msgspec.json.Decoder()
_BODY = msgspec.json.Decoder(_Body)
_USAGE = msgspec.json.Decoder(_Usage | None, strict=False)
_LOGPROBS = msgspec.json.Decoder(_Logprobs | None)
_TOKENS = msgspec.json.Decoder(list[_Token] | None)


def read_answer(data: bytes, failures: Failures) -> Answer:
    """Read a whole `chat.completion`.

    Raises BadAnswer when it is not JSON or has no choice, and the mapped error when it holds an `error`.
    """
    body = _read(data, failures)
    choice = _first(body)
    if choice is None or choice.message is None:
        raise failures.broken("answered without a choice that holds a message.")
    return Answer(
        text=content_text(choice.message.content),
        model=body.model,
        finish_reason=choice.finish_reason,
        usage=_usage(body.usage),
        logprobs=_logprobs(body, choice),
        body=_decode(_ANY, data, failures),
    )


def read_chunk(data: bytes, failures: Failures) -> Chunk:
    """Read one `chat.completion.chunk`; `data` is kept as it came. A chunk of usage alone has no choices.

    Raises BadAnswer when it is not JSON, and the mapped error when it holds an `error`.
    """
    body = _read(data, failures)
    choices, choice = body.choices or (), _first(body) or _Choice()
    return Chunk(
        data=data,
        text=content_text(choice.delta.content) if choice.delta is not None else "",
        speaks=choice.finish_reason is not None or any(c.delta is not None and c.delta.speaks() for c in choices),
        model=body.model,
        finish_reason=choice.finish_reason,
        usage=_usage(body.usage),
        logprobs=_logprobs(body, choice),
    )


def read_error(data: bytes, failures: Failures) -> None:
    """Raise the error that a JSON body holds, if it holds one."""
    _read(data, failures)


def _read(data: bytes, failures: Failures) -> _Body:
    body = _decode(_BODY, data, failures)
    if body.error is not None:
        raise failures.of_error(body.error)
    if body.object == "error":  # older vLLM servers: the body itself is the error
        raise failures.of_error(_decode(_ANY, data, failures))
    return body


def _decode(decoder: msgspec.json.Decoder[T], data: bytes, failures: Failures) -> T:
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise failures.broken(f"answered in a shape that is not OpenAI's ({error}).") from None
    except (ValueError, RecursionError):
        raise failures.broken("answered with something that is not JSON.") from None


def _first(body: _Body) -> _Choice | None:
    """Return the choice with index 0: with `n` > 1 the others are passed on, but are not the answer."""
    return next((choice for choice in body.choices or () if choice.index in (0, None)), None)


def _usage(raw: msgspec.Raw) -> Usage | None:
    found = _lenient(_USAGE, raw)
    if found is None:
        return None
    details = found.prompt_tokens_details or _PromptDetails()
    cached = details.cached_tokens if details.cached_tokens is not None else found.prompt_cache_hit_tokens
    stated = found.cost is not None and found.cost.is_finite() and 0 <= found.cost <= MAX_COST_USD
    return Usage(
        input_tokens=found.prompt_tokens,
        cached_input_tokens=cached,
        cache_write_input_tokens=details.cache_write_tokens,
        output_tokens=found.completion_tokens,
        cost_usd=found.cost if stated else None,
    )


def _logprobs(body: _Body, choice: _Choice) -> tuple[float, ...]:
    found = _lenient(_LOGPROBS, choice.logprobs) or _Logprobs()
    tokens = found.content or _lenient(_TOKENS, body.completion_probabilities) or ()
    values = [token.logprob for token in tokens] or found.token_logprobs or ()
    return tuple(value for value in values if value is not None)


def _lenient(decoder: msgspec.json.Decoder[T], raw: msgspec.Raw) -> T | None:
    try:
        return decoder.decode(raw)
    except (ValueError, RecursionError):
        return None
