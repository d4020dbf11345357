"""HttpUpstream: what every vendor's upstream does over HTTP, whatever form its requests and answers have."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, NamedTuple, Protocol
from weakref import WeakSet

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from switchpoint.core.attempt import Answer, Chunk
from switchpoint.core.errors import ConfigError, UpstreamError
from switchpoint.core.model import Model
from switchpoint.core.query import EMPTY, Query
from switchpoint.core.trace import outgoing
from switchpoint.upstreams.failures import Failures
from switchpoint.upstreams.reading import read_error
from switchpoint.upstreams.sse import Events
from switchpoint.upstreams.watch import Limits, Watch, read_body

DRAIN_S = 0.1
"""How long to wait for the end of a body after the end of its stream, so that its connection can be used again."""

STALE_S = 1.0
"""A used connection that breaks within this of a call's start had been closed by the other end; later, who knows."""


class Sending(NamedTuple):
    """One request, ready to be sent.

    model : the upstream's name of the model that is asked. headers : of this request alone; configured ones win.
    """

    url: URL
    body: bytes
    model: str
    headers: Mapping[str, str] = EMPTY


class Reader(Protocol):
    """Reads the events of one stream.

    started : an event has come. finished : so has the finish reason, after which any end of the stream will do.
    ended : the vendor's own end of a stream has come; nothing after it is read.
    """

    started: bool
    finished: bool
    ended: bool

    def read(self, data: bytes) -> Sequence[Chunk]:
        """Return what is in the payload of one event, in the form of OpenAI's chunks; raises UpstreamError."""
        ...


_REUSED: ContextVar[bool] = ContextVar("reused", default=False)
"""Whether the call of this task went out over a connection that an earlier call had opened."""


class _Connector(aiohttp.TCPConnector):
    """Keeps connections open for later calls, and notes which call gets such a one; tracing would cost 40 µs a call."""

    def __init__(self) -> None:
        super().__init__(limit=0)  # how many calls run at once is the engine's matter
        self._used: WeakSet[object] = WeakSet()

    async def connect(self, *asked: Any, **options: Any) -> aiohttp.connector.Connection:
        """Return a connection for a request."""
        connection = await super().connect(*asked, **options)
        _REUSED.set(connection.protocol in self._used)
        self._used.add(connection.protocol)
        return connection


