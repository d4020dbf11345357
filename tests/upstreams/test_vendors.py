"""Vendors by configuration: the address, the header of the key, and the query string that each wants."""

from typing import Any

import pytest

from switchpoint.assembly.parts import upstreams_of
from switchpoint.config.read import parse
from switchpoint.core.errors import ConfigError
from switchpoint.core.protocols import Upstream
from switchpoint.upstreams.openai_compatible import OpenAICompatible
from tests.fake_gemini import FakeGemini
from tests.fake_openai import TEXT, FakeOpenAI
from tests.upstreams.conftest import KEY, QUERY, collect, named


def configured(monkeypatch: pytest.MonkeyPatch, **section: Any) -> Upstream:
    """Return the upstream that a section of the configuration makes."""
    monkeypatch.setenv("SOME_KEY", KEY)
    upstream = {"api_key_env": "SOME_KEY", **section}
    return upstreams_of(parse({"upstreams": {"acme": upstream}, "models": {"ok": {"upstream": "acme"}}}))["acme"]


async def test_azure_has_its_key_alone_in_a_header_and_a_version_in_the_query(
    server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    azure = configured(
        monkeypatch, base_url=f"{server.base_url}/d?a=b", api_key_header="api-key", query={"api-version": "2024-10-21"}
    )
    await azure.complete(named("ok"), QUERY)
    await azure.close()

    [request] = server.requests
    assert request.path == "/v1/d/chat/completions?a=b&api-version=2024-10-21"
    assert request.headers["api-key"] == KEY
    assert "authorization" not in request.headers


@pytest.mark.parametrize("header", ["Authorization", "authorization"])
async def test_a_key_for_authorization_is_a_bearers(server: FakeOpenAI, header: str) -> None:
    upstream = OpenAICompatible("acme", server.base_url, KEY, api_key_header=header)
    await upstream.complete(named("ok"), QUERY)
    await upstream.close()

    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


async def test_a_key_in_another_header_is_masked_too(server: FakeOpenAI) -> None:
    upstream = OpenAICompatible("acme", server.base_url, KEY, api_key_header="api-key", query={"api-version": "1"})

    assert KEY not in repr(upstream)
    await upstream.close()


async def test_gemini_is_called_as_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeGemini() as server:
        gemini = configured(monkeypatch, kind="gemini", base_url=server.base_url)
        chunks = await collect(gemini, named("ok"))
        await gemini.close()

    assert "".join(chunk.text for chunk in chunks) == TEXT
    assert server.requests[0].headers["x-goog-api-key"] == KEY


def test_a_provider_of_the_library_needs_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="provider"):
        configured(monkeypatch, kind="any_llm")
