"""A session of both official clients with two routers and a cascade, printed: `python -m tests.clients.session`.

Two vendors on loopback answer, a weak model in OpenAI's form and a strong one in Anthropic's (`vendors.py`).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.clients import test_anthropic as messages
from tests.clients import test_openai_chat as chat
from tests.clients.conftest import CASCADE, ROUTES, World, running
from tests.clients.vendors import ENDLESS, HARD


def session(world: World) -> Iterator[tuple[str, str, str]]:
    """Yield what was asked by which client, of which route, and what came of it."""
    for route in ROUTES:
        yield from (("openai", route, line) for line in openai_session(world, route))
        yield from (("anthropic", route, line) for line in anthropic_session(world, route))
    yield "openai", CASCADE, f"hard question: {escalation(world)}"
    yield "openai", CASCADE, f"left in the middle of a stream: {cancellation(world)}"


def openai_session(world: World, route: str) -> Iterator[str]:
    """Ask in chat completions, and once in responses."""
    client = world.openai.chat.completions
    picture = [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, chat.PICTURE]}]
    yield f"image: {told(client.create(model=route, messages=picture))}"
    called = client.create(model=route, messages=[chat.ASKING], tools=[chat.WEATHER])
    calls = called.choices[0].message.tool_calls or []
    yield f"parallel tools: {', '.join(call.function.arguments for call in calls)} [{called.model}]"
    history = [chat.ASKING, called.choices[0].message, *chat.results_of(called.choices[0].message)]
    yield f"their results: {told(client.create(model=route, messages=history, tools=[chat.WEATHER]))}"
    parsed = client.parse(model=route, messages=[chat.USER], response_format=chat.City)
    yield f"parsed: {parsed.choices[0].message.parsed!r} [{parsed.model}]"
    with client.stream(model=route, messages=[chat.USER]) as stream:
        pieces = [event.delta for event in stream if event.type == "content.delta"]
        yield f"streamed: {'|'.join(filter(None, pieces))} [{stream.get_final_completion().model}]"
    response = world.openai.responses.create(model=route, input=chat.USER["content"])
    yield f"responses: {response.output_text} [{response.model}]"


def anthropic_session(world: World, route: str) -> Iterator[str]:
    """Ask in messages."""
    client = world.anthropic.messages
    parts = [messages.PICTURE, {"type": "text", "text": "What is this?"}]
    seen = client.create(**messages.asked(route, {"role": "user", "content": parts}))
    yield f"image: {said(seen)}"
    called = client.create(**messages.asked(route, messages.ASKING, tools=[messages.TOOL]))
    yield f"parallel tools: {', '.join(messages.cities(called))} [{called.model}]"
    history = (messages.ASKING, {"role": "assistant", "content": called.content}, messages.results_of(called))
    yield f"their results: {said(client.create(**messages.asked(route, *history, tools=[messages.TOOL])))}"
    with client.stream(**messages.asked(route, messages.USER)) as stream:
        yield f"streamed: {'|'.join(stream.text_stream)} [{stream.get_final_message().model}]"
    counted = client.count_tokens(model=route, messages=[messages.USER])
    yield f"tokens counted: {counted.input_tokens}"


def escalation(world: World) -> str:
    raw = world.openai.chat.completions.with_raw_response.create(model=CASCADE, messages=[chat.HARD_QUESTION])
    names = ("reason", "router", "cost-usd")
    return f"{told(raw.parse())} " + ", ".join(f"{name} {raw.headers[f'x-switchpoint-{name}']}" for name in names)


def cancellation(world: World) -> str:
    world.newest = world.newest_id()
    endless = [{"role": "user", "content": HARD + ENDLESS + "sing!"}]
    stream = world.openai.chat.completions.create(model=CASCADE, messages=endless, stream=True)
    first = next(iter(stream))
    stream.close()
    gone = "was" if world.left(first.model) else "was not"
    return f"the call of {first.model} {gone} ended at the vendor, the record says {world.last_record().outcome!r}"


def told(completion: Any) -> str:
    return f"{completion.choices[0].message.content} [{completion.model}]"


def said(message: Any) -> str:
    return f"{message.content[0].text} [{message.model}]"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as world:
        for client, route, line in session(world):
            sys.stdout.write(f"{client:<10} {route:<9} {line}\n")


if __name__ == "__main__":
    main()
