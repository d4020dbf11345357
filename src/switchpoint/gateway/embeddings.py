"""POST /v1/embeddings: passed on to an embeddings endpoint of the configuration, admitted and recorded like a query."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from switchpoint.core.attempt import Answer, Attempt, Failure
from switchpoint.core.decision import Decision, Reason
from switchpoint.core.errors import (
    DeadlineExceeded,
    NoAnswer,
    NoEligibleModel,
    RequestError,
    UnknownModel,
    UpstreamError,
)
from switchpoint.core.query import Query
from switchpoint.core.record import Record
from switchpoint.engine.calling import CANCELLED
from switchpoint.engine.engine import Engine
from switchpoint.gateway.caller import Attended, read_body
from switchpoint.gateway.guard import whose
from switchpoint.gateway.options import kind
from switchpoint.gateway.service import Service, Vectors
from switchpoint.gateway.wire import Json, read_object, read_request

STRATEGY = "embeddings"
"""What records call the choice of an endpoint: its caller made it."""

Fields = dict[str, msgspec.Raw]
_FIELDS = msgspec.json.Decoder(Fields)


class Passed(NamedTuple):
    """How a request went: the fields of the answer, or the error; and its attempt."""

    fields: Fields
    attempt: Attempt
    error: Exception | None = None


async def embeddings(request: Request) -> Response:
    """Pass a request on, whole: only the name of the model is changed, and `switchpoint` is taken out."""
    service, principal = whose(request.scope)
    data = await read_body(request.receive, service.max_body_bytes)
    body = read_object(data, service.limits.max_depth)
    name, vectors = _asked(body, service)
    asked = read_request(_as_chat(body), request.scope["headers"], service.engine.catalog.ids, service.limits)
    admission = await service.gate.admit(principal, name, asked.query)
    record = None
    try:
        check_cost(name, vectors, admission.query)
        fields = {key: value for key, value in _FIELDS.decode(data).items() if key != "switchpoint"}
        passed = await _attended(request, service.engine, name, vectors, admission.query, fields)
        record = _record(service.engine, name, admission.query, passed)
        service.engine.sink(record)
    finally:
        admission.settle(record)
    if passed.error is not None:
        raise passed.error
    answer = {**passed.fields, "model": msgspec.Raw(msgspec.json.encode(name))}
    return Response(msgspec.json.encode(answer), media_type="application/json", headers=_told(record))


def check_cost(name: str, vectors: Vectors, query: Query) -> None:
    """Raise NoEligibleModel where a request is expected to cost more than it may."""
    expected = vectors.expected_usd(query.input_tokens)
    if query.max_cost_usd is not None and expected is not None and expected > query.max_cost_usd:
        limit = f"over the limit of {query.max_cost_usd:.6f}"
        raise NoEligibleModel({name: f"expected to cost {expected:.6f} USD, {limit}"})


def _asked(body: Json, service: Service) -> tuple[str, Vectors]:
    """Return the endpoint that a body names, by its own name or its model's; raises RequestError."""
    asked = body.get("model")
    if not isinstance(asked, str):
        raise RequestError(f"'model' must be a string. Got {kind(asked)} instead.", "model")
    named = service.embeddings
    for name, vectors in named.items():
        if asked == name or (asked not in named and asked == vectors.model):
            return name, vectors
    raise UnknownModel(asked, named)


def _as_chat(body: Json) -> Json:
    """Return the query that a request is admitted as: its texts as one message; token ids hold no text."""
    given = body.get("input")
    texts = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    parts = [{"type": "text", "text": text} for text in texts if isinstance(text, str)]
    return {"messages": [{"role": "user", "content": parts}], "switchpoint": body.get("switchpoint")}


async def _attended(
    request: Request, engine: Engine, name: str, vectors: Vectors, query: Query, fields: Mapping[str, Any]
) -> Passed:
    """Pass a request on for as long as its caller is there."""
    begun, passed = engine.clock(), None
    async with Attended(request.receive):
        passed = await _pass_on(engine, name, vectors, query, fields)
    if passed is not None:
        return passed
    decision = Decision(model=name, router=STRATEGY, reason=Reason.FIXED)
    attempt = Attempt(decision=decision, failure=CANCELLED, latency_s=engine.clock() - begun)
    return Passed({}, attempt, NoAnswer("the caller went away", [attempt]))


async def _pass_on(engine: Engine, name: str, vectors: Vectors, query: Query, fields: Mapping[str, Any]) -> Passed:
    decision = Decision(model=name, router=STRATEGY, reason=Reason.FIXED)
    begun = engine.clock()
    try:
        async with asyncio.timeout(query.deadline_s):
            found, usage, cost_usd = await vectors.forward(fields)
    except (UpstreamError, TimeoutError) as error:
        failure = Failure.of(error)
        billed = None if failure.billed else Decimal(0)
        attempt = Attempt(decision=decision, failure=failure, cost_usd=billed, latency_s=engine.clock() - begun)
        return Passed({}, attempt, _shown(error, attempt, query))
    answer = Answer(text="", model=vectors.model, usage=usage, body={})
    latency_s = engine.clock() - begun
    return Passed(
        found, Attempt(decision=decision, answer=answer, cost_usd=cost_usd, latency_s=latency_s, committed=True)
    )


def _shown(error: Exception, attempt: Attempt, query: Query) -> Exception:
    """Return what the caller is told: nothing was tried again, so there is one attempt."""
    if isinstance(error, TimeoutError):
        return DeadlineExceeded(f"the request's deadline of {query.deadline_s} s has passed", [attempt])
    return NoAnswer("the embeddings endpoint failed", [attempt])


def _record(engine: Engine, name: str, query: Query, passed: Passed) -> Record:
    answered, cancelled = passed.error is None, passed.attempt.failure is CANCELLED
    return Record(
        id=uuid.uuid4().hex,
        at=engine.now(),
        query_id=query.id,
        route=name,
        strategy=STRATEGY,
        attempts=(passed.attempt,),
        accepted=0 if answered else None,
        outcome="answered" if answered else "cancelled" if cancelled else "failed",
        decide_s=0.0,
        latency_s=passed.attempt.latency_s,
        tags=query.tags,
        config=engine.config,
        accept_reason="answered" if answered else None,
    )


def _told(record: Record) -> dict[str, str]:
    told = {"x-request-id": record.query_id, "x-switchpoint-record": record.id}
    return told if record.cost_usd is None else {**told, "x-switchpoint-cost-usd": f"{record.cost_usd:f}"}
