"""Embeddings: vectors of texts from any server that speaks OpenAI's embeddings; they travel in `Query.vector`.

Deciding calls nobody, so the vector is made before it: by `Embeddings` as a preparation for each query, by `fill` for
many at once, as for training. `RemoteEmbedder` (`estimators/embedders.py`) reads it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from decimal import Decimal
from typing import Any, NamedTuple

import aiohttp
import msgspec
import numpy as np
from multidict import CIMultiDict

from switchpoint.core.attempt import Failure, total
from switchpoint.core.errors import ConfigError, UpstreamError
from switchpoint.core.model import MILLION, Usage
from switchpoint.core.query import FloatArray, Query
from switchpoint.upstreams.failures import Failures
from switchpoint.upstreams.http import below, checked_key, checked_url
from switchpoint.upstreams.reading import Count
from switchpoint.upstreams.watch import Limits, Watch, read_body


class Embedded(NamedTuple):
    """Vectors, shape (n_texts, dim), float32, as the server gave them; and what they cost, None is unknown."""

    vectors: FloatArray
    cost_usd: Decimal | None


class Forwarded(NamedTuple):
    """A caller's own answer: its fields as the server sent them, what was used, and what it cost; None is unknown."""

    fields: dict[str, msgspec.Raw]
    usage: Usage
    cost_usd: Decimal | None


class _Usage(msgspec.Struct):
    prompt_tokens: Count | None = None
    total_tokens: Count | None = None


class _Vector(msgspec.Struct):
    index: int
    embedding: list[float]


class _Body(msgspec.Struct):
    data: list[_Vector] = []
    usage: Any = None
    error: Any = None


