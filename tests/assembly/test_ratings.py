"""A rated router as a configuration describes it: who is asked before which strategy decides."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from switchpoint import Switchpoint
from switchpoint.core.decision import Reason
from switchpoint.core.errors import ArtifactError, ConfigError
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import Query
from switchpoint.estimators import artifact
from switchpoint.estimators.rating import RatedQuality

MODELS = {
    "mini": {"upstream": "fake", "tier": "weak", "input_usd_per_mtok": 0.25, "output_usd_per_mtok": 2},
    "big": {"upstream": "fake", "tier": "strong", "input_usd_per_mtok": 1.25, "output_usd_per_mtok": 10},
    "judge": {"upstream": "fake", "input_usd_per_mtok": 0.1, "output_usd_per_mtok": 0.1},
}
RATED = {"kind": "rated", "rater": "judge", "models": ["mini", "big"], "threshold": 0.7, "time_box_s": 60}


def configuration(says: str, **more: Any) -> dict:
    script = {"mini": ["from mini"], "big": ["from big"], "judge": [says]}
    return {
        "upstreams": {"fake": {"kind": "fake", "script": script}},
        "models": MODELS,
        "routers": {"asked": RATED},
        "records": {"enabled": False},
        **more,
    }


def routers(**changes: Any) -> dict:
    return {"asked": {key: value for key, value in {**RATED, **changes}.items() if value is not None}}


@pytest.mark.parametrize(("says", "chosen"), [("1", "mini"), ("5", "big")])
async def test_the_rating_decides(says: str, chosen: str) -> None:
    async with Switchpoint.of(configuration(says)) as switchpoint:
        record = await switchpoint.run("hello", "asked")

    assert record.answered_by == chosen
    assert record.attempts[0].decision.reason is Reason.ESTIMATED
    assert record.preparation_usd > 0


@pytest.mark.parametrize("way", [{}, {"threshold": None, "willingness_usd": 0.0}])
async def test_without_a_rating_the_default_model_answers(way: dict) -> None:
    async with Switchpoint.of(configuration("I would not know", routers=routers(**way))) as switchpoint:
        record = await switchpoint.run("hello", "asked")

    assert record.answered_by == "big"
    assert record.attempts[0].decision.reason is Reason.NO_EVIDENCE


async def test_deciding_alone_asks_nobody_and_a_prepared_decision_asks_the_rater() -> None:
    async with Switchpoint.of(configuration("1")) as switchpoint:
        calls = switchpoint.engine.upstreams["fake"].upstream.calls
        alone = switchpoint.route("hello", "asked")
        asked_by_then = len(calls)
        prepared = await switchpoint.prepared_route("hello", "asked")

    assert (alone.model, asked_by_then) == ("big", 0)
    assert (prepared.model, len(calls)) == ("mini", 1)


async def test_a_threshold_in_the_name_asks_the_rater_too() -> None:
    async with Switchpoint.of(configuration("5")) as switchpoint:
        record = await switchpoint.run("hello", "router-asked-1.0")

    assert record.answered_by == "mini"
    assert record.preparation_usd > 0


async def test_rules_ask_the_raters_of_the_routers_that_they_name_and_other_routers_ask_nobody() -> None:
    rules = {"kind": "rules", "rules": [{"name": "long", "min_chars": 500, "use": "big"}], "otherwise": "asked"}
    both = configuration("1", routers={"asked": RATED, "house": rules})

    async with Switchpoint.of(both) as switchpoint:
        house, cheapest = await switchpoint.run("hello", "house"), await switchpoint.run("hello", "cheapest")

    assert (house.answered_by, house.preparation_usd > 0) == ("mini", True)
    assert cheapest.preparation_usd == 0


async def test_a_semantic_route_asks_the_rater_of_the_router_that_it_names() -> None:
    topic = {"utterances": ["hello", "hello there"], "threshold": 0.1, "use": "asked"}
    topics = {"kind": "semantic", "routes": {"greeting": topic}, "otherwise": "big"}

    async with Switchpoint.of(configuration("1", routers={"asked": RATED, "topics": topics})) as switchpoint:
        record = await switchpoint.run("hello", "topics")

    assert (record.answered_by, record.preparation_usd > 0) == ("mini", True)


def fitted(folder: Path, signal: str) -> str:
    queries = tuple(Query(id=str(i), messages=(), signals={signal: float(i % 2)}) for i in range(40))
    quality = np.array([[1.0 - i % 2, 0.9] for i in range(40)])
    outcomes = Outcomes(
        queries=queries,
        models=("mini", "big"),
        quality=quality,
        cost_usd=quality * np.nan,
        domains=("x",) * 40,
    )
    artifact.write(RatedQuality(signal).fit(outcomes), folder, created="2026-01-01")
    return str(folder)


async def test_a_fitted_artifact_says_what_a_rating_is_worth(tmp_path: Path) -> None:
    # The outcomes say that what this rater calls easy (1) is what the weak model gets wrong.
    folder = fitted(tmp_path / "artifact", "ease:difficulty:judge")

    async with Switchpoint.of(configuration("1", routers=routers(artifact=folder))) as switchpoint:
        record = await switchpoint.run("hello", "asked")

    assert record.answered_by == "big"
    assert record.attempts[0].decision.quality["mini"] < 0.3


def test_an_artifact_of_another_rater_is_refused(tmp_path: Path) -> None:
    folder = fitted(tmp_path / "artifact", "ease:tier:judge")

    with pytest.raises(ArtifactError, match="was fitted to the signal 'ease:tier:judge'"):
        Switchpoint.of(configuration("1", routers=routers(artifact=folder)))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rater": "juge"}, "routers.asked.rater: unknown name 'juge'. Did you mean 'judge'"),
        ({"threshold": None}, "Give one of willingness_usd, threshold"),
        ({"way": "mood"}, "routers.asked.way"),
        ({"strong_share": 0.5}, "routers.asked.strong_share: unknown key"),
        ({"time_box_s": 0}, "routers.asked.time_box_s"),
    ],
)
def test_faults_are_named_with_their_place(changes: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Switchpoint.of(configuration("1", routers=routers(**changes)))


def test_the_gateway_decides_on_a_prepared_query() -> None:
    with Switchpoint.of(configuration("1")) as switchpoint, TestClient(switchpoint.app()) as client:
        body = {"model": "asked", "text": "hello"}
        decision = client.post("/v1/route", json=body).json()["decision"]

    assert (decision["model"], decision["reason"]) == ("mini", "estimated")
