"""AnyLLM: the vendors that a library knows and we do not (`any-llm-sdk`), each over its own client.

The library brings and keeps the clients; nothing of it is patched. What its clients do about proxies, redirections and
connections is theirs, so use a kind of ours wherever there is one.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from switchpoint.core.attempt import Answer, Chunk
from switchpoint.core.errors import ConfigError, RequestError, UpstreamError, UpstreamUnreachable
from switchpoint.core.model import Model
from switchpoint.core.query import Query
from switchpoint.dialects.dialect import Json
from switchpoint.upstreams.failures import Failures
from switchpoint.upstreams.openai_compatible import body_of
from switchpoint.upstreams.reading import read_answer, read_chunk

T = TypeVar("T")

UNCARRIED = "UnsupportedParameterError"
NO_KEY = "MissingApiKeyError"
"""Errors that the library raises before it calls anybody."""


class AnyLLM:
    """Calls `provider` as the library does.

    provider : its name in the library, such as `bedrock`, `mistral` or `watsonx`.
    base_url : where it is called; None is the library's own address of it.
    first_byte_timeout_s : of a stream: until its first piece. idle_timeout_s : between two. total_timeout_s : of every
        call. The library tries nothing again: retrying is not the matter of an upstream.

    Raises ConfigError without the library, for a provider that it does not know, and for what its client refuses.
    """

    def __init__(
        self,
        name: str,
        provider: str,
        api_key: str | None = None,
        base_url: str | None = None,
        first_byte_timeout_s: float = 60.0,
        idle_timeout_s: float = 30.0,
        total_timeout_s: float = 600.0,
    ) -> None:
        self.name = name
        self._failures = Failures(name, secrets=((api_key or "").strip(),))
        self._first_byte_s, self._idle_s, self._total_s = first_byte_timeout_s, idle_timeout_s, total_timeout_s
        self._client = _client(name, provider, api_key, base_url)

    async def complete(self, model: Model, query: Query) -> Answer:
        """Return the whole answer; raises UpstreamError."""
        call = self._client.acompletion(**_asked(model, query, stream=False))
        answer = await self._wait(call, "total", self._total_s, self._end())
        return read_answer(_written(answer), self._failures)

    async def stream(self, model: Model, query: Query) -> AsyncGenerator[Chunk, None]:
        """Yield the answer as it comes; raises as `complete` does, also in the middle. Closing it ends the call."""
        end, finished = self._end(), False
        stage, limit_s = "first byte", self._first_byte_s
        call = self._client.acompletion(**_asked(model, query, stream=True))
        pieces = await self._wait(call, stage, limit_s, end)
        try:
            while True:
                piece = await self._wait(_next(pieces), stage, limit_s, end)
                if piece is None:
                    break
                chunk = read_chunk(_written(piece), self._failures)
                stage, limit_s, finished = "idle", self._idle_s, finished or chunk.finish_reason is not None
                yield chunk
        finally:
            await _close(pieces)
        if not finished:
            raise self._failures.broken("ended its stream without a finish reason.")

    async def close(self) -> None:
        """Release the connections; the library leaves that to the vendor's client inside its own."""
        await _close(getattr(self._client, "client", None))

    def _end(self) -> float:
        return asyncio.get_running_loop().time() + self._total_s

    async def _wait(self, what: Awaitable[T], stage: str, limit_s: float, end: float) -> T:
        at = asyncio.get_running_loop().time() + limit_s
        if end <= at:
            at, stage, limit_s = end, "total", self._total_s
        try:
            async with asyncio.timeout_at(at):
                return await what
        except TimeoutError:
            raise self._failures.late(stage, limit_s) from None
        except UpstreamError:
            raise
        except Exception as error:
            raise self._error(error) from None

    def _error(self, error: Exception) -> UpstreamError | RequestError:
        """Make our error of one of the library's, or of a client's that the library let through."""
        status = getattr(error, "status_code", None)
        if isinstance(status, int):
            return self._failures.of_error({"message": str(error), "status": status})
        if type(error).__name__ == NO_KEY:
            return self._failures.of_error({"message": str(error), "status": 401})
        if type(error).__name__ == UNCARRIED or isinstance(error, TypeError | ValueError):
            return RequestError(str(self._failures.broken(f"cannot be sent this request: {error}")))
        cause = getattr(error, "original_exception", None) or error
        if "Connect" in type(cause).__name__ or isinstance(cause, OSError):
            return UpstreamUnreachable(str(self._failures.unreachable(cause)))
        return self._failures.of_error({"message": str(error)})


def _client(name: str, provider: str, api_key: str | None, base_url: str | None) -> Any:
    try:
        from any_llm import AnyLLM as Library
    except ImportError:
        raise ConfigError(f"upstream {name!r}: kind 'any_llm' needs the extra switchpoint[providers].") from None
    try:
        return Library.create(provider, api_key=api_key, api_base=base_url, unified_exceptions=True, max_retries=0)
    except ConfigError:
        raise
    except Exception as error:
        # Its type alone: a message may quote the key.
        what = f"the library cannot make a client of provider {provider!r} ({type(error).__name__})"
        raise ConfigError(f"upstream {name!r}: {what}. Check its name, its key and its own extra.") from None


def _asked(model: Model, query: Query, *, stream: bool) -> Json:
    """Return the arguments of the library's call: the request as an OpenAI-compatible server would get it."""
    asked: Mapping[str, Any] = json.loads(body_of(model, query, stream=stream))
    return {"reasoning_effort": None, **asked}


def _written(body: Any) -> bytes:
    written: str = body.model_dump_json(exclude_none=True)
    return written.encode()


async def _next(pieces: AsyncIterator[T]) -> T | None:
    try:
        return await anext(pieces)
    except StopAsyncIteration:
        return None


async def _close(closing: Any) -> None:
    close = getattr(closing, "aclose", None) or getattr(closing, "close", None)
    if close is not None:
        with suppress(Exception):
            result = close()
            if isinstance(result, Awaitable):
                await result
