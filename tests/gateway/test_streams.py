"""Streamed answers, through the official client unchanged."""

import json
import threading
import time
from collections.abc import Callable

import httpx2
import openai
import pytest

from tests.fake_openai import TEXT, TOOL_CALL
from tests.gateway.conftest import USER, WEATHER, Gateway


def events(response: httpx2.Response) -> list[str]:
    return [line.removeprefix("data: ") for line in response.text.split("\n\n") if line]


def text_of(stream: openai.Stream) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream)


def wait_for(seen: Callable[[], object], timeout_s: float = 1.0) -> bool:
    end = time.monotonic() + timeout_s
    while not seen() and time.monotonic() < end:
        time.sleep(0.005)
    return bool(seen())


def test_a_stream_brings_the_answer_in_pieces(client: openai.OpenAI):
    chunks = list(client.chat.completions.create(model="auto", messages=[USER], stream=True))

    pieces = [chunk.choices[0].delta.content for chunk in chunks]
    assert "".join(piece or "" for piece in pieces) == TEXT
    assert len([piece for piece in pieces if piece]) == len(TEXT) / 4
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_a_stream_ends_with_done(gateway: Gateway):
    response = gateway.post(messages=[USER], stream=True)

    assert events(response)[-1] == "[DONE]"
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"


def test_the_headers_of_a_stream_tell_the_decision(gateway: Gateway):
    response = gateway.post(messages=[USER], stream=True)

    assert response.headers["x-switchpoint-model"] == "priced"
    assert response.headers["x-switchpoint-record"] == gateway.record.id
    assert "x-switchpoint-cost-usd" not in response.headers  # unknown before the end


def test_every_chunk_names_our_model(client: openai.OpenAI):
    chunks = list(client.chat.completions.create(model="acme/other-name", messages=[USER], stream=True))

    assert {chunk.model for chunk in chunks} == {"acme/other-name"}


def test_tool_calls_are_streamed(gateway: Gateway):
    stream = gateway.client.chat.completions.create(model="acme/tools", messages=[USER], tools=[WEATHER], stream=True)

    calls = [call for chunk in stream for call in chunk.choices[0].delta.tool_calls or ()]
    assert calls[0].function.name == TOOL_CALL["function"]["name"]
    assert "".join(call.function.arguments for call in calls) == TOOL_CALL["function"]["arguments"]


def test_the_clients_own_accumulator_reads_our_streams(gateway: Gateway):
    with gateway.client.chat.completions.stream(model="acme/tools", messages=[USER], tools=[WEATHER]) as stream:
        final = stream.get_final_completion()

    assert final.choices[0].message.tool_calls[0].function.arguments == TOOL_CALL["function"]["arguments"]


def test_the_upstream_is_always_asked_for_usage_and_the_caller_sees_it_if_he_asked(gateway: Gateway):
    create = gateway.client.chat.completions.create
    without = list(create(model="auto", messages=[USER], stream=True))
    asked = list(create(model="auto", messages=[USER], stream=True, stream_options={"include_usage": True}))

    assert [record.cost_usd is not None for record in gateway.records] == [True, True]
    assert all(chunk.choices for chunk in without)
    assert asked[-1].choices == [] and asked[-1].usage.total_tokens == 16


def test_the_story_is_one_more_chunk_of_the_same_answer(gateway: Gateway):
    stream = gateway.client.chat.completions.create(
        model="auto", messages=[USER], stream=True, extra_body={"switchpoint": {"explain": True}}
    )

    first, *_, last = list(stream)
    assert (last.id, last.model, last.object, last.choices) == (first.id, "priced", "chat.completion.chunk", [])
    assert last.switchpoint["record"] == gateway.record.id
    assert last.switchpoint["cost_usd"] == 0.000014
    assert last.switchpoint["attempts"][0]["ttft_s"] > 0


