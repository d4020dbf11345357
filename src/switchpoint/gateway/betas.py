"""Betas: features that a caller of Anthropic's Messages asks for in a header, kept for an upstream that has them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from starlette.types import Scope

from switchpoint.core.query import Query
from switchpoint.dialects.extensions import ANTHROPIC, extension
from switchpoint.gateway.exchange import Asked, Exchange
from switchpoint.gateway.service import Service

HEADER = b"anthropic-beta"


class MessagesExchange(Exchange):
    """Answers Anthropic's Messages."""

    def _read(self, data: bytes, scope: Scope, service: Service) -> Asked:
        asked = super()._read(data, scope, service)
        query = with_betas(asked.request.query, scope["headers"])
        return asked if query is asked.request.query else replace(asked, request=replace(asked.request, query=query))


def with_betas(query: Query, headers: Iterable[tuple[bytes, bytes]]) -> Query:
    """Return the query with the betas of the headers among its fields for Anthropic; the same query where none are."""
    said = ",".join(value.decode("latin-1") for name, value in headers if name == HEADER)
    betas = [beta.strip() for beta in said.split(",") if beta.strip()]
    if not betas:
        return query
    beside = extension(query.parameters)
    named = beside.get("betas")
    beside["betas"] = [*(named if isinstance(named, list) else ()), *betas]
    return replace(query, parameters={**query.parameters, ANTHROPIC: beside})
