"""The application: every path that the gateway serves, and the permission that each demands."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from types import MappingProxyType
from typing import NamedTuple

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from switchpoint.core.errors import SwitchpointError
from switchpoint.core.principal import Permission
from switchpoint.dialects.anthropic.messages import Messages
from switchpoint.dialects.chat import Chat
from switchpoint.dialects.dialect import Dialect
from switchpoint.dialects.encoding import encode
from switchpoint.dialects.responses.responses import Responses
from switchpoint.gateway.betas import MessagesExchange
from switchpoint.gateway.count_tokens import CountTokens
from switchpoint.gateway.description.openapi import Description
from switchpoint.gateway.embeddings import embeddings
from switchpoint.gateway.endpoints import Endpoints
from switchpoint.gateway.errors import error_body, shown
from switchpoint.gateway.exchange import Exchange
from switchpoint.gateway.guard import Guard
from switchpoint.gateway.service import Current


class Path(NamedTuple):
    """One path: what it serves to whom."""

    path: str
    method: str
    permission: Permission
    serves: ASGIApp
    dialect: Dialect | None = None


def create_app(
    current: Current,
    *,
    extra_paths: Sequence[Path] = (),
    beside: AbstractAsyncContextManager[object] | None = None,
    on_close: Callable[[], Awaitable[None]] | None = None,
) -> Starlette:
    """Make the ASGI application.

    current : asked at the start of every request for the service that serves it.
    extra_paths : tried after the gateway's own.
    beside : entered on the server's event loop before the first request, left after the last one.
    on_close : awaited once the server has stopped, on its event loop.
    """

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with beside or nullcontext():
            yield
        if on_close is not None:
            await on_close()

    return application((*paths(int(time.time())), *extra_paths), current, lifespan)


def application(
    paths: Sequence[Path],
    current: Current,
    lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]] | None = None,
) -> Starlette:
    """Make an application of these paths, each behind its guard."""
    app = Direct(
        routes=[_guarded(path, current) for path in paths],
        lifespan=lifespan,
        exception_handlers={HTTPException: _show_http_error, SwitchpointError: _show_error, Exception: _show_error},
    )
    app.router.redirect_slashes = False  # a client that follows the redirection of a POST sends a GET
    app.hot = {(path.method, path.path): _guard(path, current) for path in paths if path.dialect is not None}
    return app


class Direct(Starlette):
    """An application whose hot paths, which answer for their own errors, are not looked for and not wrapped.

    Looking for a path in a list and three layers that catch exceptions take as long as a third of a decision.
    """

    hot: Mapping[tuple[str, str], ASGIApp] = MappingProxyType({})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        hot = self.hot.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if hot is None:
            await super().__call__(scope, receive, send)
        else:
            await hot(scope, receive, send)


def paths(created: int) -> list[Path]:
    """Return every path of the gateway itself. created : seconds since the epoch that listed models carry."""
    own = Endpoints(created)
    chat = Chat()
    messages = Messages()
    responses = Responses()
    served = [
        Path("/v1/chat/completions", "POST", Permission.INFER, Exchange(chat), chat),
        Path("/v1/responses", "POST", Permission.INFER, Exchange(responses), responses),
        Path("/v1/messages", "POST", Permission.INFER, MessagesExchange(messages), messages),
        Path("/v1/messages/count_tokens", "POST", Permission.INFER, CountTokens(messages), messages),
        Path("/v1/embeddings", "POST", Permission.INFER, endpoint(embeddings)),
        Path("/v1/models", "GET", Permission.INFER, endpoint(own.models)),
        Path("/v1/models/{name:path}", "GET", Permission.INFER, endpoint(own.model)),
        Path("/v1/route", "POST", Permission.INFER, endpoint(own.route)),
        Path("/v1/feedback", "POST", Permission.FEEDBACK, endpoint(own.feedback)),
        Path("/health", "GET", Permission.PUBLIC, endpoint(own.health)),
        Path("/health/ready", "GET", Permission.PUBLIC, endpoint(own.health)),
        Path("/health/live", "GET", Permission.PUBLIC, endpoint(own.live)),
    ]
    return [*served, Path(Description.PATH, "GET", Permission.INFER, endpoint(Description(served).serve))]


def endpoint(function: Callable[[Request], Awaitable[Response]]) -> ASGIApp:
    """Make a path of a function of a request."""
    return Route("/", function, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]).app


def _guard(path: Path, current: Current) -> Guard:
    return Guard(path.serves, path.permission, current, path.dialect)


def _guarded(path: Path, current: Current) -> Route:
    return Route(path.path, _guard(path, current), methods=[path.method])


async def _show_error(_: Request, error: Exception) -> Response:
    """Answer with an error; one that is not ours goes on to the server, which logs it."""
    status, headers, body = shown(error)
    return Response(body, status, {name.decode(): value.decode() for name, value in headers})


async def _show_http_error(request: Request, error: Exception) -> Response:
    """Answer in OpenAI's form where the framework refuses: unknown paths and methods."""
    assert isinstance(error, HTTPException)
    what = f"{request.method} {request.scope['path']}"
    message, code = {
        404: (f"Nothing is served at {what}. The API is under /v1, such as POST /v1/chat/completions.", "not_found"),
        405: (f"{what} is not served; the path takes {(error.headers or {}).get('Allow')}.", "method_not_allowed"),
    }.get(error.status_code, (str(error.detail), None))
    body = encode(error_body(message, type="invalid_request_error", code=code))
    return Response(body, error.status_code, error.headers, "application/json")
