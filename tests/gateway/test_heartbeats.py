"""A stream that has nothing to say says so, in comments that clients pass over."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import httpx2
import openai
import pytest
from starlette.types import Message

from switchpoint.dialects.chat import Chat
from switchpoint.gateway.event_stream import EventStream
from tests.fake_openai import TEXT
from tests.gateway.conftest import HEARTBEAT_S, USER, Gateway
from tests.gateway.test_streams import text_of, wait_for

PULSE = Chat.waiting.decode().strip()


def blocks(response: httpx2.Response) -> list[str]:
    return [block for block in response.text.split("\n\n") if block]


@pytest.mark.parametrize("model", ["acme/slow", "slow-first"])
def test_a_stream_whose_answer_is_not_there_yet_beats(beating: Gateway, model: str):
    response = beating.post(model=model, messages=[USER], stream=True)

    assert blocks(response)[:2] == [PULSE, PULSE]
    assert blocks(response)[-1] == "data: [DONE]"


def test_the_official_client_reads_a_beating_stream_as_any_other(beating: Gateway):
    stream = beating.client.chat.completions.create(model="slow-first", messages=[USER], stream=True)

    assert text_of(stream) == TEXT


def test_a_silence_in_the_middle_of_an_answer_beats_too(beating: Gateway):
    seen = blocks(beating.post(model="acme/pauses", messages=[USER], stream=True))

    first, second = (next(n for n, block in enumerate(seen) if f'"{piece}"' in block) for piece in ("Hel", "lo"))
    assert PULSE in seen[first:second]


@pytest.mark.parametrize(("gateway_of", "model"), [("gateway", "acme/slow"), ("beating", "acme/ok")])
def test_a_silence_shorter_than_the_gap_is_left_alone(request: pytest.FixtureRequest, gateway_of: str, model: str):
    response = request.getfixturevalue(gateway_of).post(model=model, messages=[USER], stream=True)

    assert PULSE not in blocks(response)
    assert "x-switchpoint-model" in response.headers


def test_a_response_that_a_heartbeat_began_names_the_run_alone_and_the_story_tells_the_rest(beating: Gateway):
    response = beating.post(model="slow-first", messages=[USER], stream=True, switchpoint={"explain": True})

    told = {name for name in response.headers if name.startswith("x-switchpoint-")}
    story = json.loads(blocks(response)[-2].removeprefix("data: "))["switchpoint"]
    assert told == {"x-switchpoint-version", "x-switchpoint-record", "x-switchpoint-route"}
    assert response.headers["x-switchpoint-record"] == beating.record.id
    assert (story["decision"]["model"], story["accept_reason"]) == ("acme/slow", "verified")


def test_a_failure_before_the_first_heartbeat_is_an_http_error(beating: Gateway):
    assert beating.post(model="acme/fails", messages=[USER], stream=True).status_code == 502


def test_a_failure_after_it_is_an_event_and_the_end(beating: Gateway):
    response = beating.post(model="acme/slow-to-fail", messages=[USER], stream=True)

    assert (response.status_code, blocks(response)[0]) == (200, PULSE)
    assert json.loads(blocks(response)[-1].removeprefix("data: "))["error"]["code"] == "no_answer"


def test_the_official_client_raises_such_a_failure(beating: Gateway):
    stream = beating.client.chat.completions.create(model="acme/slow-to-fail", messages=[USER], stream=True)

    with pytest.raises(openai.APIError, match="tired"):
        list(stream)


@pytest.mark.parametrize("model", ["acme/silent", "held"])  # says nothing; writes an answer that is held back
def test_a_caller_who_leaves_after_a_heartbeat_ends_the_call(beating: Gateway, model: str):
    body = {"model": model, "messages": [USER], "stream": True}
    with beating.http.stream("POST", "/v1/chat/completions", json=body) as response:
        assert next(response.iter_lines()) == PULSE

    assert beating.upstream.disconnected.wait(1.0)
    assert wait_for(lambda: beating.records)
    assert beating.record.outcome == "cancelled"


def test_a_whole_answer_has_no_heartbeats(beating: Gateway):
    assert beating.post(model="acme/slow", messages=[USER]).json()["model"] == "acme/slow"


def test_no_gap_means_no_heartbeat():
    assert asyncio.run(sent_in_silence(heartbeat_s=0.0)) == []


def test_a_beating_stream_begins_once():
    async def late(events: EventStream) -> None:
        await events.begin([(b"x-late", b"1")])

    messages = asyncio.run(sent_in_silence(HEARTBEAT_S, late))

    starts = [message for message in messages if message["type"] == "http.response.start"]
    assert [(b"x-early", b"1") in start["headers"] for start in starts] == [True]


def test_a_caller_who_reads_slowly_gets_no_heartbeat_into_an_event():
    async def blocked(events: EventStream) -> None:
        await events.begin([])
        await events.event(b"slow")

    messages = asyncio.run(sent_in_silence(HEARTBEAT_S, blocked, silence_s=0.0, send_s=3 * HEARTBEAT_S))

    assert [message.get("body") for message in messages] == [None, b"slow"]


async def sent_in_silence(
    heartbeat_s: float, then: Callable | None = None, silence_s: float = 3 * HEARTBEAT_S, send_s: float = 0.0
) -> list[Message]:
    """Return what an event stream sends in a silence and after it, each message taking `send_s`."""
    messages: list[Message] = []

    async def send(message: Message) -> None:
        await asyncio.sleep(send_s)
        messages.append(message)

    async with EventStream(send, heartbeat_s, Chat.waiting, [(b"x-early", b"1")]) as events:
        await asyncio.sleep(silence_s)
        if then is not None:
            await then(events)
    return messages
