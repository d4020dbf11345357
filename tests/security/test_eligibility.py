"""Threat 18: a model that a query may not go to, reached by way of a retry, a fallback or an escalation."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest

from switchpoint.control.keys import digest
from tests.fake_openai import BEHAVIOURS, Behaviour, answering, failing, hanging_up, sending, truncated
from tests.security.conftest import OTHER, PRICE, SPOKEN, Stand, standing

MODELS = ("m0", "m1", "m2", "m3")
ALLOWED = [frozenset(pair) for pair in combinations(MODELS, 2)]
FAILURES: dict[str, Behaviour] = {
    "500": failing(500),
    "503": failing(503),
    "429": failing(429, headers={"retry-after": "0"}),
    "400": failing(400),
    "401": failing(401),
    "404": failing(404),
    "413": failing(413),
    "hangs up": hanging_up,
    "garbles": sending(b"{"),
    "truncates": truncated,
    "empty": answering("", finish="stop"),
    "errs in a stream": BEHAVIOURS["error-event"],
    "answers": answering(),
}
ROUTERS: dict[str, Any] = {
    "worth": {"kind": "utility", "willingness_usd": 1.0},
    "share": {"kind": "utility", "strong_share": 0.5},
    "floor": {"kind": "utility", "quality_floor": 0.9},
    "close": {"kind": "utility", "within_of_best": 0.05},
    "paced": {"kind": "utility", "target_usd_per_1k": 0.1},
    "exploring": {"kind": "utility", "willingness_usd": 1.0, "explore": 0.5},
    "ruled": {
        "kind": "rules",
        "rules": [{"name": "all", "use": "m0", "min_chars": 1}],
        "otherwise": "best",
    },
    "topical": {
        "kind": "semantic",
        "routes": {"sums": {"utterances": ["What is 2 + 2?", "What is 3 + 4?"], "use": "m1", "threshold": 0.1}},
        "otherwise": "cheapest",
    },
}
CASCADES: dict[str, Any] = {
    "stepwise": {"models": ["m0", "m1", "m2", "m3"], "verifier": "checks", "threshold": 0.5},
}
ROUTES = (*ROUTERS, *CASCADES, "bundled", "cheapest", "best", "random", "length", "m0")


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """Four models, and a second key that may use two of them."""
    tiers = dict(zip(MODELS, ("weak", "mid", "mid", "strong"), strict=True))
    restricted = {"sha256": digest(OTHER), "tenant": "other", "models": ["m1", "m2"]}
    with standing(
        tmp_path_factory.mktemp("pool"),
        {name: answering() for name in MODELS},
        models={name: {"upstream": "vendor", "tier": tier, **PRICE} for name, tier in tiers.items()},
        routers=ROUTERS,
        cascades=CASCADES,
        engine={"retries": 1, "backoff_s": 0, "default_model": "m3", "retry_burst": 10_000},
        access=lambda access: {**access, "keys": {**access["keys"], "other": restricted}},
    ) as stand:
        yield stand


def called(pool: Stand, failure: str, **asked: Any) -> set[str]:
    """Ask with every model failing so, and return the models that were called."""
    for name in MODELS:
        pool.upstream.behaviours[name] = FAILURES[failure]
    pool.upstream.requests.clear()
    pool.ask(**asked)
    return {received.model for received in pool.upstream.requests}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("route", ROUTES)
def test_no_policy_and_no_failure_reaches_a_model_outside_of_what_is_allowed(pool: Stand, route: str, failure: str):
    """Threat 18: every pair of models, whole and streamed, on every hop."""
    for allowed in ALLOWED:
        for stream in (False, True):
            asked = {"dialect": "chat", "model": route, "stream": stream, "switchpoint": {"allow": sorted(allowed)}}
            assert called(pool, failure, **asked) <= allowed


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("dialect", SPOKEN)
def test_a_key_reaches_its_own_models_alone_whatever_it_allows_itself(pool: Stand, dialect: str, failure: str):
    """Threat 18: the caller's list narrows that of his key and never widens it."""
    for route in ROUTES:
        asked = {"dialect": dialect, "model": route, "key": OTHER}
        assert called(pool, failure, **asked) <= {"m1", "m2"}
        assert called(pool, failure, **asked, switchpoint={"allow": ["m0", "m2", "m3"]}) <= {"m2"}


@pytest.mark.parametrize("route", ROUTES)
def test_what_a_model_cannot_do_excludes_it_on_every_hop(pool: Stand, route: str):
    """Threat 18: a request that fits no model is refused before any call, and nothing falls back to one."""
    asked = {"dialect": "chat", "model": route, "switchpoint": {"max_cost_usd": 0.0}}

    assert called(pool, "500", **asked) == set()
