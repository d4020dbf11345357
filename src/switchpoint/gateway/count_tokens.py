"""POST /v1/messages/count_tokens: how many tokens a message would send, counted by its upstream or else estimated."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from starlette.types import Receive, Scope, Send

from switchpoint.core.model import Model
from switchpoint.core.query import Query
from switchpoint.dialects.anthropic.messages import Messages
from switchpoint.dialects.encoding import encode
from switchpoint.engine.engine import Engine
from switchpoint.gateway.answering import refuse, respond
from switchpoint.gateway.betas import with_betas
from switchpoint.gateway.caller import read_body
from switchpoint.gateway.guard import whose
from switchpoint.gateway.wire import read_object, read_request

MAX_DEPTH = 8
"""How many wrappers there may be around an upstream."""


@runtime_checkable
class Counter(Protocol):
    """An upstream that counts tokens."""

    async def count_tokens(self, model: Model, query: Query) -> int:
        """Return how many tokens the model would be sent; raises UpstreamError."""
        ...


class CountTokens:
    """Tells {"input_tokens": n}.

    Where the request names one model whose upstream counts, the upstream is asked, and its count is exact. For a route
    nobody knows yet who answers: n is the estimate that eligibility and cost are decided by (`Query.input_tokens`).
    """

    def __init__(self, dialect: Messages) -> None:
        self.dialect = dialect

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        service, principal = whose(scope)
        try:
            data = await read_body(receive, service.max_body_bytes)
            chat = self.dialect.request(read_object(data, service.limits.max_depth))
            asked = read_request(chat, scope["headers"], service.engine.catalog.ids, service.limits)
            service.routing.resolve(asked.route)
            query = with_betas(asked.query, scope["headers"])
            admission = await service.gate.admit(principal, asked.route, query)
            try:
                tokens = await _count(service.engine, asked.route, admission.query)
            finally:
                admission.settle(None)
            told = [(b"content-type", b"application/json")]
            await respond(send, 200, told, encode({"input_tokens": tokens}))
        except Exception as error:
            await refuse(send, error, self.dialect)


async def _count(engine: Engine, route: str, query: Query) -> int:
    if route in engine.catalog:
        model = engine.catalog[route]
        counter = _counter(engine.upstreams.get(model.upstream))
        if counter is not None:
            return await counter.count_tokens(model, query)
    return query.input_tokens


def _counter(upstream: object) -> Counter | None:
    """Return the upstream that counts, inside whatever is around it; None where none does."""
    for _ in range(MAX_DEPTH):
        if upstream is None or isinstance(upstream, Counter):
            return upstream
        upstream = getattr(upstream, "upstream", None)
    return None
