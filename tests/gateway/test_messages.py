"""POST /v1/messages with the official client, before upstreams that speak OpenAI's form and Anthropic's."""

import time
from collections.abc import Iterator

import anthropic
import httpx2
import openai
import pytest

from switchpoint.core.catalog import Catalog
from switchpoint.core.model import Model
from switchpoint.core.record import Record
from switchpoint.engine.engine import Engine
from switchpoint.gateway.app import create_app
from switchpoint.gateway.serve import serving
from switchpoint.gateway.service import Service
from switchpoint.routers.fixed import Fixed
from switchpoint.routers.routes import Routes
from switchpoint.upstreams.anthropic import Anthropic
from switchpoint.upstreams.openai_compatible import OpenAICompatible
from switchpoint.upstreams.sampling import Sampling
from tests import fake_anthropic, fake_openai
from tests.fake_anthropic import CALLS, SIGNATURE, THOUGHTS, FakeAnthropic
from tests.fake_openai import TEXT, FakeOpenAI
from tests.gateway.conftest import HEARTBEAT_S, after_a_while

HELLO = [{"role": "user", "content": "Hello"}]
CLOCK = {"name": "clock", "description": "The time.", "input_schema": {"type": "object"}}
PIXEL = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}


async def reasoning(exchange: fake_openai.Exchange) -> None:
    """Think in DeepSeek's form, then answer."""
    await exchange.delta(role="assistant", reasoning_content="Hm.")
    await exchange.delta(content="4")
    await exchange.delta("stop")
    await exchange.event("[DONE]")
    await exchange.end()


class Stand:
    """A gateway before both upstreams: models `openai/NAME` and `claude/NAME` behave as NAME says."""

    def __init__(self, url: str, plain: FakeOpenAI, claude: FakeAnthropic, records: list[Record]) -> None:
        self.url, self.plain, self.claude, self.records = url, plain, claude, records
        self.client = anthropic.Anthropic(base_url=url, api_key="none", max_retries=0)
        self.chat = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)

    def ask(self, model: str, **fields: object) -> anthropic.types.Message:
        return self.client.messages.create(**{"model": model, "max_tokens": 99, "messages": HELLO, **fields})

    def stream(self, model: str, **fields: object) -> list[dict[str, object]]:
        """Return the events of a stream as the client read them."""
        asked = {"model": model, "max_tokens": 99, "messages": HELLO, **fields}
        with self.client.messages.create(**asked, stream=True) as events:
            return [event.to_dict() for event in events]

    def final(self, model: str, **fields: object) -> anthropic.types.Message:
        """Return what the client puts together from a stream."""
        with self.client.messages.stream(**{"model": model, "max_tokens": 99, "messages": HELLO, **fields}) as stream:
            return stream.get_final_message()


@pytest.fixture(scope="module")
def shared() -> Iterator[Stand]:
    records: list[Record] = []
    more = {"reasons": reasoning, "slow": after_a_while(fake_openai.answering())}
    with FakeOpenAI(more) as plain, FakeAnthropic() as claude:
        models = [Model(id=f"openai/{n}", upstream="openai", upstream_model=n) for n in plain.behaviours]
        models += [Model(id=f"claude/{n}", upstream="claude", upstream_model=n) for n in claude.behaviours]
        catalog = Catalog(models)
        engine = Engine(
            catalog=catalog,
            upstreams={
                "openai": Sampling(OpenAICompatible("openai", plain.base_url)),
                "claude": Sampling(Anthropic("claude", claude.base_url)),
            },
            sink=records.append,
            default_model="openai/ok",
        )
        routes = Routes(catalog, {"r": Fixed("r", catalog, "openai/ok")}, "r", lambda id: Fixed(id, catalog, id), {})
        service = Service(
            engine=engine, routing=routes, add_feedback=print, metrics=lambda: b"", heartbeat_s=HEARTBEAT_S
        )
        with serving(create_app(lambda: service, on_close=engine.close)) as url:
            stand = Stand(url, plain, claude, records)
            with stand.client, stand.chat:
                yield stand


