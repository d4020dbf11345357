"""Semantic routes with an embedder: three lines in a program, and a router of a configuration."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from switchpoint import SemanticRoutes, Switchpoint
from switchpoint.core.decision import Reason
from switchpoint.core.errors import ConfigError, Refused
from switchpoint.core.query import FloatArray
from switchpoint.records.reader import RecordReader

ROUTES = """
[routes.account]
utterances = ["I forgot my password", "how do I change my email address", "I cannot log in"]
use = "big"
[routes.advice]
utterances = ["should I buy this stock", "where should I invest my savings", "is gold a good investment"]
refuse = "We give no investment advice."
"""


def configuration(tmp_path: Path, **topics: object) -> dict:
    (tmp_path / "routes.toml").write_text(ROUTES)
    router = {"kind": "semantic", "file": str(tmp_path / "routes.toml"), "otherwise": "mini", **topics}
    return {
        "upstreams": {"fake": {"kind": "fake", "script": {"mini": ["from mini"], "big": ["from big"]}}},
        "models": {"mini": {"upstream": "fake", "tier": "weak"}, "big": {"upstream": "fake", "tier": "strong"}},
        "routers": {"topics": router},
        "records": {"path": str(tmp_path / "records.sqlite")},
    }


def test_three_lines_are_enough(tmp_path: Path) -> None:
    (tmp_path / "routes.toml").write_text(ROUTES)

    routes = SemanticRoutes.load(tmp_path / "routes.toml")

    assert routes("how do I change my password?").name == "account"
    assert routes("prove the Riemann hypothesis").name is None


def test_an_embedder_of_your_own_may_be_given() -> None:
    class Initial:
        name, dim = "initial-26", 26

        def embed(self, texts: Sequence[str]) -> FloatArray:
            return np.array([np.eye(26)[ord(text[0].lower()) - 97] for text in texts])

    routes = SemanticRoutes.of({"routes": {"a": {"utterances": ["apple"]}}, "alpha": 1, "top": 1}, Initial())

    assert (routes("aorta").name, routes("Banana").name) == ("a", None)


def test_an_unknown_embedder_is_told_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'static'?"):
        SemanticRoutes.of({"routes": {"a": {"utterances": ["apple"]}}}, "sttic")


def test_a_matching_route_decides_and_the_decision_says_which(tmp_path: Path) -> None:
    with Switchpoint.of(configuration(tmp_path)) as switchpoint:
        matched = switchpoint.route("I forgot my password again", "topics")
        other = switchpoint.route("prove the Riemann hypothesis", "topics")

    assert (matched.model, matched.router, matched.reason) == ("big", "topics", Reason.SEMANTIC)
    assert matched.detail.startswith("route account, score 0.")
    assert (other.model, other.reason) == ("mini", Reason.FIXED)


async def test_a_refusal_is_an_error_and_a_record_that_says_so(tmp_path: Path) -> None:
    async with Switchpoint.of(configuration(tmp_path)) as switchpoint:
        with pytest.raises(Refused, match="We give no investment advice."):
            await switchpoint.run("where should I invest my savings?", "topics")

    (record,) = RecordReader(tmp_path / "records.sqlite").list()
    assert (record.outcome, record.strategy, record.attempts) == ("refused", "topics", ())
    assert record.cost_usd == 0


@pytest.mark.parametrize("stream", [False, True])
def test_a_caller_is_refused_in_openais_words(tmp_path: Path, stream: bool) -> None:
    body = {
        "model": "topics",
        "stream": stream,
        "messages": [{"role": "user", "content": "is gold a good investment?"}],
    }
    with Switchpoint.of(configuration(tmp_path)) as switchpoint, TestClient(switchpoint.app()) as client:
        response = client.post("/v1/chat/completions", content=json.dumps(body))

    assert response.status_code == 403
    assert response.json()["error"] == {
        "message": "We give no investment advice.",
        "type": "invalid_request_error",
        "param": None,
        "code": "refused",
    }


def test_a_route_may_use_another_router_and_circles_are_refused(tmp_path: Path) -> None:
    loop = {"utterances": ["again"], "use": "topics"}
    inline = {"kind": "semantic", "routes": {"loop": loop}, "otherwise": "mini"}
    good = {"kind": "semantic", "routes": {"loop": {**loop, "use": "best"}}, "otherwise": "mini"}
    base = configuration(tmp_path)

    with Switchpoint.of({**base, "routers": {"topics": good}}) as switchpoint:
        assert switchpoint.route("again", "topics").model == "big"
    with pytest.raises(ConfigError, match="go in a circle: topics -> topics"):
        Switchpoint.of({**base, "routers": {"topics": inline}})


def test_the_same_utterance_in_two_routes_is_told_with_both_places(tmp_path: Path) -> None:
    both = {"kind": "semantic", "otherwise": "mini"}
    routes = {name: {"utterances": ["x"], "use": "big"} for name in ("a", "b")}

    with pytest.raises(ConfigError, match=r"routers.topics: routes.b.utterances.0: 'x' stands at routes.a.utterances"):
        Switchpoint.of({**configuration(tmp_path), "routers": {"topics": {**both, "routes": routes}}})
