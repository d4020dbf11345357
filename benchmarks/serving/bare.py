"""The baseline: a proxy on the same server and client libraries that does nothing but pass bytes on.

`python -m benchmarks.serving.bare PORT UPSTREAM`.
"""

from __future__ import annotations

import sys

import aiohttp
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

session: aiohttp.ClientSession | None = None
upstream = ""


class Pass:
    async def __call__(self, scope, receive, send) -> None:
        parts, more = [], True
        while more:
            message = await receive()
            parts.append(message.get("body", b""))
            more = message.get("more_body", False)
        async with client().post(
            upstream, data=b"".join(parts), headers={"content-type": "application/json"}
        ) as answer:
            kind = answer.headers["content-type"].encode()
            await send({"type": "http.response.start", "status": answer.status, "headers": [(b"content-type", kind)]})
            if kind == b"application/json":
                await send({"type": "http.response.body", "body": await answer.read()})
                return
            async for block in answer.content.iter_any():
                await send({"type": "http.response.body", "body": block, "more_body": True})
            await send({"type": "http.response.body", "body": b""})


def client() -> aiohttp.ClientSession:
    global session
    if session is None:
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
        )
    return session


async def health(scope, receive, send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


class Health:
    __call__ = staticmethod(health)


if __name__ == "__main__":
    upstream = sys.argv[2]
    app = Starlette(routes=[Route("/v1/chat/completions", Pass(), methods=["POST"]), Route("/health", Health())])
    uvicorn.run(app, port=int(sys.argv[1]), loop="uvloop", http="httptools", access_log=False, log_level="warning")
