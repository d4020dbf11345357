"""One gateway with keys, a router and a cascade over two vendors, and the official clients of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from switchpoint.assembly.switchpoint import Switchpoint
from switchpoint.control.keys import digest, new_secret
from switchpoint.core.record import Record
from switchpoint.gateway.serve import serving
from switchpoint.records.reader import RecordReader
from tests.clients.vendors import anthropic_vendor, embedding, openai_vendor
from tests.fake_anthropic import FakeAnthropic
from tests.fake_openai import FakeOpenAI, Received
from tests.gateway.test_streams import wait_for

KEY, NARROW, METERED, POOR = (new_secret() for _ in range(4))
"""Keys: for everything; for one route; with two requests a minute; with hardly any money."""

ROUTER, BEST, CASCADE, DRAW = "half", "best-one", "careful", "draw"
ROUTES = (ROUTER, BEST, CASCADE)
"""What every question is asked of; the first router has the weak model answer what is easy, the second never does."""

MINI: dict[str, Any] = {"upstream": "first", "input_usd_per_mtok": 0.1, "output_usd_per_mtok": 0.4}
MAXI: dict[str, Any] = {"upstream": "second", "input_usd_per_mtok": 3, "output_usd_per_mtok": 15}


def configuration(first: FakeOpenAI, second: FakeAnthropic, folder: Path) -> dict[str, Any]:
    """A weak model in OpenAI's form and a strong one in Anthropic's; a route of each kind over both."""
    return {
        "upstreams": {
            "first": {"base_url": first.base_url},
            "second": {"kind": "anthropic", "base_url": second.base_url},
        },
        "models": {
            "mini": {**MINI, "tier": "weak", "max_output_tokens": 100},
            "maxi": {**MAXI, "tier": "strong", "max_output_tokens": 4000, "can": ["tools", "vision", "json_schema"]},
            **{name: MINI for name in ("limited", "fails", "refuses", "error-event", "silent")},
        },
        "routers": {
            ROUTER: {"kind": "utility", "models": ["mini", "maxi"], "strong_share": 0.5},
            BEST: {"kind": "best", "models": ["mini", "maxi"]},
            DRAW: {"kind": "random", "models": ["mini", "maxi"]},
        },
        "cascades": {CASCADE: {"models": ["mini", "maxi"], "verifier": "checks", "threshold": 0.5}},
        "embeddings": {"vectors": {"base_url": first.base_url, "model": "vendor-vectors", "dim": 3}},
        "engine": {"default_model": "maxi", "retries": 0},
        "health": {"enabled": False},  # tests fail the same models again and again
        "records": {"path": str(folder / "records.sqlite")},
        "access": access(folder),
    }


def access(folder: Path) -> dict[str, Any]:
    keys = {"all": {"sha256": digest(KEY)}, "narrow": {"sha256": digest(NARROW), "routes": [CASCADE]}}
    keys |= {"metered": {"sha256": digest(METERED)}, "poor": {"sha256": digest(POOR)}}
    return {
        "required": True,
        "path": str(folder / "control.sqlite"),
        "keys": keys,
        "limits": [{"key": "metered", "requests_per_min": 2}],
        "budgets": [{"key": "poor", "usd": 1e-9, "per": "total"}],
    }


@dataclass(slots=True, kw_only=True)
class World:
    """The gateway, what is behind it, and the clients; `url` is without /v1. newest : record before the test."""

    url: str
    first: FakeOpenAI
    second: FakeAnthropic
    switchpoint: Switchpoint
    openai: openai.OpenAI
    anthropic: anthropic.Anthropic
    newest: str | None = None

    @property
    def sent(self) -> list[Received]:
        """Every request that reached a vendor."""
        return [*self.first.requests, *self.second.requests]

    @property
    def reader(self) -> RecordReader:
        log = self.switchpoint.log
        assert log is not None
        log.flush()
        return RecordReader(log.path)

    def record(self, headers: Any) -> Record:
        """Return the record that the headers of a response name."""
        return self.reader.get(headers["x-switchpoint-record"])

    def last_record(self) -> Record:
        """Return the newest record of the test, which may be about to be written."""
        assert wait_for(lambda: self.newest_id() != self.newest, timeout_s=5.0)
        return self.reader.list(limit=1)[0]

    def newest_id(self) -> str | None:
        return next((record.id for record in self.reader.list(limit=1)), None)

    def records(self) -> list[Record]:
        """Return the records of the test, the newest first."""
        return [*takewhile(lambda record: record.id != self.newest, self.reader.list(limit=100))]

    def arrived(self) -> None:
        """Wait until a vendor was asked by the last model of a route, and has begun to answer."""
        assert wait_for(lambda: any(received.streams for received in self.sent), timeout_s=5.0)

    def left(self, model: str) -> bool:
        """Wait until the vendor of a model was left in the middle of an answer."""
        return {"mini": self.first, "maxi": self.second}[model].disconnected.wait(5.0)

    def openai_with(self, key: str, **options: Any) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=key, **{"max_retries": 0, **options})

    def anthropic_with(self, key: str, **options: Any) -> anthropic.Anthropic:
        return anthropic.Anthropic(base_url=self.url, api_key=key, **{"max_retries": 0, **options})


@contextmanager
def running(folder: Path) -> Iterator[World]:
    """Run the gateway and its vendors while the block runs; records are kept in the folder."""
    vendor = {"mini": openai_vendor(weak=True), "vendor-vectors": embedding}
    with ExitStack() as stack:
        first = stack.enter_context(FakeOpenAI(vendor))
        second = stack.enter_context(FakeAnthropic({"maxi": anthropic_vendor}))
        switchpoint = stack.enter_context(Switchpoint.of(configuration(first, second, folder)))
        url = stack.enter_context(serving(switchpoint.app()))
        chat = stack.enter_context(openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0))
        messages = stack.enter_context(anthropic.Anthropic(base_url=url, api_key=KEY, max_retries=0))
        yield World(url=url, first=first, second=second, switchpoint=switchpoint, openai=chat, anthropic=messages)


@pytest.fixture(scope="package")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running(tmp_path_factory.mktemp("clients")) as world:
        yield world


@pytest.fixture
def world(shared: World) -> World:
    """The gateway, its vendors having forgotten other tests."""
    for vendor in (shared.first, shared.second):
        vendor.requests.clear()
        vendor.disconnected.clear()
    shared.newest = shared.newest_id()
    return shared


@pytest.fixture(params=ROUTES)
def route(request: pytest.FixtureRequest) -> str:
    """The route that is asked: two routers, then a cascade."""
    return str(request.param)