@pytest.fixture
def stand(shared: Stand) -> Stand:
    for what in (shared.plain.requests, shared.claude.requests, shared.records, shared.plain.disconnected):
        what.clear()
    return shared


# Whole answers


@pytest.mark.parametrize("model", ["openai/ok", "claude/ok"])
def test_a_question_is_answered_with_a_message(stand: Stand, model: str) -> None:
    answer = stand.ask(model, system="Be brief.")

    assert (answer.type, answer.role, answer.model, answer.stop_reason) == ("message", "assistant", model, "end_turn")
    assert answer.content[0].to_dict() == {"type": "text", "text": TEXT}


def test_usage_counts_the_cache_apart(stand: Stand) -> None:
    plain, claude = stand.ask("openai/ok").usage, stand.ask("claude/ok").usage

    assert (plain.input_tokens, plain.cache_read_input_tokens, plain.output_tokens) == (4, 8, 4)
    assert claude.to_dict() == fake_anthropic.USAGE


def test_a_caller_reaches_a_route_and_may_ask_how_it_was_chosen(stand: Stand) -> None:
    answer = stand.ask("r", extra_body={"switchpoint": {"explain": True}})

    assert answer.model == "openai/ok"
    assert answer.to_dict()["switchpoint"]["decision"]["model"] == "openai/ok"


def test_parallel_calls_of_tools_are_blocks(stand: Stand) -> None:
    answer = stand.ask("claude/tools", tools=[CLOCK])

    assert [block.to_dict() for block in answer.content[1:]] == CALLS
    assert answer.stop_reason == "tool_use"


def test_a_call_of_a_tool_by_another_vendor_is_a_block(stand: Stand) -> None:
    [call] = stand.ask("openai/tools", tools=[CLOCK]).content

    assert (call.id, call.name, call.input) == ("call_1", "clock", {"zone": "UTC"})


def test_results_of_tools_reach_other_vendors_as_messages_in_their_order(stand: Stand) -> None:
    failed = {"type": "tool_result", "tool_use_id": "toolu_2", "content": "No weather.", "is_error": True}
    results = [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "12:00"}, failed]
    turns = [*HELLO, {"role": "assistant", "content": CALLS}]
    stand.ask("openai/ok", tools=[CLOCK], messages=[*turns, {"role": "user", "content": [*results, PIXEL]}])

    _, called, first, second, user = stand.plain.requests[0].body["messages"]
    assert [call["id"] for call in called["tool_calls"]] == ["toolu_1", "toolu_2"]
    assert first == {"role": "tool", "tool_call_id": "toolu_1", "content": "12:00"}
    assert second["content"] == "Error: No weather."
    assert user["content"][0]["image_url"]["url"] == "data:image/png;base64,aGk="


def test_a_whole_conversation_reaches_anthropic_as_it_was_sent(stand: Stand) -> None:
    cached = {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [PIXEL], "is_error": True}
    asked = {
        "system": [cached],
        "tools": [{**CLOCK, "cache_control": {"type": "ephemeral"}}],
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "metadata": {"user_id": "u"},
        "stop_sequences": ["END"],
        "messages": [
            {"role": "user", "content": [PIXEL, {"type": "text", "text": "Hello"}]},
            {"role": "assistant", "content": [*THOUGHTS, {"type": "text", "text": "Hm."}, CALLS[0]]},
            {"role": "user", "content": [result]},
        ],
    }
    stand.ask("claude/ok", **asked, extra_headers={"anthropic-beta": "some-beta"})

    [request] = stand.claude.requests
    assert request.headers["anthropic-beta"] == "some-beta"
    assert request.body == {"model": "ok", "max_tokens": 99, "stream": False, **asked}


