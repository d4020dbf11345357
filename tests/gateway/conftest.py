"""A gateway on loopback, before a server that behaves as the model's name says."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal

import httpx2
import openai
import pytest

from switchpoint.cascades.resilient import Resilient
from switchpoint.cascades.threshold import ThresholdCascade
from switchpoint.core.attempt import Answer, Attempt, Verdict
from switchpoint.core.catalog import Catalog
from switchpoint.core.decision import Accept, Call, Decision, Reason, Step
from switchpoint.core.errors import NoEligibleModel, UnknownRecord
from switchpoint.core.model import Model
from switchpoint.core.protocols import Strategy
from switchpoint.core.query import Query
from switchpoint.core.record import Feedback, Record
from switchpoint.engine.engine import Engine
from switchpoint.gateway.app import create_app
from switchpoint.gateway.serve import serving
from switchpoint.gateway.service import Service
from switchpoint.routers.fixed import Fixed
from switchpoint.routers.routes import Routes
from switchpoint.upstreams.openai_compatible import OpenAICompatible
from switchpoint.verifiers.plain import checks
from tests.fake_openai import BEHAVIOURS, Behaviour, Exchange, FakeOpenAI, Received, answering, failing, in_turn

MAX_BODY_BYTES = 200_000
HEARTBEAT_S = 0.04
NO_USAGE = "no-usage"
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
USER = {"role": "user", "content": "What is 2 + 2?"}


class FirstOf:
    """The first eligible model of a list, with estimates in its decision."""

    def __init__(self, name: str, catalog: Catalog, *models: str, accept_reason: str = "answered") -> None:
        self.name, self.catalog, self.models, self.accept_reason = name, catalog, models, accept_reason

    def next(self, query: Query, attempts: Sequence[Attempt]) -> Step:
        if attempts and attempts[-1].answered:
            return Accept(attempt=len(attempts) - 1, reason=self.accept_reason)
        excluded = self.catalog.exclusions(query)
        left = [model for model in self.models if model not in excluded]
        if not left:
            raise NoEligibleModel(excluded)
        quality = {model: 0.5 for model in self.models}
        return Call(decision=Decision(model=left[0], router=self.name, reason=Reason.ESTIMATED, quality=quality))


def buggy(threshold: float) -> Strategy:
    raise ZeroDivisionError("a secret of the service")


def catalog_of(names: Sequence[str]) -> Catalog:
    behaving = [Model(id=f"acme/{name}", upstream="acme", upstream_model=name) for name in names]
    priced = Model(
        id="priced",
        upstream="acme",
        upstream_model="ok",
        input_usd_per_mtok=Decimal("0.5"),
        output_usd_per_mtok=Decimal(2),
        context_tokens=8000,
        can=frozenset({"tools", "vision"}),
    )
    dear = Model(
        id="dear", upstream="acme", upstream_model="ok", input_usd_per_mtok=Decimal(5), output_usd_per_mtok=Decimal(20)
    )
    plain = Model(id="plain", upstream="acme", upstream_model="ok", can=frozenset())
    return Catalog([priced, dear, plain, *behaving])


def routes_of(catalog: Catalog) -> Routes:
    def first_of(name: str, *models: str) -> Resilient:
        return Resilient(FirstOf(name, catalog, *models), catalog, retries=0)

    return Routes(
        catalog,
        {
            "best": first_of("best", "priced", "dear"),
            "sturdy": first_of("sturdy", "acme/fails", "acme/ok"),
            "doomed": first_of("doomed", "acme/fails", "acme/hangs-up"),
            "busy": first_of("busy", "acme/limited"),
            "cheap-first": ThresholdCascade("cheap-first", catalog, ["acme/empty", "acme/echo"], "checks", 0.5),
            "hurried": FirstOf("hurried", catalog, "priced", accept_reason="cost limit"),
            "held": ThresholdCascade("held", catalog, ["acme/drips", "acme/echo"], "checks", 0.5),
            "held-whole": ThresholdCascade("held-whole", catalog, ["acme/stalls", "acme/echo"], "checks", 0.5),
            "unread": ThresholdCascade("unread", catalog, ["acme/ok", "acme/echo"], "endless", 0.5),
            "slow-first": ThresholdCascade("slow-first", catalog, ["acme/slow", "acme/echo"], "checks", 0.5),
            "content": ThresholdCascade("content", catalog, ["acme/ok", "acme/echo"], "checks", 0.5),
        },
        auto="best",
        bypass=lambda model: Fixed("requested", catalog, model),
        at_threshold={
            "toy": lambda threshold: Fixed("toy", catalog, "dear" if threshold < 0.5 else "priced"),
            "buggy": buggy,
        },
    )


@dataclass
class Gateway:
    """The gateway under test and all that happened to it."""

    url: str
    upstream: FakeOpenAI
    records: list[Record]
    feedback: list[Feedback]
    verifying: threading.Event  # the slow verifier has begun
    abandoned: threading.Event  # and was cancelled
    client: openai.OpenAI = field(init=False)
    http: httpx2.Client = field(init=False)

    @property
    def sent(self) -> Received:
        """The last request that reached the upstream."""
        return self.upstream.requests[-1]

    @property
    def record(self) -> Record:
        """The last record."""
        return self.records[-1]

    def forget(self) -> Gateway:
        """Forget what happened to it."""
        for what in (self.upstream.requests, self.upstream.disconnected, self.records, self.feedback):
            what.clear()
        self.verifying.clear()
        self.abandoned.clear()
        return self

    def post(self, path: str = "/v1/chat/completions", **body: object) -> httpx2.Response:
        return self.http.post(path, json=body)


def after_a_while(behaviour: Behaviour) -> Behaviour:
    """Say nothing for several heartbeats first."""

    async def behave(exchange: Exchange) -> None:
        await asyncio.sleep(5 * HEARTBEAT_S)
        await behaviour(exchange)

    return behave


async def pausing(exchange: Exchange) -> None:
    """Answer in two pieces, with several heartbeats of silence between them."""
    await exchange.delta(content="Hel")
    await asyncio.sleep(5 * HEARTBEAT_S)
    await exchange.delta(content="lo")
    await exchange.delta("stop")
    await exchange.event("[DONE]")
    await exchange.end()


def more_behaviours() -> dict[str, Behaviour]:
    return {
        NO_USAGE: answering(usage=None),
        "empty": answering("", finish="stop"),
        "flaky": in_turn(answering()),
        "slow": after_a_while(answering()),
        "slow-to-fail": after_a_while(failing(500, "The server is tired.")),
        "pauses": pausing,
    }


@contextmanager
def running(**options: object) -> Iterator[Gateway]:
    """Run a gateway with these options of its service."""
    records: list[Record] = []
    feedback: list[Feedback] = []

    verifying, abandoned = threading.Event(), threading.Event()

    async def endless(query: Query, answer: Answer) -> Verdict:
        verifying.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            abandoned.set()
            raise
        return Verdict(score=1.0)

    def add_feedback(given: Feedback) -> None:
        if not any(record.id == given.record_id for record in records):
            raise UnknownRecord(given.record_id)
        feedback.append(given)

    with FakeOpenAI(more_behaviours()) as upstream:
        catalog = catalog_of([*BEHAVIOURS, *more_behaviours()])
        engine = Engine(
            catalog=catalog,
            upstreams={"acme": OpenAICompatible("acme", upstream.base_url, first_byte_timeout_s=2, idle_timeout_s=2)},
            sink=records.append,
            default_model="priced",
            baseline_model="dear",
            verifiers={"checks": checks, "endless": endless},
        )
        service = Service(
            engine=engine,
            routing=routes_of(catalog),
            add_feedback=add_feedback,
            metrics=lambda: b"switchpoint_queries_total 1.0\n",
            max_body_bytes=MAX_BODY_BYTES,
            **options,
        )
        app = create_app(lambda: service, on_close=engine.close)
        with serving(app) as url, openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
            gateway = Gateway(url, upstream, records, feedback, verifying, abandoned)
            gateway.client = client
            with httpx2.Client(base_url=url) as gateway.http:
                yield gateway


@pytest.fixture(scope="session")
def shared_gateway() -> Iterator[Gateway]:
    with running() as gateway:
        yield gateway


@pytest.fixture(scope="session")
def shared_beating_gateway() -> Iterator[Gateway]:
    with running(heartbeat_s=HEARTBEAT_S) as gateway:
        yield gateway


@pytest.fixture
def gateway(shared_gateway: Gateway) -> Gateway:
    """The gateway, with nothing remembered of other tests."""
    return shared_gateway.forget()


@pytest.fixture
def beating(shared_beating_gateway: Gateway) -> Gateway:
    """A gateway whose streams are never silent for more than HEARTBEAT_S, with nothing remembered of other tests."""
    return shared_beating_gateway.forget()


@pytest.fixture
def client(gateway: Gateway) -> openai.OpenAI:
    """The official client."""
    return gateway.client
