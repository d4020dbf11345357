"""What is secret stays so: planted in every place that holds a secret, it comes out of nothing that is told or kept."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from switchpoint.assembly.observability import secrets_of
from switchpoint.assembly.shown import shown
from switchpoint.assembly.switchpoint import Switchpoint
from switchpoint.gateway.serve import serving
from switchpoint.records.lines import configure
from tests.fake_openai import Exchange, FakeOpenAI, answering
from tests.records.test_tracing import receiver

TAG = "planted-tag"
KEY, HEADER, CALLERS_KEY = "planted-vendor-key", "planted-vendor-header", "sp-planted-gateway-key"
POOL = ("planted-pool-key-a", "planted-pool-key-b")
PASSWORD = "planted-password"
PROMPT, SYSTEM, TOOL, ANSWER = "planted-prompt", "planted-system", "planted-tool-result", "planted-answer"
SECRETS = (KEY, *POOL, HEADER, CALLERS_KEY, PASSWORD)
SAID = (PROMPT, SYSTEM, TOOL, ANSWER)
MESSAGES = [
    {"role": "system", "content": SYSTEM},
    {"role": "user", "content": PROMPT},
    {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function", "function": {}}]},
    {"role": "tool", "tool_call_id": "c", "content": TOOL},
]


async def quoting(exchange: Exchange) -> None:
    """Refuse, and quote all that was sent."""
    message = f"cannot do {exchange.received.body} with {exchange.received.headers}"
    await exchange.json({"error": {"message": message, "type": "invalid_request_error"}}, 400)


async def garbling(exchange: Exchange) -> None:
    """Answer with something that is not JSON, and quotes what was sent."""
    await exchange.raw(f"<{exchange.received.body}>".encode())


BEHAVIOURS = {"says": answering(ANSWER), "quotes": quoting, "garbles": garbling, "empty": answering("")}
MODELS = ("says", "quotes", "garbles", "empty", "silent", "drips", "stalls", "truncated", "hangs-up")


class Told:
    """All that a gateway told and kept."""

    def __init__(self) -> None:
        self.logs, self.spans, self.errors = io.StringIO(), "", ""
        self.metrics = self.records = self.models = self.config = ""

    def everything(self) -> dict[str, str]:
        return {**vars(self), "logs": self.logs.getvalue()}


def configuration(base_url: str, folder: Path) -> dict[str, Any]:
    vendor = {"base_url": base_url, "api_key_env": "PLANTED_KEY", "headers": {"x-extra": HEADER}}
    return {
        "upstreams": {
            "vendor": {**vendor, "total_timeout_s": 0.3, "first_byte_timeout_s": 0.2},
            "pool": {"base_url": base_url, "api_keys_env": ["PLANTED_POOL_A", "PLANTED_POOL_B"]},
        },
        "models": {
            **{name: {"upstream": "vendor", "tier": "mid"} for name in MODELS},
            "pooled": {"upstream": "pool", "upstream_model": "quotes", "tier": "mid"},
        },
        "cascades": {"careful": {"models": ["empty", "says"], "verifier": "checks", "threshold": 0.5}},
        "engine": {"retries": 0, "default_model": "says"},
        "records": {"path": str(folder / "records.sqlite")},
        "observability": {"log_requests": True, "otlp_endpoint_env": "PLANTED_COLLECTOR"},
    }


def ask(client: httpx2.Client, model: str, *, stream: bool) -> str:
    """Ask once; of a stream without end only the beginning is read."""
    body = {"model": model, "messages": MESSAGES, "stream": stream}
    headers = {"authorization": f"Bearer {CALLERS_KEY}", "x-switchpoint-tags": f"note={TAG}"}
    with client.stream("POST", "/v1/chat/completions", json=body, headers=headers) as response:
        if model == "drips":
            return next(response.iter_text(), "")
        said = response.read().decode()
        return said if response.status_code >= 400 or "error" in said else ""


def unexpected() -> None:
    """Log what a bug would: an error that quotes a prompt, caused by another one."""
    try:
        try:
            raise KeyError(PROMPT)
        except KeyError as cause:
            raise ValueError(f"{SYSTEM} {KEY} {' '.join(POOL)} postgresql://user:{PASSWORD}@db/x") from cause
    except ValueError as error:
        logging.getLogger("switchpoint.gateway.answering").error("A request failed unexpectedly.", exc_info=error)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    told, folder = Told(), tmp_path_factory.mktemp("records")
    with pytest.MonkeyPatch.context() as patch, FakeOpenAI(BEHAVIOURS) as server, receiver() as (collector, received):
        patch.setenv("PLANTED_KEY", KEY)
        for name, key in zip("AB", POOL, strict=True):
            patch.setenv(f"PLANTED_POOL_{name}", key)
        patch.setenv("PLANTED_COLLECTOR", collector.removesuffix("/v1/traces"))
        switchpoint = Switchpoint.of(configuration(server.base_url, folder))
        listener = configure("json", "debug", secrets=secrets_of(switchpoint.config), stream=told.logs)
        with serving(switchpoint.app()) as url, httpx2.Client(base_url=url, timeout=10) as client:
            for model in (*MODELS, "pooled", "careful"):
                told.errors += ask(client, model, stream=False) if model != "drips" else ""
                told.errors += ask(client, model, stream=True)
            told.models = client.get("/v1/models").text
        unexpected()
        told.metrics = switchpoint.metrics.render().decode()
        told.config = str(shown(switchpoint.config))
        switchpoint.close()
        listener.stop()
        told.spans = str(received)
    told.records = "".join(path.read_bytes().decode("latin-1") for path in folder.iterdir())
    yield told


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("place", vars(Told()))
def test_no_secret_is_told_or_kept_anywhere(told: Told, place: str, secret: str):
    assert secret not in told.everything()[place]


@pytest.mark.parametrize("text", SAID)
@pytest.mark.parametrize("place", [place for place in vars(Told()) if place != "errors"])
def test_nothing_that_was_said_is_told_or_kept_anywhere(told: Told, place: str, text: str):
    assert text not in told.everything()[place]


@pytest.mark.parametrize("place", ["logs", "spans", "metrics"])
def test_a_tag_is_kept_in_the_records_and_told_nowhere_else(told: Told, place: str):
    assert TAG in told.records
    assert TAG not in told.everything()[place]


@pytest.mark.parametrize("outcome", ["answered", "failed", "cancelled"])
def test_every_place_tells_of_requests_of_every_outcome(told: Told, outcome: str):
    for place in ("logs", "spans", "metrics", "records"):
        assert outcome in told.everything()[place], place


@pytest.mark.parametrize("kind", ["UpstreamTimeout", "UpstreamRefused", "BadAnswer"])
def test_every_place_tells_of_every_failure(told: Told, kind: str):
    for place in ("logs", "spans", "metrics", "records"):
        assert kind in told.everything()[place], place


def test_the_caller_is_told_what_the_vendor_said_of_the_request_without_the_key(told: Told):
    assert "cannot do" in told.errors and "***" in told.errors
