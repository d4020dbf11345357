"""Sampling: draws `model.samples` answers for one call and returns the one that most of them agree on."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import replace

from switchpoint.core.attempt import Answer, Chunk, total
from switchpoint.core.conclusion import conclusion
from switchpoint.core.errors import SwitchpointError
from switchpoint.core.model import Model, Usage
from switchpoint.core.protocols import Upstream
from switchpoint.core.query import Query
from switchpoint.upstreams.wire import emit, usage_body


class Sampling:
    """An upstream around another: a model with one sample passes straight through.

    More samples run at the same time. The majority is over the `conclusion` of each text (those without one vote
    together), ties go to the earliest sample (self-consistency, Wang et al. 2022; differs: a rule instead of a parser
    for each task). The answer is the winning
    sample's, its usage the sum over all samples. A failed sample does not vote, and the usage is then unknown, since
    it may have been charged; only if all fail is the first failure raised. Samples differ only as far as the model's
    parameters let them: a temperature of 0 or a fixed seed draws the same answer again.
    """

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream

    async def complete(self, model: Model, query: Query) -> Answer:
        """Return the answer that most samples agree on; raises UpstreamError when every sample failed."""
        if model.samples == 1:
            return await self.upstream.complete(model, query)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._sample(model, query)) for _ in range(model.samples)]
        return agreed([task.result() for task in tasks])

    def stream(self, model: Model, query: Query) -> AsyncGenerator[Chunk, None]:
        """Yield the answer; with more than one sample nothing comes before all of them have."""
        return self.upstream.stream(model, query) if model.samples == 1 else self._stream_agreed(model, query)

    async def close(self) -> None:
        """Release the connections of the upstream inside."""
        await self.upstream.close()

    async def _stream_agreed(self, model: Model, query: Query) -> AsyncGenerator[Chunk, None]:
        async with aclosing(emit(await self.complete(model, query))) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _sample(self, model: Model, query: Query) -> Answer | SwitchpointError:
        try:
            return await self.upstream.complete(model, query)
        except SwitchpointError as error:
            return error


def agreed(samples: Sequence[Answer | SwitchpointError]) -> Answer:
    """Return the answer that most samples agree on, with the usage of all; raises the first error if all failed."""
    answers = [sample for sample in samples if isinstance(sample, Answer)]
    if not answers:
        raise next(sample for sample in samples if isinstance(sample, SwitchpointError))
    votes = Counter(conclusion(answer.text) for answer in answers)
    # Counter keeps the order of first votes, and max returns the first of equals: ties go to the earliest sample.
    winner = max(votes, key=votes.__getitem__)
    answer = next(answer for answer in answers if conclusion(answer.text) == winner)
    usage = summed(answer.usage for answer in answers) if len(answers) == len(samples) else None
    return replace(answer, usage=usage, body={**answer.body, "usage": usage_body(usage)})


def summed(usages: Iterable[Usage | None]) -> Usage | None:
    """Sum usages field by field; an unknown part makes its sum unknown."""
    found = list(usages)
    known = [usage for usage in found if usage is not None]
    if len(known) < len(found):
        return None
    return Usage(
        input_tokens=_sum(usage.input_tokens for usage in known),
        cached_input_tokens=_sum(usage.cached_input_tokens for usage in known),
        cache_write_input_tokens=_sum(usage.cache_write_input_tokens for usage in known),
        output_tokens=_sum(usage.output_tokens for usage in known),
        cost_usd=total(usage.cost_usd for usage in known),
    )


def _sum(counts: Iterable[int | None]) -> int | None:
    result = 0
    for count in counts:
        if count is None:
            return None
        result += count
    return result
