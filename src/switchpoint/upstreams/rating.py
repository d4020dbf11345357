"""Rater: asks a small model, before deciding, how much a query asks for. It finds out; it never decides."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple

from switchpoint.core.attempt import Answer, Failure, total
from switchpoint.core.errors import ConfigError, nearest
from switchpoint.core.model import Model
from switchpoint.core.protocols import Upstream
from switchpoint.core.query import Query, text_id
from switchpoint.core.rating import WAYS
from switchpoint.upstreams.rating_prompt import request_of
from switchpoint.upstreams.rating_reading import Rating, read_rating


class Rated(NamedTuple):
    """What became of asking; `rating` is None where the model did not say one, `cost_usd` where it is unknown."""

    rating: Rating | None
    cost_usd: Decimal | None


class Rater:
    """Adds `Query.signals[signal]`, the ease of a query in [0, 1], as `model` rates it; a preparation.

    way : what is asked, of `switchpoint.core.rating.WAYS`.
    time_box_s : how long the answer may take; a later one is no signal.
    cache_size : texts whose rating is remembered, the latest ones; a text that is remembered costs nothing.
    clock : seconds, for models that are paid by time.

    Only words of the way's closed set count, weighted by their log-probabilities where the model gives them; whatever
    the text makes the model say, the signal is one of those words' ease, or a mean of them, or absent. The probability
    that all words of the set had together is added as `signal + ":mass"`. A call that failed is not remembered.

    Raises ConfigError for an unknown way, or a time-box or cache that is not positive.
    """

    def __init__(
        self,
        model: Model,
        upstream: Upstream,
        way: str = "difficulty",
        *,
        time_box_s: float = 2.0,
        cache_size: int = 10_000,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if way not in WAYS:
            raise ConfigError(f"way: no way to rate is called {way!r}.{nearest(way, WAYS)} Known: {', '.join(WAYS)}.")
        if not time_box_s > 0 or cache_size < 1:
            raise ConfigError(f"time_box_s and cache_size must be above 0. Got {time_box_s!r} and {cache_size!r}.")
        self.signal = signal_of(model.id, way)
        self._model = replace(model, preamble=(), samples=1)
        self._upstream = upstream
        self._way = way
        self._time_box_s = time_box_s
        self._cache: OrderedDict[str, Rating | None] = OrderedDict()
        self._cache_size = cache_size
        self._clock = clock

    async def __call__(self, query: Query) -> Query:
        """Return the query with the signal, or without it where there is none; never raises."""
        if self.signal in query.signals or not query.text.strip():
            return query
        rated = await self.rate(query)
        return replace(
            query,
            signals=query.signals if rated.rating is None else {**query.signals, **self._signals(rated.rating)},
            preparation_usd=total((query.preparation_usd, rated.cost_usd)),
        )

    async def rate(self, query: Query) -> Rated:
        """Rate a query, from memory where its text was rated before; never raises."""
        key = text_id(query.text)
        if key in self._cache:
            self._cache.move_to_end(key)
            return Rated(self._cache[key], Decimal(0))
        before = self._clock()
        try:
            async with asyncio.timeout(self._time_box_s):
                answer = await self._ask(query)
        except Exception as error:
            return Rated(None, None if Failure.of(error).billed else Decimal(0))
        rating = read_rating(answer, self._way)
        self._remember(key, rating)
        return Rated(rating, self._model.cost_usd(answer.usage, self._clock() - before))

    async def _ask(self, query: Query) -> Answer:
        asked = request_of(query, self._way, self._model.can)
        # The model's own parameters would win over the request's; here the closed set of answers depends on these.
        model = replace(self._model, parameters={**self._model.parameters, **asked.parameters})
        return await self._upstream.complete(model, asked)

    def _remember(self, key: str, rating: Rating | None) -> None:
        self._cache[key] = rating
        if len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)

    def _signals(self, rating: Rating) -> Mapping[str, float]:
        mass = {} if rating.mass is None else {f"{self.signal}:mass": rating.mass}
        return {self.signal: rating.ease, **mass}


def signal_of(model: str, way: str) -> str:
    """Return the name of the signal: two models, or two questions, are two instruments."""
    return f"ease:{way}:{model}"
