"""The paths beside the hot one: what may be called, what would be called, what somebody thought of an answer."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from switchpoint.core.errors import RequestError
from switchpoint.core.record import Feedback
from switchpoint.dialects.encoding import encode
from switchpoint.gateway.caller import read_body
from switchpoint.gateway.draining import DRAINING
from switchpoint.gateway.guard import whose
from switchpoint.gateway.listing import Listing
from switchpoint.gateway.options import convert
from switchpoint.gateway.wire import Json, read_object, read_request, text_as_messages

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Score = Annotated[float, msgspec.Meta(ge=0, le=1)]


class FeedbackBody(msgspec.Struct, frozen=True, kw_only=True):
    """The body of POST /v1/feedback; `score` and `value` are two names of one number."""

    record_id: Name
    score: Score | None = None
    value: Score | None = None
    metric: Name = "quality"
    source: Name = "user"


class Endpoints:
    """Everything that is not hot: ordinary functions of a request."""

    def __init__(self, created: int) -> None:
        self.created = created

    async def models(self, request: Request) -> Response:
        """List routes and models."""
        return _json(self._listing(request).all())

    async def model(self, request: Request) -> Response:
        """Show one route or model."""
        return _json(self._listing(request).one(request.path_params["name"]))

    async def route(self, request: Request) -> Response:
        """Decide as a call would, without calling the model that was chosen; nothing is recorded."""
        service, principal = whose(request.scope)
        engine = service.engine
        body = text_as_messages(await _body(request))
        asked = read_request(body, request.scope["headers"], engine.catalog.ids, service.limits)
        strategy = service.routing.resolve(asked.route)
        admission = await service.gate.admit(principal, asked.route, asked.query)
        try:
            decision = engine.decide(strategy, await engine.prepare(strategy, admission.query))
        finally:
            admission.settle(None)
        return _json(
            {
                "object": "switchpoint.route",
                "route": asked.route,
                "decision": decision,
                "excluded": engine.catalog.exclusions(admission.query),
            }
        )

    async def feedback(self, request: Request) -> Response:
        """Remember what somebody thought of an answer."""
        service, principal = whose(request.scope)
        said = convert(await _body(request), FeedbackBody, "feedback")
        feedback = Feedback(
            record_id=said.record_id,
            at=service.engine.now(),
            metric=said.metric,
            value=_value(said),
            source=said.source,
        )
        await run_in_threadpool(service.check_feedback, principal, feedback)
        await run_in_threadpool(service.add_feedback, feedback)
        told = {name: getattr(feedback, name) for name in ("record_id", "metric", "value", "source")}
        return _json({"object": "switchpoint.feedback", **told}, 202)

    async def health(self, request: Request) -> Response:
        """Say whether requests may be sent here; it does not ask the upstreams."""
        draining = request.scope.get("state", {}).get(DRAINING, False)
        return _json({"status": "draining"}, 503) if draining else _json({"status": "ok"})

    async def live(self, request: Request) -> Response:
        """Say that the process runs, also while it is draining."""
        return _json({"status": "ok"})

    async def metrics(self, request: Request) -> Response:
        """Return what Prometheus reads."""
        service, _ = whose(request.scope)
        return Response(service.metrics(), headers={"content-type": PROMETHEUS})

    def _listing(self, request: Request) -> Listing:
        service, principal = whose(request.scope)
        return Listing(service.engine, service.routing, self.created, principal)


async def _body(request: Request) -> Json:
    service, _ = whose(request.scope)
    return read_object(await read_body(request.receive, service.max_body_bytes), service.limits.max_depth)


def _json(body: Any, status: int = 200) -> Response:
    return Response(encode(body), status, media_type="application/json")


def _value(said: FeedbackBody) -> float:
    given = [number for number in (said.score, said.value) if number is not None]
    if len(given) != 1:
        raise RequestError("Feedback needs one number from 0 to 1, as 'score' or as 'value'.", "score")
    return given[0]
