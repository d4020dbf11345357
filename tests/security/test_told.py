"""Threat 15: how the routing decides, read off what every answer carries."""

from __future__ import annotations

import pytest

from tests.security.conftest import DIALECTS, SPOKEN, Stand

SERVERS = {"content-type", "content-length", "date", "cache-control", "transfer-encoding"}
OURS = {"x-request-id", "x-switchpoint-version", "x-switchpoint-record", "x-switchpoint-route"}
DECISION = {"x-switchpoint-model", "x-switchpoint-reason", "x-switchpoint-router"}
COST = {"x-switchpoint-cost-usd"}
BODIES = {
    "chat": {"id", "object", "created", "model", "choices", "usage"},
    "messages": {"id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage"},
}


def ours(headers: object) -> set[str]:
    return {name for name in dict(headers) if name not in SERVERS}  # type: ignore[call-overload]


@pytest.mark.parametrize("dialect", SPOKEN)
@pytest.mark.parametrize("model", ["ok", "bundled", "best", "cheapest"])
def test_an_answer_has_the_documented_headers_and_no_others(stand: Stand, dialect: str, model: str):
    """Threat 15: a header that is added here is added to docs/gateway.md, and to what it tells an attacker."""
    with_session = {"x-switchpoint-session-phase"}
    whole, streamed = (stand.ask(dialect, model=model, stream=stream) for stream in (False, True))

    assert ours(whole.headers) - with_session == OURS | DECISION | COST
    assert ours(streamed.headers) - with_session == OURS | DECISION


def test_an_embedding_has_the_documented_headers_and_no_others(stand: Stand):
    """Threat 15."""
    assert ours(stand.ask("embeddings").headers) <= OURS | DECISION | COST


@pytest.mark.parametrize("dialect", SPOKEN)
@pytest.mark.parametrize("model", ["fails", "nobody", "limited"])
def test_an_error_has_the_documented_headers_and_no_others(stand: Stand, dialect: str, model: str):
    """Threat 15: it names the run and says whether to try again; no decision is told."""
    assert ours(stand.ask(dialect, model=model).headers) <= OURS | {"x-should-retry", "retry-after"}


@pytest.mark.parametrize("dialect", BODIES)
def test_an_answer_has_the_fields_of_its_dialect_and_no_others(stand: Stand, dialect: str):
    """Threat 15: estimates, other models and prices are told only to those who ask (`explain`)."""
    told = set(stand.ask(dialect).json())

    assert told == BODIES[dialect]


def test_a_response_has_no_field_of_ours(stand: Stand):
    """Threat 15."""
    assert "switchpoint" not in stand.ask("responses").text


@pytest.mark.parametrize("dialect", SPOKEN)
@pytest.mark.parametrize("stream", [False, True])
def test_no_estimate_and_no_other_model_is_named_unless_asked_for(stand: Stand, dialect: str, stream: bool):
    """Threat 15."""
    response = stand.ask(dialect, model="bundled", stream=stream)
    chosen = response.headers["x-switchpoint-model"]
    others = [model for model in stand.switchpoint.catalog.ids if model != chosen and len(model) > 5]

    assert "quality" not in response.text and "propensity" not in response.text
    assert not [model for model in others if f'"{model}"' in response.text]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_one_callers_answer_tells_nothing_of_anothers_requests(stand: Stand, dialect: str):
    """Threat 15: no counter, no queue length, no budget of somebody else's among the headers."""
    first = stand.ask(dialect).headers
    for _ in range(3):
        stand.ask(dialect)
    again = stand.ask(dialect).headers

    changing = {"x-request-id", "x-switchpoint-record", "date"}
    assert {k: v for k, v in first.items() if k not in changing} == {
        k: v for k, v in again.items() if k not in changing
    }
