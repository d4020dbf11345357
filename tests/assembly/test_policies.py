"""The ways in which a router by estimates decides: as configured, and as set for one request."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from switchpoint import Switchpoint
from switchpoint.core.errors import ConfigError, RequestError

MODELS = {
    "mini": {"upstream": "fake", "tier": "weak", "input_usd_per_mtok": 0.25, "output_usd_per_mtok": 2},
    "big": {"upstream": "fake", "tier": "strong", "input_usd_per_mtok": 1.25, "output_usd_per_mtok": 10},
}


def configuration(tmp_path: Path, **router: object) -> dict:
    return {
        "upstreams": {"fake": {"kind": "fake", "script": {"mini": ["from mini"], "big": ["from big"]}}},
        "models": MODELS,
        "routers": {"mine": {"kind": "utility", "max_novelty": 1.0, **router}},
        "records": {"path": str(tmp_path / "records.sqlite")},
    }


def chosen(raw: Mapping[str, object], route: str = "mine") -> str:
    with Switchpoint.of(raw) as switchpoint:
        return switchpoint.route("What is two and two?", route).model


@pytest.mark.parametrize(
    ("way", "model"),
    [
        ({"quality_floor": 0.0}, "mini"),
        ({"quality_floor": 1.0}, "big"),
        ({"within_of_best": 1.0}, "mini"),
        ({"within_of_best": 0.0}, "big"),
        ({"target_usd_per_1k": 1.0}, "mini"),
        ({"target_usd_per_1k": 1.0, "willingness_usd": 100.0}, "big"),
    ],
    ids=str,
)
def test_a_configured_way_decides(tmp_path: Path, way: dict, model: str) -> None:
    assert chosen(configuration(tmp_path, **way)) == model


@pytest.mark.parametrize(
    ("setting", "model"),
    [
        ("quality=0", "mini"),
        ("quality=1", "big"),
        ("within=1", "mini"),
        ("within=0", "big"),
        ("share=0.0", "mini"),
        ("share=1", "big"),
        ("willingness_usd=0", "mini"),
        ("willingness_usd=inf", "big"),
        ("usd_per_1k=1", "mini"),
    ],
)
@pytest.mark.parametrize("route", ["auto", "mine"])
def test_a_caller_sets_the_way_for_one_request(tmp_path: Path, route: str, setting: str, model: str) -> None:
    assert chosen(configuration(tmp_path, willingness_usd=0.01), f"{route}:{setting}") == model


def test_two_ways_at_once_contradict_each_other(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="quality_floor and within_of_best are different ways"):
        Switchpoint.of(configuration(tmp_path, quality_floor=0.5, within_of_best=0.1))


async def test_a_budget_learns_from_the_records_of_its_router(tmp_path: Path) -> None:
    async with Switchpoint.of(configuration(tmp_path, target_usd_per_1k=0.0001, willingness_usd=100.0)) as switchpoint:
        answers = [(await switchpoint.run(f"question {number}", "mine")).answered_by for number in range(25)]

    assert answers[0] == "big" and answers[-1] == "mini"


async def test_the_budget_of_a_caller_is_apart_from_that_of_the_configuration(tmp_path: Path) -> None:
    async with Switchpoint.of(configuration(tmp_path, target_usd_per_1k=0.0001, willingness_usd=100.0)) as switchpoint:
        for number in range(25):
            record = await switchpoint.run(f"question {number}", "mine:usd_per_1k=1000")

        assert record.answered_by == "big" and record.cost_usd > Decimal(0)
        assert switchpoint.route("question", "mine").model == "big"


def test_a_rule_cannot_use_a_budget_whose_spend_it_would_hide(tmp_path: Path) -> None:
    raw = configuration(tmp_path, target_usd_per_1k=1.0)
    raw["routers"]["house"] = {"kind": "rules", "otherwise": "mine", "rules": [{"name": "all", "use": "mine"}]}

    with pytest.raises(ConfigError, match="a rule cannot use 'mine', which keeps a target_usd_per_1k"):
        Switchpoint.of(raw)


def test_a_budget_needs_a_price(tmp_path: Path) -> None:
    raw = configuration(tmp_path, willingness_usd=0.01)
    raw["models"] = {"mini": {"upstream": "fake"}, "big": {"upstream": "fake"}}

    with pytest.raises(RequestError, match="no price is known"):
        chosen(raw, "mine:usd_per_1k=1")