class HttpUpstream(ABC):
    """Sends a vendor's requests, and keeps the promises that hold for all of them.

    base_url : where the vendor is called; a query string of it is kept.
    headers : sent with every call; they win over the ones set here and by the vendor's own class (`own`).
    own : headers of the vendor's class, such as the one with the key.
    secrets : masked in whatever the upstream says, as are the values of `headers`.
    connect_timeout_s : from the call until the connection stands, TLS included.
    first_byte_timeout_s : of a stream: from the call until the first byte of its body.
    idle_timeout_s : of a stream: between two reads that bring bytes; comments sent as heartbeats count.
    total_timeout_s : of every call, from its start to the end of the answer. A whole answer is silent until it is
        ready, so this is the only limit on `complete` once connected.

    A class of one vendor says three things: `_sending`, `_read_answer` and `_reader`.

    Redirections are not followed, cookies not kept, proxy variables of the environment not read. A call that went out
    over a used connection which the other end had closed is sent once more, at once, over a fresh one. Raises
    ConfigError for a base_url that is not http(s).
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        *,
        own: Mapping[str, str],
        secrets: Iterable[str],
        headers: Mapping[str, str] | None = None,
        connect_timeout_s: float = 5.0,
        first_byte_timeout_s: float = 60.0,
        idle_timeout_s: float = 30.0,
        total_timeout_s: float = 600.0,
    ) -> None:
        self.name = name
        self._base = checked_url(name, base_url)
        self._headers = CIMultiDict({"Content-Type": "application/json", "User-Agent": "switchpoint", **own})
        self._headers.update(headers or {})
        self._failures = Failures(name, secrets=(*secrets, *(headers or {}).values()))
        self._whole = Limits(connect_s=connect_timeout_s, total_s=total_timeout_s)
        self._streamed = replace(self._whole, first_byte_s=first_byte_timeout_s, idle_s=idle_timeout_s)
        self._sessions: dict[bool, aiohttp.ClientSession] = {}  # by whether its connections are used only once
        self._loop: asyncio.AbstractEventLoop | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r}, base_url={str(self._base.with_query(None))!r})"

    @abstractmethod
    def _sending(self, model: Model, query: Query, *, stream: bool) -> Sending:
        """Return the request for a query; raises RequestError for what the vendor's form cannot carry."""

    @abstractmethod
    def _read_answer(self, data: bytes, sending: Sending) -> Answer:
        """Return the answer in a whole body; raises UpstreamError."""

    @abstractmethod
    def _reader(self, sending: Sending) -> Reader:
        """Return the reader of a stream."""

    async def complete(self, model: Model, query: Query) -> Answer:
        """Return the whole answer; raises UpstreamError, and RequestError for a query that cannot be sent."""
        sending = self._sending(model, query, stream=False)
        return self._read_answer(await self._fetch(sending), sending)

    async def stream(self, model: Model, query: Query) -> AsyncGenerator[Chunk, None]:
        """Yield the answer as it comes; raises as `complete` does, also in the middle.

        It always asks for usage: a chunk that carries only usage has empty `choices` and no text, and is left out for
        a caller who did not ask for it. Closing the iterator closes the connection.
        """
        watch = Watch(self._failures, self._streamed)
        sending = self._sending(model, query, stream=True)
        reader = self._reader(sending)
        response = await self._answered(sending, watch)
        try:
            await self._check_type(response, watch)
            events = Events(self._failures.source)
            while block := await self._block(response, watch, reader.finished):
                for data in events.feed(block):
                    for chunk in reader.read(data):
                        yield chunk
                    if reader.ended:
                        self._check_end(reader)
                        await _drain(response)
                        return
                if reader.finished and query.parameters.get("n") in (None, 1):
                    watch.finish()
            self._check_end(reader)
        finally:
            response.close()
            watch.close()

    async def close(self) -> None:
        """Close every connection; a later call opens new ones."""
        while self._sessions:
            _, session = self._sessions.popitem()
            await session.close()

    async def _fetch(self, sending: Sending) -> bytes:
        """Send a request and return the whole body of the response to it; raises UpstreamError."""
        watch = Watch(self._failures, self._whole)
        try:
            response, body = await watch.wait(self._fetched(sending, watch))
            if body is None:
                raise await self._failed(response, watch)
            return body
        finally:
            watch.close()

    async def _fetched(self, sending: Sending, watch: Watch) -> tuple[aiohttp.ClientResponse, bytes | None]:
        """Return a response and its body; of one that failed the body is still to be read."""
        response = await self._post(sending)
        watch.responded = True
        if not 200 <= response.status < 300:
            return response, None
        try:
            return response, await read_body(response, self._failures)
        finally:
            response.close()

    async def _answered(self, sending: Sending, watch: Watch) -> aiohttp.ClientResponse:
        """Send a request and return its response, of which the body is to be read; raises UpstreamError."""
        try:
            response = await watch.wait(self._post(sending))
            watch.responded = True
            if not 200 <= response.status < 300:
                raise await self._failed(response, watch)
        except BaseException:
            watch.close()
            raise
        return response

    async def _failed(self, response: aiohttp.ClientResponse, watch: Watch) -> UpstreamError:
        """Return the error that a response tells, and close it."""
        said = b""
        try:
            with suppress(UpstreamError):  # the status says enough, even where the rest of the answer is lost
                said = await watch.wait(read_body(response, self._failures))
        finally:
            response.close()
        return self._failures.of_status(response.status, response.headers, said)

    async def _post(self, sending: Sending) -> aiohttp.ClientResponse:
        """Send a request; twice if the first went out over a connection that the other end had just closed.

        Servers close a connection that has been idle for as long as they like, and some do so right after a stream.
        Only a break at the very start, before a byte of a response, says that the request was not being worked on.
        """
        now = asyncio.get_running_loop().time
        start = now()
        _REUSED.set(False)
        try:
            return await self._send(sending)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            begun = isinstance(error, aiohttp.ServerDisconnectedError) and not isinstance(error.message, str)
            if begun or not _REUSED.get() or now() - start > STALE_S:
                raise
        return await self._send(sending, fresh=True)

    async def _send(self, sending: Sending, *, fresh: bool = False) -> aiohttp.ClientResponse:
        """Send a request once."""
        return await self._session(fresh).post(
            sending.url, data=sending.body, headers=self._traced(sending), allow_redirects=False
        )

    def _traced(self, sending: Sending) -> CIMultiDict[str]:
        """Return the headers of a call, with those by which it joins the trace of the request that it is for."""
        trace = outgoing()
        if not trace and not sending.headers:
            return self._headers
        headers = CIMultiDict(sending.headers)
        headers.update(self._headers)
        headers.update(trace)
        return headers

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
            read_error(await watch.wait(read_body(response, self._failures), self._failures.cut), self._failures)
            raise self._failures.broken("was asked for a stream and answered with one body.")

    def _check_end(self, reader: Reader) -> None:
        if not reader.started:
            raise self._failures.broken("sent an empty stream.")
        if not reader.finished and not reader.ended:
            raise self._failures.broken("ended its stream without a finish reason or its end.")

    def _session(self, fresh: bool) -> aiohttp.ClientSession:
        """Return the session, made at the first call; connections belong to the event loop they were made in."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._sessions = loop, {}
        if fresh not in self._sessions:
            self._sessions[fresh] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, force_close=True) if fresh else _Connector(),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, connect=self._whole.connect_s),
            )
        return self._sessions[fresh]


def checked_url(name: str, base_url: str) -> URL:
    """Return the base_url of an upstream; raises ConfigError for one that cannot be called."""
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
    return url


def below(base: URL, *names: str) -> URL:
    """Return the address below a base_url; the query string of the base is kept."""
    return base.joinpath(*names).with_query(base.query)


def checked_key(name: str, api_key: str) -> str:
    """Return a key as a header can hold it; raises ConfigError."""
    key = api_key.strip()
    if not key.isprintable():
        raise ConfigError(f"upstream {name!r}: api_key holds a line break or a control character. Set it again.")
    return key


async def _drain(response: aiohttp.ClientResponse) -> None:
    with suppress(TimeoutError, aiohttp.ClientError):
        async with asyncio.timeout(DRAIN_S):
            while await response.content.readany():
                pass
