"""Operations: what each path does, takes and gives; the hand-written half of the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from switchpoint.gateway.options import HEADERS

JSON, EVENTS, HTML, TEXT = "application/json", "text/event-stream", "text/html", "text/plain"

REQUEST_ERRORS = (400, 413)
MODEL_ERRORS = (400, 404, 413, 429, 502, 503, 504)

ASKED = ("x-request-id", "traceparent", "tracestate", *(name.decode() for name in HEADERS))
"""Headers of a request that a model answers."""

TOLD: Mapping[str, str] = {
    "x-request-id": "The caller's own, or one that was made.",
    "x-switchpoint-version": "Of these headers and of the `switchpoint` object.",
    "x-switchpoint-record": "The record's id, which feedback names.",
    "x-switchpoint-route": "The route that was asked for.",
    "x-switchpoint-model": "The model that answers.",
    "x-switchpoint-reason": "Why it was called.",
    "x-switchpoint-router": "Which strategy chose it.",
    "x-switchpoint-cost-usd": "The whole bill; not of a stream, nor where it is unknown.",
}


class Operation(NamedTuple):
    """One path with one method.

    takes : the name of the shape of its body, None for no body. gives : shapes by media type.
    fails : statuses of its errors beside 401, 403, 415 and 500. tells : headers of its success.
    """

    summary: str
    takes: str | None = None
    gives: Mapping[str, str] = {JSON: "Object"}
    status: int = 200
    fails: tuple[int, ...] = ()
    headers: tuple[str, ...] = ()
    tells: Mapping[str, str] = {}
    error: str = "Error"
    required: bool = True


def _answered(summary: str, takes: str, gives: str, error: str = "Error") -> Operation:
    both = {JSON: gives, EVENTS: "Events"}
    return Operation(summary, takes, both, fails=MODEL_ERRORS, headers=ASKED, tells=TOLD, error=error)


OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("POST", "/v1/chat/completions"): _answered("Answer a conversation.", "ChatRequest", "ChatCompletion"),
    ("POST", "/v1/responses"): _answered("Answer, in the form of OpenAI's Responses.", "ResponsesRequest", "Object"),
    ("POST", "/v1/messages"): _answered(
        "Answer, in the form of Anthropic's Messages.", "MessagesRequest", "Object", "MessagesError"
    ),
    ("POST", "/v1/messages/count_tokens"): Operation(
        "Estimate the tokens of a request.",
        "CountRequest",
        {JSON: "TokenCount"},
        fails=MODEL_ERRORS,
        error="MessagesError",
    ),
    ("POST", "/v1/embeddings"): Operation(
        "Turn texts into vectors.", "EmbeddingsRequest", {JSON: "Object"}, fails=MODEL_ERRORS
    ),
    ("GET", "/v1/models"): Operation("List routes and models.", gives={JSON: "ModelList"}),
    ("GET", "/v1/models/{name:path}"): Operation("Show one route or model.", gives={JSON: "ModelEntry"}, fails=(404,)),
    ("POST", "/v1/route"): Operation(
        "Decide as a call would, and call nothing.",
        "RouteRequest",
        {JSON: "RouteDecision"},
        fails=(*REQUEST_ERRORS, 404, 429, 503),
        headers=ASKED,
    ),
    ("POST", "/v1/feedback"): Operation(
        "Say what an answer was worth.",
        "FeedbackBody",
        {JSON: "FeedbackTaken"},
        status=202,
        fails=(*REQUEST_ERRORS, 404, 503),
    ),
    ("GET", "/v1/openapi.json"): Operation("This document.", gives={JSON: "Object"}),
    ("GET", "/health"): Operation("Say that the service runs.", gives={JSON: "Health"}),
    ("GET", "/health/live"): Operation("Say that the process runs.", gives={JSON: "Health"}),
    ("GET", "/health/ready"): Operation("Say whether requests are taken.", gives={JSON: "Health"}, fails=(503,)),
    ("GET", "/metrics"): Operation("What Prometheus reads.", gives={TEXT: "Text"}),
    ("GET", "/admin/config"): Operation("Show the configuration that is served, without secrets."),
    ("GET", "/admin/config/versions"): Operation("List the configurations that were served."),
    ("POST", "/admin/config/reload"): Operation("Read the configuration again.", fails=REQUEST_ERRORS),
    ("POST", "/admin/config/rollback"): Operation(
        "Serve an earlier configuration.", "RollbackBody", fails=REQUEST_ERRORS, required=False
    ),
    ("GET", "/admin/health"): Operation("Show what was seen of every model's calls."),
    ("GET", "/admin/keys"): Operation("List the keys, without what is secret of them."),
    ("POST", "/admin/keys"): Operation("Make a key; it is shown once.", "KeyBody", status=201, fails=REQUEST_ERRORS),
    ("DELETE", "/admin/keys/{id}"): Operation("Revoke a key.", fails=(400, 404)),
    ("GET", "/admin/budgets"): Operation("List the budgets that were set by hand, and what was spent."),
    ("PUT", "/admin/budgets"): Operation("Set a budget.", "BudgetBody", fails=REQUEST_ERRORS),
}
