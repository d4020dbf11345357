"""Threat 5: a request that makes the gateway call somebody else, or show a key to somebody else."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from switchpoint import Switchpoint
from tests.fake_openai import BEHAVIOURS, Exchange, FakeOpenAI
from tests.security.conftest import ACME, DIALECTS, VENDOR_KEY, Stand, asking, configuration, standing, vectors

ELSEWHERE = "http://169.254.169.254/latest/meta-data"
NAMES = (
    *("base_url", "api_base", "api_url", "url", "endpoint", "host", "upstream", "provider", "proxy", "callback_url"),
    *("webhook", "api_key", "api_version", "organization", "extra_headers", "extra_body", "extra_query", "default"),
    *("custom_llm_provider", "deployment_id", "router", "fallbacks", "mock_response", "metadata", "user", "store"),
)
LOCATIONS = st.sampled_from(
    [ELSEWHERE, "//evil.invalid", "file:///etc/passwd", "http://localhost:1/", "evil.invalid", "http://[::1]:1/"]
)
VALUES = st.one_of(
    LOCATIONS, st.dictionaries(st.sampled_from(NAMES), LOCATIONS, max_size=2), st.lists(LOCATIONS, max_size=2)
)
FIELDS = st.dictionaries(st.sampled_from(NAMES), VALUES, min_size=1, max_size=4)


class Wire:
    """Notes every address that this process connects to, and every name that it looks up, while `on`.

    An audit hook cannot be taken away again, so it is there once and switched.
    """

    def __init__(self) -> None:
        self.on, self.seen = False, set[Any]()
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.on and event == "socket.connect":
            self.seen.add(arguments[1][:2])
        if self.on and event == "socket.getaddrinfo":
            self.seen.add((arguments[0], int(arguments[1] or 0)))


WIRE = Wire()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestClient, FakeOpenAI]]:
    """A gateway on asyncio's own loop, whose connections the hook sees, and its only upstream."""
    with pytest.MonkeyPatch.context() as patch, FakeOpenAI({"vectors": vectors}) as upstream:
        patch.setenv("VENDOR_KEY", VENDOR_KEY)
        config = configuration(upstream.base_url, tmp_path_factory.mktemp("told"), BEHAVIOURS)
        with Switchpoint.of(config) as switchpoint, TestClient(switchpoint.app()) as client:
            yield client, upstream


def connected(client: TestClient, dialect: str, headers: dict[str, str], **fields: Any) -> set[Any]:
    """Return where the gateway connected to while it answered, or refused."""
    path, body = asking(dialect, **fields)
    WIRE.seen.clear()
    WIRE.on = True
    try:
        client.post(path, json=body, headers={"authorization": f"Bearer {ACME}", **headers})
    finally:
        WIRE.on = False
    return set(WIRE.seen)


def test_the_hook_sees_the_calls_of_the_gateway(told: tuple[TestClient, FakeOpenAI]):
    """Threat 5: else the next test could not fail."""
    client, upstream = told
    upstream.behaviours["hangs-up"] = BEHAVIOURS["hangs-up"]
    connected(client, "chat", {}, model="hangs-up")  # so that there is no connection left to be used again

    assert connected(client, "chat", {}) == {("127.0.0.1", upstream.port)}


@pytest.mark.parametrize("dialect", DIALECTS)
@settings(max_examples=60, deadline=None)
@given(fields=FIELDS, header=st.sampled_from(["x-base-url", "host", "x-forwarded-host", "x-api-base", "referer"]))
def test_no_field_and_no_header_of_a_request_changes_who_is_called(
    told: tuple[TestClient, FakeOpenAI], dialect: str, fields: dict[str, Any], header: str
):
    """Threat 5: whatever a caller writes, the gateway connects to the configured address or to none."""
    client, upstream = told

    assert connected(client, dialect, {header: "evil.invalid"}, **fields) <= {("127.0.0.1", upstream.port)}


@pytest.mark.parametrize("url", [ELSEWHERE, "file:///etc/passwd", "http://localhost:1/pixel.png"])
def test_an_image_is_never_fetched(told: tuple[TestClient, FakeOpenAI], url: str):
    """Threat 5: its address goes to the upstream as it came."""
    client, upstream = told
    said = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]

    assert connected(client, "chat", {}, messages=said) <= {("127.0.0.1", upstream.port)}
    assert url in str(upstream.requests[-1].body)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("stream", [False, True])
def test_a_redirection_is_not_followed(tmp_path: Path, status: int, stream: bool):
    """Threat 5: an upstream, or who stands in its place, cannot have the key shown elsewhere."""
    with FakeOpenAI() as other:

        async def redirecting(exchange: Exchange) -> None:
            await exchange.raw(b"", status, {"location": f"{other.base_url}/chat/completions"})

        with standing(tmp_path, {"redirects": redirecting}) as stand:
            response = stand.ask("chat", model="redirects", stream=stream)

        assert response.status_code == 502 and other.connections == 0
        assert other.base_url not in response.text


def test_each_upstream_is_shown_its_own_key_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Threat 5: a key is bound to the address that it is configured with."""
    monkeypatch.setenv("KEY_A", "the-key-of-a")
    monkeypatch.setenv("KEY_B", "the-key-of-b")
    with FakeOpenAI() as a, FakeOpenAI() as b:
        upstreams = {
            name: {"base_url": server.base_url, "api_key_env": f"KEY_{name.upper()}"}
            for name, server in (("a", a), ("b", b))
        }
        models = {f"of-{name}": {"upstream": name, "upstream_model": "ok"} for name in "ab"}
        engine = {"default_model": "of-a"}
        with standing(tmp_path, upstreams=upstreams, models=models, embeddings={}, engine=engine) as stand:
            _ask_both(stand)

        for name, server in (("a", a), ("b", b)):
            assert {r.headers["authorization"] for r in server.requests} == {f"Bearer the-key-of-{name}"}


def _ask_both(stand: Stand) -> None:
    for model in ("of-a", "of-b"):
        assert stand.ask("chat", model=model).status_code == 200
