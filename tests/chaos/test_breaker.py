"""An upstream that goes away and returns: its breaker opens, lets one call through, and closes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.chaos.callers import wait_for
from tests.chaos.cells import STRONG
from tests.chaos.gateway import USER, Gateway, running
from tests.fake_openai import answering, failing

FAILURES = 3


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    health = {"enabled": True, "failures": FAILURES, "open_s": 0.2, "max_open_s": 0.4}
    with running(tmp_path, {"mini": failing(503)}, engine={"retries": 0}, health=health) as gateway:
        yield gateway


def ask(gateway: Gateway, model: str = "mini") -> httpx2.Response:
    return httpx2.post(f"{gateway.url}/v1/chat/completions", json={"model": model, "messages": [USER]})


def shut(gateway: Gateway) -> httpx2.Response:
    """Fail often enough, and return what is said then."""
    for _ in range(FAILURES):
        assert ask(gateway).status_code == 502
    return ask(gateway)


def test_what_keeps_failing_is_not_called_any_more_and_the_caller_is_told_when_to_come_back(gateway: Gateway):
    response = shut(gateway)

    assert (response.status_code, response.json()["error"]["code"]) == (503, "overloaded")
    assert response.headers["x-should-retry"] == "true"
    assert int(response.headers["retry-after"]) >= 1
    assert len(gateway.upstream.requests) == FAILURES


def test_a_router_goes_by_what_is_shut_without_an_attempt(gateway: Gateway):
    shut(gateway)

    response = httpx2.post(
        f"{gateway.url}/v1/chat/completions",
        json={"model": "router-of-mini", "messages": [USER], "switchpoint": {"explain": True}},
    ).json()

    assert response["model"] == STRONG
    assert [attempt["model"] for attempt in response["switchpoint"]["attempts"]] == [STRONG]


def test_a_probe_that_fails_shuts_it_again(gateway: Gateway):
    shut(gateway)

    assert wait_for(lambda: ask(gateway).status_code == 502)  # the probe

    assert ask(gateway).json()["error"]["code"] == "overloaded"
    assert len(gateway.upstream.requests) == FAILURES + 1


def test_an_upstream_that_returns_is_called_again(gateway: Gateway):
    shut(gateway)
    gateway.upstream.behaviours["mini"] = answering()

    assert wait_for(lambda: ask(gateway).status_code == 200)

    assert [ask(gateway).status_code for _ in range(3)] == [200, 200, 200]
    assert ask(gateway, "router-of-mini").headers["x-switchpoint-model"] == "mini"