def test_what_only_anthropic_reads_does_not_reach_other_vendors(stand: Stand) -> None:
    cached = {"type": "text", "text": "Hello", "cache_control": {"type": "ephemeral"}}
    thinking = {"type": "enabled", "budget_tokens": 1024}
    turns = [{"role": "user", "content": [cached]}, {"role": "assistant", "content": THOUGHTS}, *HELLO]
    stand.ask("openai/ok", messages=turns, thinking=thinking, metadata={"user_id": "u"}, max_tokens=2000)

    body = stand.plain.requests[0].body
    assert body.keys() == {"model", "messages", "stream", "max_tokens", "reasoning_effort"}
    assert body["reasoning_effort"] == "low"
    assert body["messages"][0]["content"] == [{"type": "text", "text": "Hello"}]
    assert body["messages"][1] == {"role": "assistant", "content": None}


def test_thinking_comes_with_its_signature(stand: Stand) -> None:
    assert [block.to_dict() for block in stand.ask("claude/thinks").content[:2]] == THOUGHTS


@pytest.mark.parametrize(
    ("model", "reason"),
    [("long", "max_tokens"), ("declines", "refusal"), ("pauses", "pause_turn"), ("stopped", "stop_sequence")],
)
def test_why_it_stopped_is_told_whole_and_streamed(stand: Stand, model: str, reason: str) -> None:
    whole, streamed = stand.ask(f"claude/{model}"), stand.final(f"claude/{model}")

    assert (whole.stop_reason, streamed.stop_reason) == (reason, reason)
    assert whole.stop_sequence == streamed.stop_sequence == ("END" if model == "stopped" else None)


# Streams


@pytest.mark.parametrize("model", ["openai/ok", "claude/ok"])
def test_the_events_of_a_stream_come_in_anthropics_order(stand: Stand, model: str) -> None:
    kinds = [event["type"] for event in stand.stream(model)]

    assert kinds[:2] == ["message_start", "content_block_start"]
    assert set(kinds[2:-3]) == {"content_block_delta"}
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]


@pytest.mark.parametrize("model", ["openai/ok", "openai/tools", "claude/ok", "claude/tools", "claude/thinks"])
def test_a_stream_puts_together_to_the_whole_answer(stand: Stand, model: str) -> None:
    whole, streamed = stand.ask(model).to_dict(), stand.final(model).to_dict()

    assert streamed["content"] == whole["content"]
    assert (streamed["stop_reason"], streamed["usage"]) == (whole["stop_reason"], whole["usage"])


def test_reasoning_of_another_vendor_is_thinking_without_a_signature(stand: Stand) -> None:
    thought, said = stand.final("openai/reasons").content

    assert (thought.type, thought.thinking, thought.signature) == ("thinking", "Hm.", "")
    assert said.text == "4"


def test_thinking_without_a_signature_is_not_sent_to_anthropic(stand: Stand) -> None:
    foreign = {"type": "thinking", "thinking": "Hm.", "signature": ""}
    turns = [*HELLO, {"role": "assistant", "content": [foreign, {"type": "text", "text": "4"}]}, *HELLO]
    stand.ask("claude/ok", messages=turns)

    assert stand.claude.requests[0].body["messages"][1]["content"] == [{"type": "text", "text": "4"}]


def test_a_signature_comes_as_a_piece_of_its_own(stand: Stand) -> None:
    deltas = [event["delta"] for event in stand.stream("claude/thinks") if event["type"] == "content_block_delta"]

    assert {"type": "signature_delta", "signature": SIGNATURE} in deltas


def test_the_story_of_a_stream_comes_with_its_end(stand: Stand) -> None:
    *_, end = stand.stream("claude/ok", extra_body={"switchpoint": {"explain": True}})

    assert end["type"] == "message_stop"
    assert end["switchpoint"]["decision"]["model"] == "claude/ok"


def test_a_silent_stream_is_kept_alive_with_pings(stand: Stand) -> None:
    body = {"model": "openai/slow", "max_tokens": 9, "messages": HELLO, "stream": True}
    data = httpx2.post(f"{stand.url}/v1/messages", json=body).text

    assert data.startswith('event: ping\ndata: {"type":"ping"}\n\n')
    assert "message_stop" in data


def test_a_stream_that_breaks_ends_with_an_error_event(stand: Stand) -> None:
    with pytest.raises(anthropic.APIStatusError, match="broke off") as error:
        stand.stream("claude/truncated")

    assert error.value.body["error"]["type"] == "api_error"


