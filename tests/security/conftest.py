"""A gateway with keys before a server on loopback, and the same question in every dialect."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from switchpoint import Switchpoint
from switchpoint.control.keys import digest, new_secret
from switchpoint.core.record import Record
from switchpoint.gateway.serve import serving
from switchpoint.records.reader import RecordReader
from tests.fake_openai import BEHAVIOURS, Behaviour, Exchange, FakeOpenAI

ACME, OTHER = new_secret(), new_secret()
VENDOR_KEY = "the-vendors-own-secret"
TEXT = "What is 2 + 2?"
PRICE = {"input_usd_per_mtok": 1, "output_usd_per_mtok": 2, "max_output_tokens": 100}
DIALECTS = ("chat", "responses", "messages", "embeddings")
SPOKEN = DIALECTS[:3]


def asking(dialect: str, model: str = "ok", text: str = TEXT, **fields: Any) -> tuple[str, dict[str, Any]]:
    """Return the path and the body of a question in a dialect."""
    said = [{"role": "user", "content": text}]
    path, body = {
        "chat": ("/v1/chat/completions", {"model": model, "messages": said}),
        "responses": ("/v1/responses", {"model": model, "input": text}),
        "messages": ("/v1/messages", {"model": model, "max_tokens": 50, "messages": said}),
        "embeddings": ("/v1/embeddings", {"model": "vectors", "input": text}),
    }[dialect]
    return path, {**body, **fields}


async def vectors(exchange: Exchange) -> None:
    """Answer with one vector."""
    data = [{"index": 0, "embedding": [0.5], "object": "embedding"}]
    await exchange.json({"object": "list", "data": data, "model": "vectors", "usage": {"prompt_tokens": 3}})


@dataclass
class Stand:
    """The gateway under test and what is behind it."""

    switchpoint: Switchpoint
    client: httpx2.Client
    upstream: FakeOpenAI

    def ask(self, dialect: str, *, key: str = ACME, headers: Any = None, **fields: Any) -> httpx2.Response:
        """Ask in a dialect and return the response."""
        path, body = asking(dialect, **fields)
        sent = [("authorization", f"Bearer {key}"), *(headers or {}).items()]
        return self.client.post(path, content=json.dumps(body), headers=sent)

    def reached(self, dialect: str, **asked: Any) -> tuple[dict[str, str], dict[str, Any]]:
        """Ask, and return the headers and the body that reached the upstream for it."""
        self.upstream.requests.clear()
        response = self.ask(dialect, **asked)
        assert response.status_code == 200, response.text
        received = self.upstream.requests[-1]
        return received.headers, received.body

    def record(self, response: httpx2.Response) -> Record:
        """Return the record of a response."""
        log = self.switchpoint.log
        assert log is not None and log.flush(5.0) is not False
        return RecordReader(log.database).get(response.headers["x-switchpoint-record"])


def configuration(base_url: str, folder: Path, names: Mapping[str, Behaviour]) -> dict[str, Any]:
    vendor = {"base_url": base_url, "api_key_env": "VENDOR_KEY", "total_timeout_s": 2, "first_byte_timeout_s": 1}
    keys = {name: {"sha256": digest(secret), "tenant": name} for name, secret in (("acme", ACME), ("other", OTHER))}
    return {
        "upstreams": {"vendor": {**vendor, "idle_timeout_s": 1}},
        "models": {name: {"upstream": "vendor", "tier": "mid", **PRICE} for name in names},
        "embeddings": {"vectors": {"base_url": base_url, "model": "vectors", "dim": 1, "api_key_env": "VENDOR_KEY"}},
        "engine": {"retries": 0, "default_model": "ok"},
        "health": {"enabled": False},  # a breaker would keep the calls from the very faults that are tested
        "records": {"path": str(folder / "records.sqlite")},
        "access": {"required": True, "path": str(folder / "control.sqlite"), "keys": keys},
    }


@contextmanager
def standing(folder: Path, behaviours: Mapping[str, Behaviour] | None = None, **sections: Any) -> Iterator[Stand]:
    """Serve models that behave as their names say.

    sections : take the place of those of the configuration; a function makes one of the one that is there.
    """
    names = {**BEHAVIOURS, **(behaviours or {}), "vectors": vectors}
    with pytest.MonkeyPatch.context() as patch, FakeOpenAI(names) as upstream:
        patch.setenv("VENDOR_KEY", VENDOR_KEY)
        for name in ("DATABASE_URL", "REDIS_URL", "SWITCHPOINT_ADMIN_KEY"):
            patch.delenv(name, raising=False)
        config = configuration(upstream.base_url, folder, {**BEHAVIOURS, **(behaviours or {})})
        made = {name: said(config[name]) if callable(said) else said for name, said in sections.items()}
        with (
            Switchpoint.of({**config, **made}) as switchpoint,
            serving(switchpoint.app()) as url,
            httpx2.Client(base_url=url, timeout=20) as client,
        ):
            yield Stand(switchpoint, client, upstream)


@pytest.fixture(scope="session")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """A gateway that every test may ask, for what leaves nothing behind."""
    with standing(tmp_path_factory.mktemp("stand")) as found:
        yield found
