"""Cascades of one configuration over two upstreams, through the official client: what a caller sees of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from switchpoint.assembly.switchpoint import Switchpoint
from switchpoint.core.record import Record
from switchpoint.dialects.chat import Chat
from switchpoint.gateway.serve import serving
from switchpoint.records.reader import RecordReader
from tests.fake_openai import TOOL_CALL, Behaviour, Exchange, FakeOpenAI, answering, tool_call
from tests.gateway.conftest import HEARTBEAT_S, USER, WEATHER

STRONG_TEXT = "It is four."
PULSE = Chat.waiting.decode().strip()
CLOCK = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object"}}}


def saying(text: str, logprob: float, *, then: Behaviour | None = None) -> Behaviour:
    """Say each word with this log-probability; `then` takes over in place of a stream's end."""

    async def behave(exchange: Exchange) -> None:
        assert exchange.received.body["logprobs"] is True
        token = {"token": "x", "logprob": logprob, "bytes": None, "top_logprobs": []}
        words = text.split(" ")
        if not exchange.received.streams:
            message = {"role": "assistant", "content": text}
            logprobs = {"content": [token] * len(words)}
            choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": logprobs}
            await exchange.json({**exchange.frame("chat.completion"), "choices": [choice]})
            return
        for number, word in enumerate(words):
            await exchange.delta(content=word if number == 0 else f" {word}", logprobs={"content": [token]})
        await (finishing if then is None else then)(exchange)

    return behave


async def finishing(exchange: Exchange) -> None:
    await exchange.delta("stop")
    await exchange.event("[DONE]")
    await exchange.end()


async def staying(exchange: Exchange) -> None:
    await exchange.hang()


async def slowly(exchange: Exchange) -> None:
    """Finish after several heartbeats."""
    await asyncio.sleep(5 * HEARTBEAT_S)
    await finishing(exchange)


CHEAP = {
    "certain": saying("Surely it is 4", -0.01),
    "doubtful": saying("Perhaps it is 5", -3.0),
    "doubtful-without-end": saying("Perhaps it is 5", -3.0, then=staying),
    "certain-without-end": saying("Surely it is 4", -0.01, then=staying),
    "doubtful-and-slow": saying("Perhaps it is 5", -3.0, then=slowly),
    "tools": tool_call,
    "four": answering("I would say 4"),
    "five": answering("I would say 5"),
    "also-four": answering("The answer is 4."),
}
PRICES = {"input_usd_per_mtok": 1, "output_usd_per_mtok": 1}


def configuration(cheap: FakeOpenAI, dear: FakeOpenAI, folder: Path, heartbeat_s: float) -> dict[str, Any]:
    """Two upstreams; for every cheap model a cascade of each kind that goes on to the strong one."""
    chain = {name: {"models": [name, "strong"], "verifier": "confidence", "threshold": 0.5} for name in CHEAP}
    gates = {f"gate-{name}": {"kind": "prefix", **chain[name], "prefix_tokens": 2} for name in CHEAP}
    checked = {"models": ["tools", "strong"], "verifier": "tool_calls", "threshold": 0.5}
    return {
        "upstreams": {"first": {"base_url": cheap.base_url}, "second": {"base_url": dear.base_url}},
        "models": {
            **{name: {"upstream": "first", "upstream_model": name, **PRICES} for name in CHEAP},
            "strong": {"upstream": "second", "upstream_model": "strong", **PRICES, "output_usd_per_mtok": 10},
        },
        "cascades": {
            **{f"sure-{name}": {"kind": "threshold", **chain[name]} for name in CHEAP},
            **gates,
            "held-tools": {"kind": "prefix", **checked, "prefix_tokens": 1},
            "agree": {"kind": "agreement", "voters": ["four", "also-four"], "final": "strong"},
            "differ": {"kind": "agreement", "voters": ["four", "five"], "final": "strong"},
        },
        "engine": {"default_model": "strong"},
        "records": {"path": str(folder / "records.sqlite")},
        "gateway": {"heartbeat_s": heartbeat_s},
    }