def test_a_failure_before_the_first_token_turns_to_another_model_unseen(gateway: Gateway):
    response = gateway.post(model="sturdy", messages=[USER], stream=True)

    assert response.headers["x-switchpoint-model"] == "acme/ok"
    assert response.headers["x-switchpoint-reason"] == "fell_back"
    assert len(gateway.record.attempts) == 2


def test_a_stream_that_no_model_begins_is_an_http_error(gateway: Gateway):
    response = gateway.post(model="doomed", messages=[USER], stream=True)

    assert response.status_code == 502
    assert response.json()["error"]["code"] == "no_answer"


@pytest.mark.parametrize("model", ["acme/truncated", "acme/error-event", "acme/unfinished"])
def test_a_failure_after_the_first_token_is_an_error_event_and_the_end(gateway: Gateway, model: str):
    seen = events(gateway.post(model=model, messages=[USER], stream=True))

    assert json.loads(seen[-2])["choices"][0]["delta"]["content"] == "Hel"
    assert set(json.loads(seen[-1])["error"]) == {"message", "type", "param", "code"}
    assert gateway.record.outcome == "failed"


def test_the_client_raises_what_broke_after_the_first_token(client: openai.OpenAI):
    stream = client.chat.completions.create(model="acme/truncated", messages=[USER], stream=True)

    with pytest.raises(openai.APIError, match="acme"):
        list(stream)


def test_a_cascade_streams_the_answer_that_passed_and_nothing_of_the_others(gateway: Gateway):
    stream = gateway.client.chat.completions.create(model="cheap-first", messages=[USER], stream=True)

    assert text_of(stream) == USER["content"]
    assert gateway.record.answered_by == "acme/echo"


def test_a_cascade_whose_first_answer_passes_streams_it_whole(gateway: Gateway):
    response = gateway.post(model="content", messages=[USER], stream=True)

    assert "".join(json.loads(e)["choices"][0]["delta"].get("content", "") for e in events(response)[:-1]) == TEXT
    assert response.headers["x-switchpoint-reason"] == "first_of_cascade"


def test_a_caller_who_leaves_a_stream_ends_the_call_within_a_second(gateway: Gateway):
    stream = gateway.client.chat.completions.create(model="acme/drips", messages=[USER], stream=True)
    next(stream)
    stream.close()

    assert gateway.upstream.disconnected.wait(1.0)
    assert wait_for(lambda: gateway.records)
    assert gateway.record.outcome == "cancelled"
    assert gateway.record.attempts[0].failure.kind == "Cancelled"


@pytest.mark.parametrize("stream", [True, False])
def test_a_caller_who_leaves_before_the_answer_begins_ends_the_call(gateway: Gateway, stream: bool):
    with pytest.raises(openai.APITimeoutError):
        gateway.client.chat.completions.create(model="acme/silent", messages=[USER], stream=stream, timeout=0.1)

    assert gateway.upstream.disconnected.wait(1.0)
    assert wait_for(lambda: gateway.records)
    assert gateway.record.outcome == "cancelled"


def test_streams_do_not_wait_for_each_other(gateway: Gateway):
    endless = gateway.client.chat.completions.create(model="acme/drips", messages=[USER], stream=True)
    next(endless)

    answer = text_of(gateway.client.chat.completions.create(model="acme/ok", messages=[USER], stream=True))

    assert answer == TEXT
    assert next(endless).choices[0].delta.content == "x"
    endless.close()
    assert wait_for(lambda: len(gateway.records) == 2)


def test_concurrent_streams_do_not_mix(gateway: Gateway):
    texts = [f"{word} " * 50 for word in ("alpha", "beta", "gamma", "delta")]
    seen: dict[str, str] = {}

    def ask(text: str) -> None:
        message = {"role": "user", "content": text}
        create = gateway.client.chat.completions.create
        seen[text] = text_of(create(model="acme/echo", messages=[message], stream=True))

    threads = [threading.Thread(target=ask, args=(text,)) for text in texts]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]

    assert seen == {text: text for text in texts}
