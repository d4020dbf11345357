"""Assembly: what a configuration describes, wired."""

from decimal import Decimal
from pathlib import Path

import pytest

from switchpoint import Switchpoint
from switchpoint.core.decision import Reason
from switchpoint.core.errors import ArtifactError, ConfigError, NoAnswer, UnknownModel
from switchpoint.records.reader import RecordReader

MODELS = {
    "mini": {"upstream": "fake", "tier": "weak", "input_usd_per_mtok": 0.25, "output_usd_per_mtok": 2},
    "big": {"upstream": "fake", "tier": "strong", "input_usd_per_mtok": 1.25, "output_usd_per_mtok": 10},
}


def configuration(tmp_path: Path, **more: object) -> dict:
    script = {"mini": ["from mini"], "big": ["from big"]}
    return {
        "upstreams": {"fake": {"kind": "fake", "script": script}},
        "models": MODELS,
        "records": {"path": str(tmp_path / "records.sqlite")},
        **more,
    }


def test_every_configuration_has_the_built_in_routes(tmp_path: Path) -> None:
    with Switchpoint.of(configuration(tmp_path)) as switchpoint:
        routes = set(switchpoint.routes.routes)
        chosen = {name: switchpoint.route("hello", name).model for name in ("cheapest", "best", "mini", "big")}

    assert routes == {"auto", "bundled", "cheapest", "best", "random", "length"}
    assert chosen == {"cheapest": "mini", "best": "big", "mini": "mini", "big": "big"}


def test_auto_is_the_only_configured_strategy_unless_the_configuration_says_otherwise(tmp_path: Path) -> None:
    cascade = {"careful": {"models": ["mini", "big"], "verifier": "checks", "threshold": 0.5}}
    one = configuration(tmp_path, cascades=cascade)

    with Switchpoint.of(one) as a, Switchpoint.of({**one, "gateway": {"auto": "best"}}) as b:
        assert (a.auto, b.auto) == ("careful", "best")


async def test_a_run_is_answered_recorded_and_says_what_it_saved(tmp_path: Path) -> None:
    async with Switchpoint.of(configuration(tmp_path)) as switchpoint:
        record = await switchpoint.run("hello", "cheapest")

    kept = RecordReader(tmp_path / "records.sqlite").get(record.id)
    assert record.answer.text == "from mini"
    assert kept.answered_by == "mini" and kept.baseline_model == "big"
    assert kept.saved_usd == 4 * kept.cost_usd
    assert kept.messages is None and kept.config and kept.artifact


def test_a_price_in_the_configuration_wins_and_an_unknown_one_stays_unknown(tmp_path: Path) -> None:
    cloud = {"base_url": "https://api.openai.com/v1"}
    more = {"gpt-4o": {"upstream": "cloud"}, "mine": {"upstream": "cloud"}}
    dear = {"upstream": "cloud", "upstream_model": "gpt-4o", "input_usd_per_mtok": 9, "output_usd_per_mtok": 9}
    raw = configuration(tmp_path)
    raw["upstreams"] = {**raw["upstreams"], "cloud": cloud}

    with Switchpoint.of({**raw, "models": {**more, "dear": dear}}) as switchpoint:
        prices = {model.id: model.output_usd_per_mtok for model in switchpoint.catalog}

    assert prices == {"gpt-4o": Decimal("10"), "mine": None, "dear": Decimal("9")}


@pytest.mark.parametrize("name", ["router-bundled-0.0", "router-length-0", "router-random-0"])
def test_a_threshold_of_zero_always_calls_the_strong_model(tmp_path: Path, name: str) -> None:
    with Switchpoint.of(configuration(tmp_path)) as switchpoint:
        assert switchpoint.route("hello", name).model == "big"


def test_rules_send_to_models_and_to_other_routers(tmp_path: Path) -> None:
    rules = {
        "kind": "rules",
        "otherwise": "cheapest",
        "rules": [
            {"name": "proofs", "keywords": ["Prove"], "use": "big"},
            {"name": "long", "min_chars": 50, "use": "best"},
        ],
    }

    with Switchpoint.of(configuration(tmp_path, routers={"mine": rules})) as switchpoint:
        decisions = [switchpoint.route(text) for text in ("prove it", "x" * 60, "hi")]

    assert [d.model for d in decisions] == ["big", "big", "mini"]
    assert [d.detail for d in decisions] == ["rule proofs", "rule long", None]


def test_rules_that_go_in_a_circle_are_refused(tmp_path: Path) -> None:
    def to(name: str) -> dict:
        return {"kind": "rules", "otherwise": name, "rules": []}

    with pytest.raises(ConfigError, match="in a circle: a -> b -> a"):
        Switchpoint.of(configuration(tmp_path, routers={"a": to("b"), "b": to("a")}))


def test_an_artifact_that_is_not_there_is_refused_at_the_start(tmp_path: Path) -> None:
    router = {"kind": "utility", "artifact": str(tmp_path / "none"), "willingness_usd": 0.01}

    with pytest.raises(ArtifactError, match="cannot be read"):
        Switchpoint.of(configuration(tmp_path, routers={"mine": router}))


def test_a_query_unlike_anything_learned_goes_to_the_default_model(tmp_path: Path) -> None:
    router = {"kind": "utility", "willingness_usd": 0.0, "max_novelty": 0.5}
    raw = configuration(tmp_path, routers={"mine": router})

    with Switchpoint.of(raw) as switchpoint:
        decision = switchpoint.route("Ωω ξξ ζζ " * 40)

    assert (decision.model, decision.reason) == ("big", Reason.NO_EVIDENCE)


@pytest.mark.parametrize("prompt", ["", " ", "\x00\x01\udcff", "x" * 1_000_000, "日本語の質問です", []])
def test_every_prompt_gets_a_decision(tmp_path: Path, prompt: object) -> None:
    with Switchpoint.of(configuration(tmp_path)) as switchpoint:
        assert switchpoint.route(prompt).model in MODELS


def test_an_unknown_route_is_an_error_that_names_the_nearest(tmp_path: Path) -> None:
    with (
        Switchpoint.of(configuration(tmp_path)) as switchpoint,
        pytest.raises(UnknownModel, match="Did you mean 'best'"),
    ):
        switchpoint.route("hello", "besst")


async def test_a_model_asked_for_by_name_is_never_replaced(tmp_path: Path) -> None:
    raw = configuration(tmp_path)
    raw["upstreams"]["fake"]["script"] = {"mini": ["ok"]}  # big is refused

    async with Switchpoint.of({**raw, "engine": {"retries": 0}}) as switchpoint:
        assert (await switchpoint.run("hello", "best")).answered_by == "mini"
        with pytest.raises(NoAnswer):
            await switchpoint.run("hello", "big")
