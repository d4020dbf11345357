"""Assembly: the cascades of a configuration, wired and run on fake upstreams."""

from __future__ import annotations

import pytest

from switchpoint import Switchpoint
from switchpoint.assembly.cascades import asked_for, verifiers_of
from switchpoint.config.read import parse
from switchpoint.core.errors import ConfigError
from switchpoint.core.record import Record
from switchpoint.verifiers import needs

MODELS = {
    "mini": {"upstream": "fake", "tier": "weak", "input_usd_per_mtok": 0.25, "output_usd_per_mtok": 2},
    "mid": {"upstream": "fake", "tier": "mid", "input_usd_per_mtok": 0.5, "output_usd_per_mtok": 4},
    "big": {"upstream": "fake", "tier": "strong", "input_usd_per_mtok": 1.25, "output_usd_per_mtok": 10},
}
SCRIPT = {"mini": ["The answer is 4."], "mid": ["#### 5"], "big": ["A"]}
THREE = ["mini", "mid", "big"]


def configuration(**cascade: object) -> dict[str, object]:
    return {
        "upstreams": {"fake": {"kind": "fake", "script": SCRIPT}},
        "models": MODELS,
        "records": {"enabled": False},
        "cascades": {"c": cascade},
    }


async def ran(**cascade: object) -> Record:
    async with Switchpoint.of(configuration(**cascade)) as switchpoint:
        return await switchpoint.run("How many?", "c")


async def test_opinions_that_differ_are_settled_by_the_final_model() -> None:
    record = await ran(kind="agreement", voters=["mini", "mid"], final="big")

    assert [attempt.decision.model for attempt in record.attempts] == THREE
    assert record.answered_by == "big" and record.escalated


async def test_opinions_that_agree_save_the_final_model() -> None:
    record = await ran(kind="agreement", voters=["mini"], final="big", most=3, lead=2)

    assert [attempt.decision.model for attempt in record.attempts] == ["mini", "mini"]
    assert record.accept_reason == "2 of 2 answers agree"


@pytest.mark.parametrize(
    ("combine", "called", "answer"),
    [
        ({}, THREE, "mini"),
        ({"combine": "best", "verifier": "checks"}, THREE, "mini"),
        ({"combine": "fuse", "model": "big"}, [*THREE, "big"], "big"),
        # big says A whatever it is shown: the first, in either order.
        ({"combine": "rank", "model": "big"}, [*THREE, "big", "big"], "mini"),
    ],
    ids=["vote", "best", "fuse", "rank"],
)
async def test_an_ensemble_pays_for_every_call(combine: dict[str, object], called: list[str], answer: str) -> None:
    record = await ran(kind="ensemble", models=THREE, **combine)

    assert [attempt.decision.model for attempt in record.attempts] == called
    assert record.answered_by == answer
    assert record.cost_usd is not None and record.given_usd is not None
    assert record.cost_usd > record.given_usd


async def test_a_chain_may_have_a_threshold_for_each_model_and_several_verifiers() -> None:
    record = await ran(models=THREE, verifier=["checks", "repetition"], threshold=[1.0, 0.5])

    assert [verdict.verifier for verdict in record.attempts[0].verdicts] == ["checks", "repetition"]
    assert record.accept_reason == "verified"


async def test_the_index_rule_pays_by_willingness() -> None:
    index = {"kind": "index", "models": THREE, "verifier": "checks"}

    cheap = await ran(**index, willingness_usd=1e-6)
    dear = await ran(**index, willingness_usd=1e6)

    assert cheap.answered_by == "mini" and len(cheap.attempts) == 1
    assert set(dear.attempts[0].decision.quality) == set(THREE)


async def test_a_prefix_is_configured_by_its_tokens() -> None:
    record = await ran(kind="prefix", models=THREE, verifier="checks", threshold=0.5, prefix_tokens=1)

    assert record.answered_by == "mini"


def test_who_reads_log_probabilities_has_them_asked_for() -> None:
    assert asked_for(["checks", "confidence"]) == {"logprobs": True}
    assert asked_for(["checks"]) == {}


def test_the_verifiers_of_all_cascades_are_found() -> None:
    chain = {"models": THREE, "verifier": ["checks", "arithmetic"], "threshold": 0.5}
    config = parse({**configuration(), "cascades": {"a": chain, "b": {"kind": "agreement", "voters": ["mini", "mid"]}}})

    assert verifiers_of(config.cascades.values()) == {"checks", "arithmetic"}


def test_a_verifier_that_lacks_its_libraries_is_refused_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "installed", lambda: False)

    with pytest.raises(ConfigError, match=r"'json_schema' needs jsonschema .*switchpoint\[verify\]"):
        Switchpoint.of(configuration(models=THREE, verifier="json_schema", threshold=0.5))


def test_seconds_cannot_be_priced_where_no_latency_was_learned() -> None:
    with pytest.raises(ConfigError, match="cascades.c.usd_per_s: no latency is estimated"):
        Switchpoint.of(configuration(kind="index", models=THREE, verifier="checks", willingness_usd=1, usd_per_s=0.1))
