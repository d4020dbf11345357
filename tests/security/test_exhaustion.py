"""Threat 12: a request that costs the gateway, or its operator, more than it costs to send."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from switchpoint import Switchpoint
from switchpoint.core.errors import ConfigError
from switchpoint.core.query import ROUTING_CHARS, Query
from switchpoint.verifiers.patterns import bounded, is_simple
from tests.fake_openai import Exchange, failing
from tests.security.conftest import ACME, SPOKEN, Stand, asking, standing

CHARS = (1_000, 10_000, 100_000, 1_000_000)
CATASTROPHES = (
    "(a+)+$",
    "(a|a)*$",
    r"(\w+\s?)*$",
    "(a*)*b",
    "a.*b.*c.*d",
    r"(.*)(.*)(.*)x",
    "(a{1,9}){1,9}$",
    "a?" * 30,
)


def conversations(chars: int) -> list[tuple[dict[str, Any], ...]]:
    """Requests of so many characters: one long message, many short ones, tool results, system text, parts, wrappers."""
    many = max(1, chars // 100)
    user = {"role": "user", "content": "What is 2 + 2?"}
    return [
        ({"role": "user", "content": "word " * (chars // 5)},),
        tuple({"role": ("user", "assistant")[i % 2], "content": "x" * 100} for i in range(many)),
        (user, *({"role": "tool", "tool_call_id": "c", "content": "y" * 100} for _ in range(many))),
        ({"role": "system", "content": "z" * chars}, user),
        ({"role": "user", "content": [{"type": "text", "text": "part " * 20}] * many},),
        ({"role": "user", "content": "<system-reminder>" * (chars // 17)},),
    ]


@pytest.mark.parametrize("chars", CHARS)
def test_deciding_reads_no_more_of_a_long_request_than_of_a_short_one(chars: int):
    """Threat 12: what estimators, topics and rules are given is bounded, so their time is."""
    for messages in conversations(chars):
        query = Query(id="q", messages=messages)
        assert len(query.text) <= ROUTING_CHARS + 2 and len(query.last_turn) <= ROUTING_CHARS + 1


@pytest.mark.parametrize("pattern", CATASTROPHES)
def test_a_pattern_of_a_rule_takes_linear_time_or_is_refused(pattern: str):
    """Threat 12: in `re` these take for ever on a text of `ROUTING_CHARS`; so the test would never end."""
    assert not is_simple(pattern)

    bounded(pattern).search("a" * ROUTING_CHARS + "!")


@pytest.mark.parametrize("pattern", [r"(a)\1+", r"(?P<x>a)(?P=x)", "(?=a+)b+", "("])
def test_a_pattern_whose_time_nothing_bounds_is_refused_by_name(pattern: str):
    """Threat 12."""
    with pytest.raises(ConfigError):
        bounded(pattern)


@pytest.mark.parametrize("pattern", [r"\bdizz(y|iness)\b", r"invoice \d+", "(?i)refund", "[+*]{3}x+", r"a\+\+b*", "é+"])
def test_an_ordinary_pattern_means_what_it_means_in_python(pattern: str):
    """Threat 12: letters of every alphabet among them, which RE2's classes do not know."""
    assert is_simple(pattern) and type(bounded(pattern)).__module__ == "re"


def test_a_rule_with_a_pattern_that_cannot_be_bounded_is_a_fault_of_the_configuration():
    """Threat 12."""
    rule = {"name": "r", "use": "m", "pattern": r"(a)\1+"}
    configuration = {
        "upstreams": {"local": {"kind": "fake", "script": {"m": ["hi"]}}},
        "models": {"m": {"upstream": "local"}},
        "routers": {"house": {"kind": "rules", "rules": [rule], "otherwise": "m"}},
    }
    with pytest.raises(ConfigError, match=r"routers\.house\.rules\.0\.pattern"):
        Switchpoint.of(configuration)