def test_leaving_a_stream_ends_the_call_at_the_upstream(stand: Stand) -> None:
    with stand.client.messages.create(model="openai/drips", max_tokens=9, messages=HELLO, stream=True) as events:
        next(iter(events))

    assert stand.plain.disconnected.wait(2)
    while not stand.records:
        time.sleep(0.01)
    assert stand.records[0].outcome == "cancelled"


# Errors


@pytest.mark.parametrize(
    ("model", "kind", "type"),
    [
        ("nobody-knows", anthropic.NotFoundError, "not_found_error"),
        ("openai/limited", anthropic.RateLimitError, "rate_limit_error"),
        ("claude/overloaded", anthropic.InternalServerError, "api_error"),
        ("claude/refuses", anthropic.BadRequestError, "invalid_request_error"),
    ],
)
def test_errors_have_anthropics_form(stand: Stand, model: str, kind: type[anthropic.APIStatusError], type: str) -> None:
    with pytest.raises(kind) as error:
        stand.ask(model)

    assert error.value.body["type"] == "error"
    assert error.value.body["error"]["type"] == type


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "search_result"}]}]}, "messages[0].content[0]"),
        ({"messages": []}, "messages"),
        ({"tool_choice": {"type": "perhaps"}}, "tool_choice.type"),
    ],
)
def test_what_cannot_be_carried_is_refused_by_name(stand: Stand, fields: dict[str, object], named: str) -> None:
    with pytest.raises(anthropic.BadRequestError) as error:
        stand.ask("openai/ok", **fields)

    assert f"'{named}'" in error.value.body["error"]["message"]
    assert stand.plain.requests == []


# Counting tokens


def test_tokens_are_estimated_for_a_route(stand: Stand) -> None:
    counted = stand.client.messages.count_tokens(model="r", messages=[{"role": "user", "content": "x" * 400}])

    assert counted.input_tokens == 100
    assert stand.claude.requests == []


def test_tokens_are_counted_by_an_upstream_that_counts(stand: Stand) -> None:
    assert stand.client.messages.count_tokens(model="claude/ok", messages=HELLO).input_tokens == 42


def test_counting_for_a_model_that_nobody_knows_is_refused(stand: Stand) -> None:
    with pytest.raises(anthropic.NotFoundError):
        stand.client.messages.count_tokens(model="nobody-knows", messages=HELLO)


# OpenAI's client before Anthropic


def test_openais_client_talks_to_anthropic(stand: Stand) -> None:
    tools = [{"type": "function", "function": {"name": "clock", "parameters": {"type": "object"}}}]
    answer = stand.chat.chat.completions.create(model="claude/tools", messages=HELLO, tools=tools)

    assert answer.choices[0].finish_reason == "tool_calls"
    assert [call.function.name for call in answer.choices[0].message.tool_calls or ()] == ["clock", "weather"]
    assert stand.claude.requests[0].body["tools"] == [{"name": "clock", "input_schema": {"type": "object"}}]


def test_openais_client_puts_a_stream_of_anthropics_together(stand: Stand) -> None:
    options = {"include_usage": True}
    with stand.chat.chat.completions.stream(model="claude/thinks", messages=HELLO, stream_options=options) as stream:
        final = stream.get_final_completion()

    message = final.choices[0].message.to_dict()
    assert (message["content"], message["reasoning_content"]) == (TEXT, "Two and two.")
    assert final.usage is not None
    assert (final.usage.prompt_tokens, final.usage.completion_tokens) == (12, 6)


def test_thinking_that_openais_client_gives_back_reaches_anthropic(stand: Stand) -> None:
    said = stand.chat.chat.completions.create(model="claude/thinks", messages=HELLO).choices[0].message
    stand.chat.chat.completions.create(model="claude/ok", messages=[*HELLO, said.to_dict(), *HELLO])

    sent = stand.claude.requests[-1].body["messages"]
    assert sent[1]["content"] == [*THOUGHTS, {"type": "text", "text": TEXT}]
