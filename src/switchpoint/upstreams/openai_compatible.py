"""OpenAICompatible: any server that speaks OpenAI's chat completions, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from switchpoint.core.attempt import Answer, Chunk
from switchpoint.core.errors import ConfigError, UpstreamError
from switchpoint.core.model import Model
from switchpoint.core.query import Query
from switchpoint.upstreams import wire
from switchpoint.upstreams.failures import Failures
from switchpoint.upstreams.reading import read_answer, read_chunk, read_error
from switchpoint.upstreams.sse import DONE, Events
from switchpoint.upstreams.watch import Limits, Watch

DRAIN_S = 0.1
"""How long to wait for the end of a body after [DONE], so that its connection can be used again."""


class OpenAICompatible:
    """Calls `base_url`/chat/completions.

    base_url : up to and including the version, such as `https://api.openai.com/v1`.
    api_key : sent as `Authorization: Bearer`; None sends none. Never part of a message or of the repr.
    headers : sent with every call; they win over the ones set here.
    connect_timeout_s : from the call until the connection stands, TLS included.
    first_byte_timeout_s : of a stream: from the call until the first byte of its body.
    idle_timeout_s : of a stream: between two reads that bring bytes; comments sent as heartbeats count.
    total_timeout_s : of every call, from its start to the end of the answer. A whole answer is silent until it is
        ready, so this is the only limit on `complete` once connected.

    Redirections are not followed, cookies not kept, proxy variables of the environment not read. Raises ConfigError for
    a base_url that is not http(s), or a key that no header can hold.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        connect_timeout_s: float = 5.0,
        first_byte_timeout_s: float = 60.0,
        idle_timeout_s: float = 30.0,
        total_timeout_s: float = 600.0,
    ) -> None:
        self.name = name
        self._url = _chat_url(name, base_url)
        self._headers = CIMultiDict({"Content-Type": "application/json", "User-Agent": "switchpoint"})
        if api_key is not None:
            self._headers["Authorization"] = f"Bearer {_checked_key(name, api_key)}"
        self._headers.update(headers or {})
        self._failures = Failures(name, secrets=((api_key or "").strip(), *(headers or {}).values()))
        self._whole = Limits(connect_s=connect_timeout_s, total_s=total_timeout_s)
        self._streamed = replace(self._whole, first_byte_s=first_byte_timeout_s, idle_s=idle_timeout_s)
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def __repr__(self) -> str:
        return f"OpenAICompatible(name={self.name!r}, base_url={str(self._url.parent.parent)!r})"

    async def complete(self, model: Model, query: Query) -> Answer:
        """Return the whole answer; raises UpstreamError, and RequestError for a query that is not JSON."""
        watch = Watch(self._failures, self._whole)
        async with self._call(wire.request(model, query, stream=False), watch) as response:
            data = await watch.wait(response.read(), self._failures.cut)
        return read_answer(data, self._failures)

    async def stream(self, model: Model, query: Query) -> AsyncGenerator[Chunk, None]:
        """Yield the events as they come, their bytes untouched; raises as `complete` does, also in the middle.

        It always asks for usage: a chunk that carries only usage has empty `choices` and no text, and is left out for
        a caller who did not ask for it. Closing the iterator closes the connection.
        """
        watch = Watch(self._failures, self._streamed)
        async with self._call(wire.request(model, query, stream=True), watch) as response:
            await self._check_type(response, watch)
            events = Events(self._failures.source)
            started = finished = False
            while block := await self._block(response, watch, finished):
                for data in events.feed(block):
                    if data.startswith(DONE):
                        self._check_end(started, finished=True)
                        await _drain(response)
                        return
                    chunk = read_chunk(data, self._failures)
                    started, finished = True, finished or chunk.finish_reason is not None
                    yield chunk
            self._check_end(started, finished)

    async def close(self) -> None:
        """Close every connection; a later call opens new ones."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    @asynccontextmanager
    async def _call(self, body: bytes, watch: Watch) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request and give its response, which is closed at the end unless it was read to its end."""
        sent = self._client().post(self._url, data=body, headers=self._headers, allow_redirects=False)
        response = await watch.wait(sent, self._failures.unreachable)
        try:
            if not 200 <= response.status < 300:
                said = b""
                with suppress(UpstreamError):  # the status says enough, even where the rest of the answer is lost
                    said = await watch.wait(response.read(), self._failures.cut)
                raise self._failures.of_status(response.status, response.headers, said)
            yield response
        finally:
            response.close()

    async def _block(self, response: aiohttp.ClientResponse, watch: Watch, finished: bool) -> bytes:
        """Return the next bytes of a stream, nothing at its end. After the finish reason any end will do."""
        try:
            return await watch.read(response)
        except UpstreamError:
            if finished:
                return b""
            raise

    async def _check_type(self, response: aiohttp.ClientResponse, watch: Watch) -> None:
        """Raise for a response that is one JSON body: an error in it, or a server that cannot stream."""
        if response.content_type == "application/json":
            read_error(await watch.wait(response.read(), self._failures.cut), self._failures)
            raise self._failures.broken("was asked for a stream and answered with one body.")

    def _check_end(self, started: bool, finished: bool) -> None:
        if not started:
            raise self._failures.broken("sent an empty stream.")
        if not finished:
            raise self._failures.broken("ended its stream without a finish reason or [DONE].")

    def _client(self) -> aiohttp.ClientSession:
        """Return the session, made at the first call; connections belong to the event loop they were made in."""
        loop = asyncio.get_running_loop()
        if self._session is None or self._loop is not loop:
            self._loop = loop
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),  # how many calls run at once is the engine's matter
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, connect=self._whole.connect_s),
            )
        return self._session


async def _drain(response: aiohttp.ClientResponse) -> None:
    with suppress(TimeoutError, aiohttp.ClientError):
        async with asyncio.timeout(DRAIN_S):
            while await response.content.readany():
                pass


def _chat_url(name: str, base_url: str) -> URL:
    try:
        url = URL(base_url)
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or url.host is None or url.user is not None or url.password is not None:
        # The value is not quoted: what was put in its place may be the key.
        raise ConfigError(
            f"upstream {name!r}: base_url must begin with http:// or https:// and a host, without user or password "
            f"(use api_key or headers); its scheme is {url.scheme!r}."
        )
    return (url / "chat" / "completions").with_query(url.query)


def _checked_key(name: str, api_key: str) -> str:
    key = api_key.strip()
    if not key.isprintable():
        raise ConfigError(f"upstream {name!r}: api_key holds a line break or a control character. Set it again.")
    return key
