"""Requests made from our own OpenAPI document, valid ones and invalid ones, and what must hold of every response."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from switchpoint.gateway.description.openapi import document
from tests.fuzz.listeners import MODELS, Listeners, all_paths
from tests.gateway.test_management import TOKEN

CONFORMING = [status_code_conformance, content_type_conformance, response_schema_conformance]
TIMEOUT_S = 10.0


class Target(NamedTuple):
    """One operation of one listener, asked as the document says or otherwise."""

    listener: str
    operation: schemathesis.APIOperation
    mode: GenerationMode

    @property
    def name(self) -> str:
        return f"{self.listener} {self.operation.label} {self.mode.value}"


def targets() -> Iterator[Target]:
    """Yield every operation of both listeners; one that takes nothing cannot be asked otherwise."""
    for listener, paths in all_paths().items():
        described = document((each.path, each.method, each.permission) for each in paths)
        schema = schemathesis.openapi.from_dict(described)
        for found in schema.get_all_operations():
            operation = found.ok()
            yield Target(listener, operation, GenerationMode.POSITIVE)
            if "requestBody" in operation.definition.raw:
                yield Target(listener, operation, GenerationMode.NEGATIVE)


def fuzzing(target: Target, examples: int, *, fixed: bool) -> Callable[[Listeners], None]:
    """Return what sends so many requests and raises at the first response that is not as it should be.

    fixed : the same requests every time. Half of those that name a model name one that exists.
    """

    cases = target.operation.as_strategy(generation_mode=target.mode)

    def fuzz(listeners: Listeners) -> None:
        @settings(
            max_examples=examples,
            derandomize=fixed,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=cases, model=st.none() | st.sampled_from(MODELS))
        def send(case: schemathesis.Case, model: str | None) -> None:
            if model is not None and isinstance(case.body, dict):
                case.body = {**case.body, "model": model}
            check(listeners, target, case)

        send()

    return fuzz


def check(listeners: Listeners, target: Target, case: schemathesis.Case) -> None:
    """Send a request; raises for a status, a body or a time that was not promised."""
    managing = target.listener == "management"
    url = listeners.management if managing else listeners.main
    headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"} if managing else {}
    before = len(listeners.unforeseen.messages)
    response = case.call(base_url=url, headers=headers, timeout=TIMEOUT_S)
    case.validate_response(response, checks=CONFORMING)
    assert _code(response.content) != "internal_error", f"{case.as_curl_command()}: {response.text}"
    assert listeners.unforeseen.messages[before:] == [], case.as_curl_command()


def _code(body: bytes) -> Any:
    """Return the code of an error, in whatever dialect."""
    try:
        return json.loads(body)["error"]["code"]
    except (ValueError, LookupError, TypeError):
        return None
