import math

import pytest

from switchpoint.core.errors import ConfigError, RateLimited, UpstreamRefused
from switchpoint.core.model import Usage
from switchpoint.core.query import Query
from switchpoint.upstreams.fake import Fake, Reply
from tests.upstreams.conftest import QUERY, collect, named


async def texts(fake: Fake, model: str, calls: int) -> list[str]:
    return [(await fake.complete(named(model), QUERY)).text for _ in range(calls)]


async def test_each_model_has_its_own_turns_and_the_last_one_stays() -> None:
    fake = Fake({"mini": ["one", "two"], "big": ["three"]})

    assert await texts(fake, "mini", 3) == ["one", "two", "two"]
    assert await texts(fake, "big", 1) == ["three"]


async def test_an_exception_is_raised_at_its_turn() -> None:
    fake = Fake({"mini": [RateLimited("slow down", retry_after_s=2.0), "4"]})

    with pytest.raises(RateLimited):
        await fake.complete(named("mini"), QUERY)

    assert await texts(fake, "mini", 1) == ["4"]


async def test_a_function_may_say_each_turn() -> None:
    fake = Fake(lambda model, query: f"{model.upstream_model}: {query.text}")

    assert (await fake.complete(named("mini"), Query.of("hi"))).text == "mini: hi"


async def test_a_stream_breaks_off_after_the_text_that_was_scripted() -> None:
    fake = Fake({"mini": [Reply(text="Once upon a", error=RateLimited("enough"))]})
    given = []

    with pytest.raises(RateLimited):
        async for chunk in fake.stream(named("mini"), QUERY):
            given.append(chunk.text)

    assert "".join(given) == "Once upon a"


async def test_scripted_log_probabilities_come_whole_and_streamed() -> None:
    fake = Fake({"mini": [Reply(text="4", logprobs=(math.log(0.9), math.log(0.8)))]})

    answer = await fake.complete(named("mini"), QUERY)
    chunks = await collect(fake, named("mini"))

    assert answer.logprobs == (math.log(0.9), math.log(0.8))
    assert sum((chunk.logprobs for chunk in chunks), ()) == answer.logprobs


async def test_usage_is_a_token_for_every_four_bytes() -> None:
    preamble = ({"role": "system", "content": "x" * 40},)
    fake = Fake({"mini": ["12345"]})

    answer = await fake.complete(named("mini", preamble=preamble), Query.of("x" * 80))

    assert answer.usage == Usage(input_tokens=30, cached_input_tokens=0, output_tokens=2)


async def test_a_model_that_is_not_in_the_script_is_refused() -> None:
    fake = Fake({"mini": ["4"]})

    with pytest.raises(UpstreamRefused, match=r"no model 'minni'. Did you mean 'mini'\?"):
        await fake.complete(named("minni"), QUERY)


def test_a_model_without_turns_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="no turn for mini"):
        Fake({"mini": []})


async def test_it_remembers_its_calls() -> None:
    fake = Fake({"mini": ["4"]})
    await collect(fake, named("mini"))

    assert [(model.id, query.id) for model, query in fake.calls] == [("mini", QUERY.id)]
