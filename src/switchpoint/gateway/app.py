"""The application: every path that the gateway serves."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from switchpoint.core.errors import SwitchpointError
from switchpoint.core.record import Feedback
from switchpoint.engine.engine import Engine
from switchpoint.gateway.chat import Chat, Routing
from switchpoint.gateway.endpoints import Endpoints
from switchpoint.gateway.errors import error_body, shown
from switchpoint.gateway.telling import encode

MAX_BODY_BYTES = 10_000_000
HEARTBEAT_S = 10.0


def create_app(
    *,
    engine: Engine,
    routing: Routing,
    add_feedback: Callable[[Feedback], None],
    metrics: Callable[[], bytes],
    extra_routes: Sequence[BaseRoute] = (),
    max_body_bytes: int = MAX_BODY_BYTES,
    heartbeat_s: float = HEARTBEAT_S,
    on_close: Callable[[], Awaitable[None]] | None = None,
) -> Starlette:
    """Make the ASGI application.

    add_feedback : may block; raises RequestError for a record that it does not know.
    metrics : the body of GET /metrics, in Prometheus' text format.
    heartbeat_s : how long a stream may be silent before a comment is sent; 0 sends none.
    extra_routes : tried after the gateway's own.
    on_close : awaited once the server has stopped, on its event loop.
    """
    own = Endpoints(engine, routing, add_feedback, metrics, max_body_bytes, created=int(time.time()))
    routes: list[BaseRoute] = [
        Route("/v1/chat/completions", Chat(engine, routing, max_body_bytes, heartbeat_s), methods=["POST"]),
        Route("/v1/models", own.models, methods=["GET"]),
        Route("/v1/models/{name:path}", own.model, methods=["GET"]),
        Route("/v1/route", own.route, methods=["POST"]),
        Route("/v1/feedback", own.feedback, methods=["POST"]),
        Route("/health", own.health, methods=["GET"]),
        Route("/metrics", own.metrics, methods=["GET"]),
        *extra_routes,
    ]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        if on_close is not None:
            await on_close()

    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={HTTPException: _show_http_error, SwitchpointError: _show_error, Exception: _show_error},
    )
    app.router.redirect_slashes = False  # a client that follows the redirection of a POST sends a GET
    return app


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