BOMBS = {
    "arrays": b"[" * 200_000,
    "objects": b'{"a":' * 100_000,
    "inside messages": b'{"messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a huge number": b'{"max_tokens": 1' + b"0" * 100_000 + b"}",
    "a huge exponent": b'{"temperature": 1e999999999}',
    "surrogates": b'{"model": "' + b"\\ud800" * 50_000 + b'"}',
    "no end": b'{"messages": "' + b"a" * 100_000,
    "zeros": b"\0" * 100_000,
    "twice the same name": b"{" + b'"model": "ok",' * 20_000 + b'"model": 1}',
}


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize(
    "path", ["/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/embeddings", "/v1/route"]
)
def test_a_body_that_is_made_to_hurt_is_refused_as_the_callers_fault(stand: Stand, path: str, bomb: str):
    """Threat 12."""
    response = stand.client.post(path, content=BOMBS[bomb], headers={"authorization": f"Bearer {ACME}"})

    assert 400 <= response.status_code < 500 and response.json()["error"]["message"]


@pytest.mark.parametrize("dialect", SPOKEN)
def test_a_body_that_is_too_large_is_refused_before_it_is_read_to_its_end(tmp_path: Path, dialect: str):
    """Threat 12."""
    with standing(tmp_path, gateway={"max_body_mb": 0.01}) as stand:
        assert stand.ask(dialect, text="x" * 20_000).status_code == 413
        assert stand.upstream.requests == []


@pytest.mark.parametrize("dialect", SPOKEN)
@pytest.mark.parametrize("stream", [False, True])
def test_a_caller_who_goes_away_ends_the_call_to_the_upstream(tmp_path: Path, dialect: str, stream: bool):
    """Threat 12: within a second, in every dialect; what is waited for is the upstream's own sight of it."""
    gone = threading.Event()

    async def waiting(exchange: Exchange) -> None:
        if stream:
            await exchange.delta(role="assistant", content="x")
        try:
            await exchange.hang()
        finally:
            gone.set()

    with standing(tmp_path, {"waits": waiting}) as stand:
        path, body = asking(dialect, "waits", stream=stream)
        data = json.dumps(body).encode()
        host, port = str(stand.client.base_url).removeprefix("http://").rstrip("/").split(":")
        with socket.create_connection((host, int(port))) as connection:
            head = (f"POST {path} HTTP/1.1", "host: g", f"authorization: Bearer {ACME}", f"content-length: {len(data)}")
            connection.sendall("\r\n".join([*head, "", ""]).encode() + data)
            assert stand.upstream.wait_for_requests(1)
        assert gone.wait(1.0)


@pytest.mark.parametrize("retries", [0, 10])
def test_one_request_makes_no_more_calls_than_the_configuration_allows(tmp_path: Path, retries: int):
    """Threat 12: retries and fallbacks together."""
    names = [f"down-{i}" for i in range(20)]
    engine = {"retries": retries, "backoff_s": 0, "max_attempts": 5, "default_model": "ok", "retry_burst": 1000}
    with standing(tmp_path, {name: failing(500) for name in names}, engine=engine) as stand:
        stand.ask("chat", model="best", switchpoint={"allow": names})

        assert 0 < len(stand.upstream.requests) <= 5


def test_many_answers_at_once_are_counted_before_they_are_paid_for():
    """Threat 12: `n` multiplies what a request may cost, so limits on cost hold for it."""
    price = {"input_usd_per_mtok": 0, "output_usd_per_mtok": 1e6}
    configuration = {
        "upstreams": {"local": {"kind": "fake", "script": {"m": ["hi"]}}},
        "models": {"m": {"upstream": "local", **price}},
        "records": {"enabled": False},
    }
    with Switchpoint.of(configuration) as switchpoint, TestClient(switchpoint.app()) as client:
        body = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 10, "switchpoint": {"max_cost_usd": 50}}
        one = client.post("/v1/chat/completions", json=body)
        many = client.post("/v1/chat/completions", json={**body, "n": 100})

    assert one.status_code == 200 and many.json()["error"]["code"] == "no_eligible_model"
