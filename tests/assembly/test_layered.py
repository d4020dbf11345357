"""A layered router of a configuration: one block, one budget, one record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from switchpoint import Switchpoint
from switchpoint.cascades.capped import CAPPED
from switchpoint.core.decision import Reason
from switchpoint.core.errors import ConfigError, Refused

MODELS = {
    "mini": {"upstream": "fake", "tier": "weak", "input_usd_per_mtok": 1, "output_usd_per_mtok": 1},
    "big": {"upstream": "fake", "tier": "strong", "input_usd_per_mtok": 10, "output_usd_per_mtok": 10},
}
TOPICS = {
    "thanks": {"utterances": ["thank you", "thanks a lot", "great, thanks"], "use": "mini"},
    "advice": {"utterances": ["should I buy this stock", "is gold a good investment"], "refuse": "No advice."},
}
HARD = "Prove that every bounded sequence of real numbers has a convergent subsequence."


def configuration(tmp_path: Path, **layers: Any) -> dict[str, Any]:
    return {
        "upstreams": {"fake": {"kind": "fake", "script": {"mini": ["I cannot help with that."], "big": ["Because."]}}},
        "models": MODELS,
        "cascades": {"careful": {"models": ["mini", "big"], "verifier": "checks", "threshold": 0.5}},
        "routers": {"house": {"kind": "layered", "routes": TOPICS, "otherwise": "careful", **layers}},
        "records": {"path": str(tmp_path / "records.sqlite")},
        "gateway": {"auto": "house"},
    }


def faults(raw: Mapping[str, Any]) -> str:
    with pytest.raises(ConfigError) as error:
        Switchpoint.of(raw)
    return str(error.value)


class TestRecord:
    async def test_names_the_layer_that_decided_and_why(self, tmp_path: Path) -> None:
        async with Switchpoint.of(configuration(tmp_path)) as switchpoint:
            record = await switchpoint.run("thank you!")

        assert (record.strategy, record.layer, record.answered_by) == ("house", "semantic", "mini")
        assert record.attempts[0].decision.reason is Reason.SEMANTIC
        assert "route thanks" in str(record.attempts[0].decision.detail)

    async def test_of_the_last_layer_is_that_of_its_cascade(self, tmp_path: Path) -> None:
        async with Switchpoint.of(configuration(tmp_path)) as switchpoint:
            record = await switchpoint.run(HARD)

        assert [a.decision.layer for a in record.attempts] == ["cascade", "cascade"]
        assert (record.answered_by, record.escalated) == ("big", True)

    async def test_of_a_refused_topic_is_refused(self, tmp_path: Path) -> None:
        async with Switchpoint.of(configuration(tmp_path)) as switchpoint:
            with pytest.raises(Refused, match="No advice"):
                await switchpoint.run("should I buy this stock?")


class TestClear:
    def test_a_wide_margin_leaves_nothing_to_the_cascade(self, tmp_path: Path) -> None:
        clear = {"margin": 1.0, "max_novelty": 1.0}
        with Switchpoint.of(configuration(tmp_path, willingness_usd=0.01, clear=clear)) as switchpoint:
            assert switchpoint.route(HARD).layer == "clear"

    def test_no_margin_leaves_all_that_is_no_topic_to_it(self, tmp_path: Path) -> None:
        clear = {"margin": 0.0, "max_novelty": 1.0}
        with Switchpoint.of(configuration(tmp_path, willingness_usd=100.0, clear=clear)) as switchpoint:
            assert switchpoint.route(HARD).layer == "cascade"
            assert switchpoint.route("thanks a lot").layer == "semantic"


class TestCap:
    @pytest.mark.parametrize("place", ["routers.house", "cascades.careful"])
    async def test_holds_in_expectation(self, tmp_path: Path, place: str) -> None:
        raw = configuration(tmp_path)
        kind, name = place.split(".")
        raw[kind][name]["max_escalation_share"] = 0.25
        if kind == "cascades":  # which the layered router must not use once it is capped itself
            del raw["routers"], raw["gateway"]
        async with Switchpoint.of(raw) as switchpoint:
            records = [await switchpoint.run(f"{HARD} Part {n}.", name) for n in range(400)]

        assert np.mean([record.escalated for record in records]) == pytest.approx(0.25, abs=0.06)
        assert {r.accept_reason for r in records if not r.escalated} == {CAPPED}


class TestBudget:
    def recorded(self, folder: Path, n: int) -> list[str]:
        """Short questions of which mini answers half, and long ones of which it answers few; big answers all."""
        random = np.random.default_rng(0)
        queries, outcomes = [], []
        for number in range(n):
            text = f"Question {number}: " + "why? " * int(random.integers(1, 200))
            right = random.random() < 0.5
            queries.append({"query_id": str(number), "text": text})
            for model, cost, said in (("mini", 0.0004, right), ("big", 0.004, True)):
                response = "Because." if said else ""
                row = {"query_id": str(number), "model": model, "cost_usd": cost, "response": response}
                outcomes.append(row | {"score": float(said)})
        for name, rows in (("queries", queries), ("outcomes", outcomes)):
            (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
        return [query["text"] for query in queries]

    @pytest.mark.parametrize("target", [0.8, 2.0])
    async def test_is_one_over_all_layers_and_met(self, tmp_path: Path, target: float) -> None:
        texts = self.recorded(tmp_path, 1_500)
        clear = {"margin": 0.1, "max_novelty": 1.0}
        raw = configuration(tmp_path, target_usd_per_1k=target, clear=clear)
        raw["upstreams"]["fake"] = {"kind": "replay", "data": str(tmp_path)}
        raw["cascades"]["careful"] = {
            "kind": "index", "models": ["mini", "big"], "verifier": "checks", "willingness_usd": 0.01,
        }  # fmt: skip
        raw["records"] = {"enabled": False}
        async with Switchpoint.of(raw) as switchpoint:
            records = [await switchpoint.run(text) for text in texts]

        spent = float(sum((record.cost_usd or Decimal(0) for record in records), Decimal(0)))
        assert {record.layer for record in records} >= {"clear", "cascade"}
        assert spent / len(texts) * 1_000 == pytest.approx(target, rel=0.05)


class TestFaults:
    def test_budgets_that_overlap_are_told_by_name(self, tmp_path: Path) -> None:
        raw = configuration(tmp_path, target_usd_per_1k=1.0, clear={}, otherwise="cheap")
        raw["routers"]["cheap"] = {"kind": "utility", "target_usd_per_1k": 2.0}

        assert "routers.house: 'cheap', which it uses, keeps a target_usd_per_1k of its own" in faults(raw)

    def test_budgets_overlap_also_through_a_router_between_them(self, tmp_path: Path) -> None:
        raw = configuration(tmp_path, target_usd_per_1k=1.0, clear={}, otherwise="between")
        raw["routers"]["between"] = {"kind": "rules", "rules": [], "otherwise": "careful"}
        raw["cascades"]["careful"]["max_escalation_share"] = 0.1

        assert "routers.house: 'careful', which it uses, keeps a max_escalation_share of its own" in faults(raw)

    def test_a_rule_cannot_use_what_is_capped(self, tmp_path: Path) -> None:
        raw = configuration(tmp_path)
        raw["cascades"]["careful"]["max_escalation_share"] = 0.1
        raw["routers"] = {"rules": {"kind": "rules", "rules": [{"name": "all", "use": "careful"}], "otherwise": "mini"}}
        raw["gateway"] = {}

        assert "a rule cannot use 'careful', which keeps a max_escalation_share" in faults(raw)

    @pytest.mark.parametrize(
        ("layers", "fault"),
        [
            ({"clear": {}}, "say what quality is worth, for clear"),
            ({"otherwise": "carefull"}, "routers.house.otherwise: unknown name 'carefull'. Did you mean 'careful'?"),
            ({"willingness_usd": 1.0, "clear": {"models": ["minni"]}}, "routers.house.clear.models: unknown name"),
            ({"willingness_usd": 1.0, "clear": {"margins": 0.1}}, "routers.house.clear.margins: unknown key"),
            ({"target_usd_per_1k": 1.0}, "neither a clear layer nor 'careful' decides by a willingness"),
            ({"max_escalation_share": 1.5}, "routers.house.max_escalation_share"),
        ],
        ids=str,
    )
    def test_a_block_that_cannot_work_is_told_with_its_place(self, tmp_path: Path, layers: dict, fault: str) -> None:
        assert fault in faults(configuration(tmp_path, **layers))

    def test_one_layer_is_no_layered_router(self, tmp_path: Path) -> None:
        raw = configuration(tmp_path)
        del raw["routers"]["house"]["routes"]

        assert "it has one layer only" in faults(raw)
