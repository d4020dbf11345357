"""The asynchronous clients: several requests at once, streams, and tasks that are cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anthropic
import openai
import pytest

from tests.clients.conftest import CASCADE, KEY, ROUTER, World
from tests.clients.vendors import ENDLESS, HARD, PLAIN

USER = {"role": "user", "content": "What is the capital of France?"}
AT_ONCE = 8


@asynccontextmanager
async def chat(world: World) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{world.url}/v1", api_key=KEY, max_retries=0) as client:
        yield client


@asynccontextmanager
async def claude(world: World) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=world.url, api_key=KEY, max_retries=0) as client:
        yield client


def test_many_chat_completions_at_once_are_each_answered(world: World, route: str):
    async def ask() -> list[Any]:
        async with chat(world) as client:
            create = client.chat.completions.create
            return await asyncio.gather(*(create(model=route, messages=[USER]) for _ in range(AT_ONCE)))

    assert [answer.choices[0].message.content for answer in asyncio.run(ask())] == [PLAIN] * AT_ONCE


def test_many_messages_at_once_are_each_answered(world: World, route: str):
    async def ask() -> list[Any]:
        async with claude(world) as client:
            create = client.messages.create
            return await asyncio.gather(*(create(model=route, max_tokens=99, messages=[USER]) for _ in range(AT_ONCE)))

    assert [message.content[0].text for message in asyncio.run(ask())] == [PLAIN] * AT_ONCE


def test_a_chat_completion_is_streamed(world: World, route: str):
    async def ask() -> str:
        async with chat(world) as client, client.chat.completions.stream(model=route, messages=[USER]) as stream:
            return "".join([event.delta async for event in stream if event.type == "content.delta"])

    assert asyncio.run(ask()) == PLAIN


def test_a_response_is_streamed(world: World, route: str):
    async def ask() -> str:
        async with chat(world) as client, client.responses.stream(model=route, input=USER["content"]) as stream:
            return (await stream.get_final_response()).output_text

    assert asyncio.run(ask()) == PLAIN


def test_a_message_is_streamed(world: World, route: str):
    async def ask() -> str:
        async with (
            claude(world) as client,
            client.messages.stream(model=route, max_tokens=99, messages=[USER]) as stream,
        ):
            return "".join([piece async for piece in stream.text_stream])

    assert asyncio.run(ask()) == PLAIN


@pytest.mark.parametrize(("name", "question"), [(ROUTER, ENDLESS), (CASCADE, HARD + ENDLESS), (CASCADE, ENDLESS)])
def test_a_task_that_is_cancelled_ends_the_call_at_the_vendor(world: World, name: str, question: str):
    async def read(client: anthropic.AsyncAnthropic) -> None:
        endless = {"role": "user", "content": question + "sing!"}
        async with client.messages.stream(model=name, max_tokens=99, messages=[endless]) as stream:
            async for _ in stream.text_stream:
                pass

    async def ask() -> None:
        async with claude(world) as client:
            task = asyncio.create_task(read(client))
            await asyncio.to_thread(world.arrived)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(ask())
    record = world.last_record()
    assert record.outcome == "cancelled"
    assert world.left(record.attempts[-1].decision.model)