_BODY = msgspec.json.Decoder(_Body)
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Embeddings:
    """Calls `base_url`/embeddings; adds `Query.vector` to a query, as a preparation.

    name : of this upstream, in messages; model : the embedding model's name there; dim : the length of its vectors.
    shorten : ask the server for `dim` numbers, for models that can give fewer than they have.
    usd_per_mtok : price of the input; None is unknown.
    batch : texts in one call; more are sent in several, one after the other.
    time_box_s : how long one call may take, its connection included.

    Nothing is tried again: an error says whether that would help (`retryable`, `retry_after_s`). Redirections, cookies
    and proxies as in `OpenAICompatible`. Raises ConfigError for a base_url, key, dim, batch or time-box of no use.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        model: str,
        dim: int,
        *,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        shorten: bool = False,
        usd_per_mtok: Decimal | None = None,
        batch: int = 128,
        time_box_s: float = 10.0,
    ) -> None:
        if dim < 1 or batch < 1 or not time_box_s > 0:
            raise ConfigError(
                f"embeddings {name!r}: dim and batch must be at least 1, time_box_s above 0. "
                f"Got {dim!r}, {batch!r} and {time_box_s!r}."
            )
        self._url = below(checked_url(name, base_url), "embeddings")
        self._headers = CIMultiDict({"Content-Type": "application/json", "User-Agent": "switchpoint"})
        if api_key is not None:
            self._headers["Authorization"] = f"Bearer {checked_key(name, api_key)}"
        self._headers.update(headers or {})
        self._failures = Failures(name, secrets=((api_key or "").strip(), *(headers or {}).values()))
        self._limits = Limits(connect_s=time_box_s, total_s=time_box_s)
        self._fixed = {"model": model, "encoding_format": "float", **({"dimensions": dim} if shorten else {})}
        self.name, self.model, self.dim = name, model, dim
        self._usd_per_mtok, self._batch = usd_per_mtok, batch
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __call__(self, query: Query) -> Query:
        """Return the query with its vector, or without one where the call failed; never raises.

        A query that has a vector keeps it, and costs nothing.
        """
        if query.vector is not None:
            return query
        try:
            vectors, cost_usd = await self.embed([query.text])
        except Exception as error:
            cost_usd = None if Failure.of(error).billed else Decimal(0)
            return replace(query, preparation_usd=total((query.preparation_usd, cost_usd)))
        return replace(query, vector=vectors[0], preparation_usd=total((query.preparation_usd, cost_usd)))

    async def fill(self, queries: Sequence[Query]) -> tuple[Query, ...]:
        """Return many queries with their vectors, in few calls; raises UpstreamError."""
        vectors, _ = await self.embed([query.text for query in queries])
        return tuple(replace(query, vector=vector) for query, vector in zip(queries, vectors, strict=True))

    async def embed(self, texts: Sequence[str]) -> Embedded:
        """Embed texts, in their order; a text without any word is a zero row, because servers refuse it.

        Raises UpstreamError, BadAnswer where the answer lacks a vector or one is not `dim` finite numbers long.
        """
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        spoken = [row for row, text in enumerate(texts) if text.strip()]
        costs: list[Decimal | None] = []
        for start in range(0, len(spoken), self._batch):
            rows = spoken[start : start + self._batch]
            vectors[rows], cost_usd = await self._call([texts[row] for row in rows])
            costs.append(cost_usd)
        return Embedded(vectors, total(costs))

    async def forward(self, fields: Mapping[str, msgspec.Raw]) -> Forwarded:
        """Send a caller's request with our name of the model, every other field as it came; raises UpstreamError."""
        model = msgspec.Raw(msgspec.json.encode(self.model))
        data = await self._post(msgspec.json.encode({**fields, "model": model}))
        try:
            found = _FIELDS.decode(data)
        except (ValueError, RecursionError):
            raise self._failures.broken("answered with something that is not a JSON object.") from None
        told = {name: msgspec.json.decode(found[name]) for name in ("error", "usage") if name in found}
        if told.get("error") is not None:
            raise self._failures.of_error(told["error"])
        if "data" not in found:
            raise self._failures.broken("answered without any data.")
        usage = told.get("usage")
        return Forwarded(found, Usage(input_tokens=self._tokens(usage), output_tokens=0), self._cost_usd(usage))

    def expected_usd(self, input_tokens: int) -> float | None:
        """Return what a request of so many tokens is expected to cost; None where the price is unknown."""
        return None if self._usd_per_mtok is None else float(input_tokens * self._usd_per_mtok / MILLION)

    async def close(self) -> None:
        """Close every connection; a later call opens new ones."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _call(self, texts: Sequence[str]) -> Embedded:
        # Half of a surrogate pair cannot be sent; it becomes a question mark.
        clean = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        body = self._read(await self._post(msgspec.json.encode({**self._fixed, "input": clean})))
        by_index = {each.index: each.embedding for each in body.data}
        if sorted(by_index) != list(range(len(texts))) or len(body.data) != len(texts):
            raise self._failures.broken(f"was sent {len(texts)} texts and answered with {len(body.data)} vectors.")
        found = [by_index[index] for index in range(len(texts))]
        if wrong := {len(each) for each in found} - {self.dim}:
            raise self._failures.broken(
                f"answered with vectors of {min(wrong)} numbers; {self.model!r} is set to {self.dim}. Correct its dim."
            )
        with np.errstate(over="ignore"):
            vectors = np.array(found, dtype=np.float32)
        if not np.isfinite(vectors).all():
            raise self._failures.broken("answered with numbers that are too large.")
        return Embedded(vectors, self._cost_usd(body.usage))

    async def _post(self, body: bytes) -> bytes:
        with closing(Watch(self._failures, self._limits)) as watch:
            sent = self._client().post(self._url, data=body, headers=self._headers, allow_redirects=False)
            response = await watch.wait(sent, self._failures.unreachable)
            try:
                if 200 <= response.status < 300:
                    return await watch.wait(read_body(response, self._failures), self._failures.cut)
                said = b""
                with suppress(UpstreamError):  # the status says enough, even where the rest of the answer is lost
                    said = await watch.wait(read_body(response, self._failures), self._failures.cut)
                raise self._failures.of_status(response.status, response.headers, said)
            finally:
                response.close()

    def _read(self, data: bytes) -> _Body:
        try:
            body = _BODY.decode(data)
        except msgspec.ValidationError as error:
            raise self._failures.broken(f"answered in a shape that is not OpenAI's ({error}).") from None
        except (ValueError, RecursionError):
            raise self._failures.broken("answered with something that is not JSON.") from None
        if body.error is not None:
            raise self._failures.of_error(body.error)
        return body

    def _cost_usd(self, raw: Any) -> Decimal | None:
        tokens = self._tokens(raw)
        return None if tokens is None or self._usd_per_mtok is None else tokens * self._usd_per_mtok / MILLION

    @staticmethod
    def _tokens(raw: Any) -> int | None:
        try:
            usage = msgspec.convert(raw, _Usage)
        except msgspec.ValidationError:
            return None
        return usage.prompt_tokens if usage.prompt_tokens is not None else usage.total_tokens

    def _client(self) -> aiohttp.ClientSession:
        """Return the session, made at the first call; connections belong to the event loop they were made in."""
        loop = asyncio.get_running_loop()
        if self._session is None or self._loop is not loop:
            self._loop = loop
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, connect=self._limits.connect_s),
            )
        return self._session
