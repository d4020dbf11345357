"""The cache gives an answer again to exactly the same request, and to no other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.errors import UpstreamError, UpstreamTimeout
from switchpoint.core.model import Model, Usage
from switchpoint.core.query import Query
from switchpoint.stores.memory import Memory
from switchpoint.upstreams.cached import Cached, key
from switchpoint.upstreams.fake import Fake, Reply, Turn
from switchpoint.upstreams.wire import text_answer

MINI = Model(id="mini", upstream="acme", upstream_model="mini-1")
ASKED = Query(
    id="1",
    messages=({"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is 2 + 2?"}),
    parameters={"temperature": 0, "max_tokens": 50},
    tags={"tenant": "acme", "route": "auto"},
)
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
CALL = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": "{}"}}


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def numbered() -> Fake:
    """Answer every call differently, so that an answer tells which call it comes from."""
    said: list[int] = []

    def script(model: Model, query: Query) -> Turn:
        said.append(1)
        return f"answer {len(said)}"

    return Fake(script)


def cached(upstream: Fake | None = None, **options: Any) -> Cached:
    return Cached(upstream or numbered(), Memory(), **{"ttl_s": 60.0, **options})


async def texts(upstream: Cached, *queries: Query, model: Model = MINI) -> list[str]:
    return [(await upstream.complete(model, query)).text for query in queries]


async def streamed(upstream: Cached, query: Query = ASKED) -> list[Any]:
    return [chunk async for chunk in upstream.stream(MINI, query)]


async def hits(upstream: Cached, query: Query = ASKED) -> int:
    """Stream the request twice, and count the chunks that were kept."""
    return sum(chunk.cached for chunk in [*await streamed(upstream, query), *await streamed(upstream, query)])


async def test_the_same_request_is_answered_again_without_a_call():
    upstream = cached()

    assert await texts(upstream, ASKED, replace(ASKED, id="2")) == ["answer 1", "answer 1"]
    assert len(upstream.upstream.calls) == 1


async def test_an_answer_that_was_kept_costs_nothing_and_says_so():
    upstream = cached()

    first, again = await upstream.complete(MINI, ASKED), await upstream.complete(MINI, ASKED)

    assert (first.cached, again.cached) == (False, True)
    assert again.usage == replace(first.usage, cost_usd=Decimal(0))
    assert again.body == first.body


async def test_what_costs_nothing_costs_nothing_at_any_price():
    dear = replace(MINI, input_usd_per_mtok=Decimal(5), output_usd_per_mtok=Decimal(20))
    upstream = cached()
    await upstream.complete(dear, ASKED)

    assert dear.cost_usd((await upstream.complete(dear, ASKED)).usage) == 0


async def test_a_stream_is_given_again_byte_for_byte():
    upstream = cached()

    first, again = await streamed(upstream), await streamed(upstream)

    assert [chunk.data for chunk in again] == [chunk.data for chunk in first]
    assert [chunk.text for chunk in again] == [chunk.text for chunk in first]
    assert all(chunk.cached for chunk in again)
    assert not any(chunk.cached for chunk in first)


async def test_an_answer_is_forgotten_after_its_time():
    now = [0.0]
    upstream = Cached(numbered(), Memory(clock=lambda: now[0]), ttl_s=10)

    before = await texts(upstream, ASKED, ASKED)
    now[0] = 10.0

    assert [*before, *await texts(upstream, ASKED)] == ["answer 1", "answer 1", "answer 2"]


def neighbours() -> Mapping[str, tuple[Model, Query]]:
    """Requests that differ from each other in one small thing."""
    system, question = ASKED.messages
    queries: dict[str, Query] = {
        "itself": ASKED,
        "tenant": replace(ASKED, tags={"tenant": "acmf", "route": "auto"}),
        "no tenant": replace(ASKED, tags={"route": "auto"}),
        "tenant and route, cut elsewhere": replace(ASKED, tags={"tenant": "acmeauto", "route": ""}),
        "route": replace(ASKED, tags={"tenant": "acme", "route": "auto2"}),
        "setting of a route": replace(ASKED, tags={"tenant": "acme", "route": "auto:quality=0.9"}),
        "system prompt": replace(ASKED, messages=({"role": "system", "content": "Be brief. "}, question)),
        "no system prompt": replace(ASKED, messages=(question,)),
        "developer": replace(ASKED, messages=({**system, "role": "developer"}, question)),
        "space": replace(ASKED, messages=(system, user("What is 2 +  2?"))),
        "case": replace(ASKED, messages=(system, user("what is 2 + 2?"))),
        "minus": replace(ASKED, messages=(system, user("What is 2 - 2?"))),
        "accent": replace(ASKED, messages=(system, user("What is 2 + 2\u037e"))),
        "parts": replace(ASKED, messages=(system, {"role": "user", "content": [{"type": "text", "text": "What is"}]})),
        "name": replace(ASKED, messages=(system, {**question, "name": "ann"})),
        "one more": replace(ASKED, messages=(*ASKED.messages, {"role": "assistant", "content": "4"}, user("Sure?"))),
        "joined": replace(ASKED, messages=(user("Be brief.What is 2 + 2?"),)),
        "fewer tokens": replace(ASKED, parameters={"temperature": 0, "max_tokens": 5}),
        "text for a number": replace(ASKED, parameters={"temperature": 0, "max_tokens": "50"}),
        "seed": replace(ASKED, parameters={**ASKED.parameters, "seed": 1}),
        "another seed": replace(ASKED, parameters={**ASKED.parameters, "seed": 2}),
        "null": replace(ASKED, parameters={**ASKED.parameters, "seed": None}),
        "tools": replace(ASKED, parameters={**ASKED.parameters, "tools": [TOOL]}),
        "two tools": replace(ASKED, parameters={**ASKED.parameters, "tools": [TOOL, TOOL]}),
        "order of a schema": replace(ASKED, parameters={**ASKED.parameters, "tools": [dict(reversed(TOOL.items()))]}),
        "form": replace(ASKED, parameters={**ASKED.parameters, "response_format": {"type": "json_object"}}),
        "unknown field": replace(ASKED, parameters={**ASKED.parameters, "x-vendor": True}),
    }
    models = {
        "model": replace(MINI, id="mini2"),
        "upstream": replace(MINI, upstream="acme2"),
        "upstream's model": replace(MINI, upstream_model="mini-2"),
        "model's parameters": replace(MINI, parameters={"reasoning_effort": "high"}),
        "preamble": replace(MINI, preamble=(user("Example"),)),
        "samples": replace(MINI, samples=5),
    }
    return {
        **{name: (MINI, query) for name, query in queries.items()},
        **{name: (model, ASKED) for name, model in models.items()},
    }


@pytest.mark.parametrize("stream", [True, False])
def test_near_duplicates_have_different_keys(stream: bool):
    keys = {name: key(*request, stream=stream) for name, request in neighbours().items()}

    assert [pair for pair in combinations(keys, 2) if keys[pair[0]] == keys[pair[1]]] == []


def test_a_stream_is_not_a_whole_answer():
    assert key(MINI, ASKED, stream=True) != key(MINI, ASKED, stream=False)


async def test_near_duplicates_never_hit():
    upstream = cached()

    answers = [await upstream.complete(model, query) for model, query in neighbours().values()]

    assert not any(answer.cached for answer in answers)
    assert len({answer.text for answer in answers}) == len(neighbours())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
parameters = st.dictionaries(st.text(max_size=3), json_values, max_size=4)


def typed(value: Any) -> Any:
    """Tell True from 1, which Python does not."""
    if isinstance(value, dict):
        return [(name, typed(inner)) for name, inner in value.items()]
    return [typed(inner) for inner in value] if isinstance(value, list) else (type(value).__name__, value)


@given(parameters, parameters)
def test_keys_are_equal_exactly_where_parameters_are(one: dict[str, Any], other: dict[str, Any]):
    first, second = (key(MINI, replace(ASKED, parameters=p), stream=False) for p in (one, other))

    assert (first == second) == (typed(dict(sorted(one.items()))) == typed(dict(sorted(other.items()))))


@given(parameters)
def test_the_order_of_parameters_does_not_matter(given_: dict[str, Any]):
    turned = dict(reversed(given_.items()))

    assert len({key(MINI, replace(ASKED, parameters=p), stream=True) for p in (given_, turned)}) == 1


UNCACHED = {
    "sampled": replace(ASKED, parameters={"temperature": 0.1}),
    "sampled by default": replace(ASKED, parameters={}),
    "true is no temperature": replace(ASKED, parameters={"temperature": False}),
    "several": replace(ASKED, parameters={"temperature": 0, "n": 2}),
    "off": replace(ASKED, tags={**ASKED.tags, "cache": "off"}),
    "tool's result": replace(ASKED, messages=(*ASKED.messages, {"role": "tool", "tool_call_id": "c", "content": "4"})),
    "tool's call": replace(ASKED, messages=(*ASKED.messages, {"role": "assistant", "tool_calls": [CALL]})),
    "not JSON": replace(ASKED, parameters={"temperature": 0, "x": object()}),
}


@pytest.mark.parametrize("name", UNCACHED)
async def test_what_may_not_be_cached_is_called_every_time(name: str):
    upstream = cached()

    assert await texts(upstream, UNCACHED[name], UNCACHED[name]) == ["answer 1", "answer 2"]
    assert await hits(upstream, UNCACHED[name]) == 0


async def test_answers_drawn_at_random_are_kept_where_the_configuration_says_so():
    upstream = cached(sampled=True)

    assert await texts(upstream, UNCACHED["sampled"], UNCACHED["sampled"]) == ["answer 1", "answer 1"]


async def test_the_models_own_temperature_is_the_one_that_counts():
    warm = replace(MINI, parameters={"temperature": 1.0})

    assert await texts(cached(), ASKED, ASKED, model=warm) == ["answer 1", "answer 2"]


@pytest.mark.parametrize("options", [{"routes": ["other"]}, {"models": ["maxi"]}])
async def test_other_routes_and_models_are_not_cached(options: dict[str, Any]):
    assert await texts(cached(**options), ASKED, ASKED) == ["answer 1", "answer 2"]


@pytest.mark.parametrize("options", [{"routes": ["auto"]}, {"models": ["mini"]}])
async def test_routes_and_models_that_are_named_are_cached(options: dict[str, Any]):
    assert await texts(cached(**options), ASKED, ASKED) == ["answer 1", "answer 1"]


@pytest.mark.parametrize("reason", ["length", "content_filter", "tool_calls"])
async def test_an_answer_that_did_not_come_to_its_end_is_not_kept(reason: str):
    upstream = cached(Fake({"mini-1": [Reply(text="half", finish_reason=reason), "whole"]}))

    assert await texts(upstream, ASKED, ASKED) == ["half", "whole"]


@pytest.mark.parametrize("reason", ["length", "content_filter", "tool_calls"])
async def test_a_stream_that_did_not_come_to_its_end_is_not_kept(reason: str):
    upstream = cached(Fake({"mini-1": [Reply(text="half", finish_reason=reason), "whole"]}))

    found = [await streamed(upstream) for _ in range(2)]

    assert ["".join(chunk.text for chunk in chunks) for chunks in found] == ["half", "whole"]


async def test_a_failure_is_not_kept():
    upstream = cached(Fake({"mini-1": [UpstreamTimeout("slow"), "quick"]}))
    with pytest.raises(UpstreamTimeout):
        await upstream.complete(MINI, ASKED)

    assert await texts(upstream, ASKED) == ["quick"]


async def test_a_stream_that_breaks_off_is_not_kept():
    upstream = cached(Fake({"mini-1": [Reply(text="ha", error=UpstreamTimeout("slow")), "whole"]}))
    with pytest.raises(UpstreamError):
        await streamed(upstream)

    assert "".join(chunk.text for chunk in await streamed(upstream)) == "whole"


async def test_a_stream_that_is_left_is_not_kept():
    upstream = cached()
    left = upstream.stream(MINI, ASKED)
    await anext(left)
    await left.aclose()

    assert not any(chunk.cached for chunk in await streamed(upstream))


class CallsTool(Fake):
    """Calls a tool, and says that it stopped, as some servers do."""

    async def complete(self, model: Model, query: Query) -> Any:
        self.calls.append((model, query))
        answer = text_answer("", model="mini", usage=Usage())
        answer.body["choices"][0]["message"]["tool_calls"] = [CALL]
        return answer

    async def stream(self, model: Model, query: Query) -> Any:
        from switchpoint.upstreams.wire import emit

        async for chunk in emit(await self.complete(model, query)):
            yield chunk


async def test_an_answer_that_calls_a_tool_is_not_kept():
    upstream = cached(CallsTool({"mini-1": ["never"]}))

    await texts(upstream, ASKED, ASKED)
    assert await hits(upstream) == 0
    assert len(upstream.upstream.calls) == 4


class Damaged(Memory):
    """Holds something else under every key."""

    async def get(self, key: str) -> bytes | None:
        return b"\x93not an answer"


async def test_what_cannot_be_read_is_as_if_it_were_not_there():
    upstream = Cached(numbered(), Damaged(), ttl_s=60)

    assert await texts(upstream, ASKED, ASKED) == ["answer 1", "answer 2"]
    assert await hits(upstream) == 0


async def test_the_connections_inside_are_closed():
    closed = []

    class Closing(Fake):
        async def close(self) -> None:
            closed.append(True)

    await cached(Closing({"mini-1": ["x"]})).close()

    assert closed == [True]