@dataclass
class Served:
    """A gateway over two upstreams, and the official client of it."""

    cheap: FakeOpenAI
    dear: FakeOpenAI
    switchpoint: Switchpoint
    client: openai.OpenAI
    http: httpx2.Client

    def ask(self, route: str, **more: Any) -> tuple[Any, Record]:
        """Return what the official client makes of a whole answer, and the record."""
        raw = self.client.chat.completions.with_raw_response.create(model=route, messages=[USER], **more)
        return raw.parse(), self.record(raw.headers["x-switchpoint-record"])

    def stream(self, route: str, **more: Any) -> tuple[list[Any], Record]:
        """Return the chunks that the official client reads, and the record."""
        create = self.client.chat.completions.with_raw_response.create
        raw = create(model=route, messages=[USER], stream=True, **more)
        return list(raw.parse()), self.record(raw.headers["x-switchpoint-record"])

    def record(self, id: str) -> Record:
        log = self.switchpoint.log
        assert log is not None
        log.flush()
        return RecordReader(log.path).get(id)


def told(chunks: list[Any]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def called(chunks: list[Any]) -> list[str]:
    calls = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or ()]
    return [call.function.name for call in calls if call.function.name]


@contextmanager
def running(folder: Path, heartbeat_s: float) -> Iterator[Served]:
    with ExitStack() as stack:
        cheap = stack.enter_context(FakeOpenAI(CHEAP))
        dear = stack.enter_context(FakeOpenAI({"strong": answering(STRONG_TEXT)}))
        switchpoint = stack.enter_context(Switchpoint.of(configuration(cheap, dear, folder, heartbeat_s)))
        url = stack.enter_context(serving(switchpoint.app()))
        client = stack.enter_context(openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0))
        http = stack.enter_context(httpx2.Client(base_url=url))
        yield Served(cheap, dear, switchpoint, client, http)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with running(tmp_path_factory.mktemp("cascades"), heartbeat_s=10.0) as served:
        yield served


@pytest.fixture
def served(shared: Served) -> Served:
    """The gateway, with nothing remembered of other tests."""
    for upstream in (shared.cheap, shared.dear):
        upstream.requests.clear()
        upstream.disconnected.clear()
    return shared


@pytest.fixture
def beating(tmp_path: Path) -> Iterator[Served]:
    with running(tmp_path, heartbeat_s=HEARTBEAT_S) as served:
        yield served


@pytest.mark.parametrize("kind", ["sure", "gate"])
def test_a_whole_answer_that_the_model_is_sure_of_never_reaches_the_other_upstream(served: Served, kind: str):
    answer, record = served.ask(f"{kind}-certain")

    assert (answer.model, answer.choices[0].message.content) == ("certain", "Surely it is 4")
    assert record.accept_reason == "verified"
    assert (len(served.cheap.requests), len(served.dear.requests)) == (1, 0)


@pytest.mark.parametrize("kind", ["sure", "gate"])
def test_a_whole_answer_that_the_model_doubts_is_replaced_by_the_other_upstreams(served: Served, kind: str):
    answer, record = served.ask(f"{kind}-doubtful")

    assert (answer.model, answer.choices[0].message.content) == ("strong", STRONG_TEXT)
    assert [attempt.decision.reason for attempt in record.attempts] == ["first_of_cascade", "escalated"]
    assert record.attempts[0].verdicts[0].score == pytest.approx(0.0498, abs=1e-4)  # e^-3


@pytest.mark.parametrize("route", ["sure-doubtful", "gate-doubtful", "gate-doubtful-without-end", "differ"])
def test_a_stream_holds_the_strong_answer_and_nothing_of_what_was_left(served: Served, route: str):
    chunks, record = served.stream(route)

    assert told(chunks) == STRONG_TEXT
    assert {chunk.model for chunk in chunks} == {"strong"}
    assert record.attempts[-1].committed and not record.attempts[0].committed


def test_log_probabilities_are_asked_for_where_they_are_read(served: Served):
    served.ask("sure-doubtful")

    assert served.cheap.requests[0].body["logprobs"] is True
    assert "logprobs" not in served.dear.requests[0].body


