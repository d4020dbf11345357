"""Threat 14: keys, addresses or what others said, in an answer to somebody who asked for something else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from switchpoint.assembly.management import management_app
from switchpoint.assembly.reload import Live
from switchpoint.control.keys import digest
from switchpoint.core.attempt import Attempt, Failure
from switchpoint.core.decision import Decision, Reason
from switchpoint.core.errors import NoAnswer
from tests.fake_openai import Exchange
from tests.security.conftest import ACME, DIALECTS, OTHER, SPOKEN, VENDOR_KEY, Stand, asking, standing

TOKEN = "a-token-of-thirty-two-characters"
HEADER = "a-header-that-is-secret"
SECRETS = (VENDOR_KEY, HEADER, ACME, OTHER, digest(ACME), TOKEN)
PAGES = ("/admin/config", "/admin/config/versions", "/admin/keys", "/admin/budgets", "/admin/health", "/metrics", "/")


async def quoting(exchange: Exchange) -> None:
    """Refuse, and quote all that was sent."""
    message = f"{exchange.received.headers} {exchange.received.body}"
    await exchange.json({"error": {"message": message}}, 400)


async def breaking(exchange: Exchange) -> None:
    """Begin to answer, then fail with an error that quotes the key."""
    if exchange.received.streams:
        await exchange.delta(content="Hel")
        await exchange.event({"error": {"message": f"bad key {exchange.received.headers['authorization']}"}})
        await exchange.end()
    else:
        await exchange.raw(str(exchange.received.headers).encode(), 500)


async def page(exchange: Exchange) -> None:
    """Answer with a page that quotes the key, as a proxy in between might."""
    await exchange.raw(f"<html>{exchange.received.headers}</html>".encode(), 502, {"content-type": "text/html"})


ILL = {"quotes": quoting, "quotes-late": breaking, "quotes-a-page": page}


def with_header_and_nowhere(upstreams: dict[str, Any]) -> dict[str, Any]:
    nowhere = {"base_url": "http://127.0.0.1:1/v1", "api_key_env": "VENDOR_KEY"}
    return {"vendor": {**upstreams["vendor"], "headers": {"x-extra": HEADER}}, "nowhere": nowhere}


@pytest.fixture(scope="module")
def leaky(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with standing(
        tmp_path_factory.mktemp("leaky"),
        ILL,
        upstreams=with_header_and_nowhere,
        models=lambda models: {**models, "away": {"upstream": "nowhere"}},
    ) as stand:
        yield stand


@pytest.mark.parametrize("dialect", SPOKEN)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", [*ILL, "away", "nobody", "silent", "broken-json", "limited", "truncated"])
def test_no_error_in_any_dialect_holds_a_secret_or_an_address(leaky: Stand, dialect: str, stream: bool, model: str):
    """Threat 14: with whatever an upstream quotes, whole or in the middle of a stream."""
    response = leaky.ask(dialect, model=model, stream=stream, headers={"x-api-key": ACME})

    told = response.text + str(response.headers)
    assert "error" in told
    assert not [secret for secret in SECRETS if secret in told]
    assert model in ILL or "127.0.0.1" not in told  # what an upstream itself says of the request is passed on


def test_an_error_that_nobody_foresaw_tells_its_kind_and_nothing_else():
    """Threat 14: of an exception that is no error of ours the caller learns the class; the record has the rest."""
    decision = Decision(model="m", router="r", reason=Reason.FIXED)
    failure = Failure.of(KeyError(f"{VENDOR_KEY} at 10.0.0.7"))

    told = str(NoAnswer("it failed", [Attempt(decision=decision, failure=failure, latency_s=1.0)]))

    assert "KeyError" in told and VENDOR_KEY not in told and "10.0.0.7" not in told


@pytest.mark.parametrize("where", PAGES)
def test_no_page_of_the_management_listener_holds_a_secret(stand: Stand, where: str):
    """Threat 14: the configuration, keys and records as operators are shown them."""
    app = management_app(Live(stand.switchpoint, lambda: stand.switchpoint.config), TOKEN)
    stand.ask("chat")
    with TestClient(app, base_url="http://localhost") as client:
        told = client.get(where, headers={"authorization": f"Bearer {TOKEN}"}).text

    assert told and not [secret for secret in SECRETS if secret in told]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_who_shows_no_key_learns_nothing_of_what_is_served(stand: Stand, dialect: str):
    """Threat 14: neither models nor routes nor that a field is wrong: the key is looked at before the body."""
    path, body = asking(dialect, "no-such-model", nonsense={"a": 1})

    response = stand.client.post(path, json=body)

    assert response.status_code == 401 and "ok" not in response.json()["error"]["message"].split()


@pytest.mark.parametrize("path", ["/", "/v1", "/docs", "/admin/config", "/metrics", "/.env", "/v1/../admin/keys", "//"])
def test_what_is_not_served_tells_nothing(stand: Stand, path: str):
    """Threat 14: no version, no framework, no file."""
    response = stand.client.get(path)

    assert response.status_code in (401, 404)
    assert not {"server", "x-powered-by"} & set(response.headers)
