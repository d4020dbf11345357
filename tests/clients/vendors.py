"""Two vendors on loopback that say the same things, one in OpenAI's form and one in Anthropic's.

What is said depends on the request alone, so a test can follow a conversation through any model: `reply` is the script.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests import fake_anthropic
from tests.fake_openai import LOGPROB, USAGE, Behaviour, Exchange

PLAIN = "The capital of France is Paris."
SEEN = "A red square."
LOOKED_UP = "18 degrees in Paris, 21 in Rome."
THOUGHT = "France is a country."
CITY = {"name": "Paris", "rivers": ["Seine"]}
CITIES = ("Paris", "Rome")
HARD, ENDLESS = "Hard: ", "Without end: "
"""What a question begins with that the weak model has no answer to; what one holds that is answered without end."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An answer, before it has a form."""

    text: str = ""
    reasoning: str = ""
    calls: tuple[str, ...] = ()
    endless: bool = False


def reply(body: Mapping[str, Any], *, weak: bool) -> Said:
    """Return what is said to a request of either form.

    Tools are called twice at once, results of tools are summed up, forms are kept to, images are seen.
    """
    said, last = question(body), body["messages"][-1]
    if weak and said.startswith(HARD):
        return Said()
    if ENDLESS in said:
        return Said(text="la ", endless=True)
    if holds(last, "tool_result") or last["role"] == "tool":
        return Said(text=LOOKED_UP)
    if body.get("tools"):
        return Said(calls=CITIES)
    if body.get("response_format") or body.get("output_config", {}).get("format"):
        return Said(text=json.dumps(CITY))
    if holds(last, "image") or holds(last, "image_url"):
        return Said(text=SEEN)
    thinks = body.get("reasoning_effort") or body.get("thinking")
    return Said(text=PLAIN, reasoning=THOUGHT if thinks else "")


def parts(message: Mapping[str, Any]) -> list[Json]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content or []


def holds(message: Mapping[str, Any], kind: str) -> bool:
    return any(part["type"] == kind for part in parts(message))


def question(body: Mapping[str, Any]) -> str:
    """Return the last text of the user."""
    texts = [part["text"] for m in body["messages"] if m["role"] == "user" for part in parts(m) if "text" in part]
    return str(texts[-1])


def cut(text: str) -> list[str]:
    return [text[start : start + 6] for start in range(0, len(text), 6)]


def openai_vendor(*, weak: bool) -> Behaviour:
    """Answer in OpenAI's form; the weak one says nothing to what is hard."""

    async def behave(exchange: Exchange) -> None:
        body, said = exchange.received.body, reply(exchange.received.body, weak=weak)
        if said.endless and exchange.received.streams:
            await exchange.delta(role="assistant", content="la ")
            await exchange.hang()
        elif exchange.received.streams:
            await stream(exchange, said)
        else:
            choices = [choice(number, said, body) for number in range(body.get("n") or 1)]
            await exchange.json({**exchange.frame("chat.completion"), "choices": choices, "usage": USAGE})

    return behave


def choice(number: int, said: Said, body: Json) -> Json:
    message = {"role": "assistant", "content": said.text or None}
    message |= {"tool_calls": tool_calls(said)} if said.calls else {}
    message |= {"reasoning_content": said.reasoning} if said.reasoning else {}
    logprobs = {"content": [token(piece) for piece in cut(said.text)]} if body.get("logprobs") else None
    return {"index": number, "message": message, "finish_reason": finish(said), "logprobs": logprobs}


def finish(said: Said) -> str:
    return "tool_calls" if said.calls else "stop"


def tool_calls(said: Said) -> list[Json]:
    functions = {city: {"name": "weather", "arguments": json.dumps({"city": city})} for city in said.calls}
    return [{"id": f"call_{city}", "type": "function", "function": made} for city, made in functions.items()]


def token(piece: str) -> Json:
    return {"token": piece, "bytes": None, "logprob": LOGPROB, "top_logprobs": []}


async def stream(exchange: Exchange, said: Said) -> None:
    """Send it in pieces: reasoning, text, then every call with its arguments in two pieces."""
    asked = bool(exchange.received.body.get("logprobs"))
    await exchange.delta(role="assistant", content="")
    for piece in cut(said.reasoning):
        await exchange.delta(reasoning_content=piece)
    for piece in cut(said.text):
        await exchange.delta(content=piece, logprobs={"content": [token(piece)]} if asked else None)
    for index, call in enumerate(tool_calls(said)):
        arguments = call["function"]["arguments"]
        await exchange.delta(tool_calls=[{**call, "index": index, "function": {**call["function"], "arguments": ""}}])
        for piece in cut(arguments):
            await exchange.delta(tool_calls=[{"index": index, "function": {"arguments": piece}}])
    await exchange.delta(finish(said))
    if (exchange.received.body.get("stream_options") or {}).get("include_usage"):
        await exchange.event({**exchange.frame("chat.completion.chunk"), "choices": [], "usage": USAGE})
    await exchange.event("[DONE]")
    await exchange.end()


async def anthropic_vendor(exchange: Exchange) -> None:
    """Answer in Anthropic's form."""
    said = reply(exchange.received.body, weak=False)
    if said.endless and exchange.received.streams:
        await fake_anthropic.stalling(exchange)
        return
    thinking = {"type": "thinking", "thinking": said.reasoning, "signature": fake_anthropic.SIGNATURE}
    blocks = [thinking] if said.reasoning else []
    blocks += [fake_anthropic.text(said.text)] if said.text else []
    blocks += [{"type": "tool_use", "id": f"toolu_{c}", "name": "weather", "input": {"city": c}} for c in said.calls]
    await fake_anthropic.answering(*blocks, stop="tool_use" if said.calls else "end_turn")(exchange)


async def embedding(exchange: Exchange) -> None:
    """Answer with one vector for each text."""
    texts = exchange.received.body["input"]
    data = [{"object": "embedding", "index": i, "embedding": [len(text), 0.5, -1.0]} for i, text in enumerate(texts)]
    usage = {"prompt_tokens": 4, "total_tokens": 4}
    await exchange.json({"object": "list", "data": data, "model": "vendor-vectors", "usage": usage})