def test_a_beginning_that_will_do_reaches_the_caller_while_the_rest_is_not_yet_written(served: Served):
    stream = served.client.chat.completions.create(model="gate-certain-without-end", messages=[USER], stream=True)

    first = [next(stream).choices[0].delta.content for _ in range(2)]
    stream.close()

    assert first == ["Surely", " it"]
    assert served.cheap.disconnected.wait(1.0)
    assert served.dear.requests == []


def test_a_beginning_that_will_not_do_ends_its_call_and_the_record_says_so(served: Served):
    _, record = served.stream("gate-doubtful-without-end")

    assert served.cheap.disconnected.wait(1.0)
    assert [attempt.partial for attempt in record.attempts] == [True, False]
    assert record.attempts[1].decision.reason == "switched"
    assert record.attempts[0].answer is not None and record.attempts[0].failure is None


def test_two_that_agree_spare_the_other_upstream(served: Served):
    answer, record = served.ask("agree")

    assert answer.choices[0].message.content == "I would say 4"
    assert record.accept_reason == "2 of 2 answers agree"
    assert served.dear.requests == []


def test_the_headers_of_a_stream_name_who_answered_and_why(served: Served):
    body = {"model": "sure-doubtful", "messages": [USER], "stream": True}
    response = served.http.post("/v1/chat/completions", json=body)

    names = ("route", "router", "model", "reason")
    assert [response.headers[f"x-switchpoint-{name}"] for name in names] == [
        "sure-doubtful",
        "sure-doubtful",
        "strong",
        "escalated",
    ]


def test_the_bill_in_the_header_is_of_every_call(served: Served):
    response = served.http.post("/v1/chat/completions", json={"model": "differ", "messages": [USER]})

    record = served.record(response.headers["x-switchpoint-record"])
    calls = [attempt.cost_usd for attempt in record.attempts]
    assert len(calls) == 3
    assert Decimal(response.headers["x-switchpoint-cost-usd"]) == sum(calls, Decimal(0)) > 0


def test_the_story_of_a_stream_tells_the_beginning_that_was_left_with_its_verdict(served: Served):
    chunks, _ = served.stream("gate-doubtful", extra_body={"switchpoint": {"explain": True}})

    left, given = chunks[-1].switchpoint["attempts"]
    assert (left["partial"], left["verdicts"][0]["verifier"]) == (True, "confidence")
    assert (given["partial"], given["verdicts"]) == (False, [])


def test_a_tool_call_that_the_request_does_not_allow_is_held_and_left(served: Served):
    chunks, record = served.stream("held-tools", tools=[WEATHER])

    assert (called(chunks), told(chunks)) == ([], STRONG_TEXT)
    assert record.attempts[0].verdicts[0].score == 0.0
    assert not record.attempts[0].partial  # it was held to its end


def test_a_tool_call_that_is_valid_streams_once_it_is_whole(served: Served):
    chunks, record = served.stream("held-tools", tools=[CLOCK])

    assert called(chunks) == [TOOL_CALL["function"]["name"]]
    assert (record.answered_by, record.accept_reason) == ("tools", "verified")


def test_a_form_that_is_asked_for_is_judged_whole(served: Served):
    _, record = served.stream("gate-doubtful", response_format={"type": "json_object"})

    assert [attempt.partial for attempt in record.attempts] == [False, False]


def test_while_a_draft_is_held_the_stream_beats(beating: Served):
    body = {"model": "sure-doubtful-and-slow", "messages": [USER], "stream": True}
    blocks = [block for block in beating.http.post("/v1/chat/completions", json=body).text.split("\n\n") if block]

    events = [json.loads(block.removeprefix("data: ")) for block in blocks if block.startswith("data: {")]
    assert blocks[:2] == [PULSE, PULSE]
    assert "".join(event["choices"][0]["delta"].get("content") or "" for event in events) == STRONG_TEXT


def test_a_caller_who_leaves_while_a_draft_is_held_ends_its_call(beating: Served):
    body = {"model": "sure-doubtful-without-end", "messages": [USER], "stream": True}
    with beating.http.stream("POST", "/v1/chat/completions", json=body) as response:
        assert next(response.iter_lines()) == PULSE

    assert beating.cheap.disconnected.wait(1.0)
    assert beating.dear.requests == []
