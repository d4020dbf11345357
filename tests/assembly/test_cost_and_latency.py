"""What training learned of cost and latency decides: from outcomes to an artifact, a configuration, a choice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from switchpoint import Switchpoint
from switchpoint.core.errors import ArtifactError, ConfigError
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import Query
from switchpoint.learning.train import train_router
from switchpoint.learning.write import write

TERSE, WORDY = "terse", "wordy"
ESSAY, CHAT = "Write an essay about {}.", "Say hello to {} in one word."
PRICES = {TERSE: 4.0, WORDY: 2.0}
"""USD per million output tokens: by list price the wordy model is the cheaper one."""


def outcomes(n: int = 120) -> Outcomes:
    """Two models, equally good. On essays the wordy one writes twenty times as much, on chat the same; it is slow."""
    random = np.random.default_rng(0)
    essay = np.arange(n) % 2 == 0
    texts = [(ESSAY if e else CHAT).format(f"person {i}") for i, e in enumerate(essay)]
    typical = np.stack([np.where(essay, 60, 10), np.where(essay, 1200, 10)], axis=1)
    written = np.rint(typical * np.exp(0.1 * random.standard_normal((n, 2))))
    return Outcomes(
        queries=tuple(Query.of(text) for text in texts),
        models=(TERSE, WORDY),
        quality=(random.random((n, 2)) < 0.8).astype(float),
        cost_usd=np.full((n, 2), np.nan),
        domains=tuple(np.where(essay, "essay", "chat").tolist()),
        output_tokens=written,
        latency_s=0.2 + 0.01 * written,
    )


def trained(folder: Path, known: Outcomes) -> Path:
    """Write the outcomes as a dataset, train a router on them, and return its artifact."""
    write({"train": known}, folder / "data", format="jsonl")
    train_router([folder / "data"], folder / "artifact", created="2026-01-01")
    return folder / "artifact"


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("learned"), outcomes())


def configuration(artifact: Path | str, prices: dict[str, float] = PRICES, **router: object) -> dict[str, Any]:
    models = {
        model: {"upstream": "fake", "input_usd_per_mtok": 1.0, "output_usd_per_mtok": usd}
        for model, usd in prices.items()
    }
    ways = {"willingness_usd": 0.0, "max_novelty": 1.0, **router}
    return {
        "upstreams": {"fake": {"kind": "fake", "script": {TERSE: ["hi"], WORDY: ["hello"]}}},
        "models": models,
        "routers": {"mine": {"kind": "utility", "artifact": str(artifact), **ways}},
        "records": {"enabled": False},
    }


def switchpoint(artifact: Path | str, prices: dict[str, float] = PRICES, **router: object) -> Switchpoint:
    return Switchpoint.of(configuration(artifact, prices, **router))


def test_the_long_winded_model_is_avoided_where_its_predicted_bill_says_so(artifact: Path) -> None:
    router = switchpoint(artifact)

    essay, chat = (router.route(text.format("person 7")) for text in (ESSAY, CHAT))

    assert (essay.model, chat.model) == (TERSE, WORDY)
    assert essay.cost_usd[WORDY] == pytest.approx(1200 * 2e-6, rel=0.3)
    assert essay.cost_usd[TERSE] == pytest.approx(60 * 4e-6, rel=0.3)


def test_list_prices_alone_would_call_it(tmp_path: Path) -> None:
    uncounted = replace(outcomes(), output_tokens=None, latency_s=None)
    router = switchpoint(trained(tmp_path, uncounted))

    assert router.route(ESSAY.format("person 7")).model == WORDY


def test_a_model_without_a_price_or_a_bill_stays_unknown(artifact: Path) -> None:
    raw = configuration(artifact)
    raw["models"][WORDY] = {"upstream": "fake"}

    decision = Switchpoint.of(raw).route(CHAT.format("person 7"))

    assert np.isnan(decision.cost_usd[WORDY])
    assert decision.model == TERSE


def test_a_model_that_is_expected_to_take_too_long_is_not_chosen(artifact: Path) -> None:
    prices = {TERSE: 400.0, WORDY: 2.0}

    chosen = [
        switchpoint(artifact, prices, **way).route(ESSAY.format("person 7")) for way in ({}, {"max_latency_s": 3.0})
    ]

    assert [decision.model for decision in chosen] == [WORDY, TERSE]
    assert (chosen[1].detail or "").endswith("; 0.72 s expected")


def test_where_every_model_takes_too_long_the_quickest_is_chosen_and_it_is_said(artifact: Path) -> None:
    router = switchpoint(artifact, {TERSE: 400.0, WORDY: 2.0}, max_latency_s=0.1)

    decision = router.route(ESSAY.format("person 7"))

    assert decision.model == TERSE
    assert decision.detail is not None and decision.detail.endswith("none within 0.1 s")


def test_a_model_of_unknown_latency_is_not_excluded_and_it_is_said(tmp_path: Path) -> None:
    known = outcomes()
    seconds = np.array(known.latency_s)
    seconds[:, 1] = np.nan
    router = switchpoint(trained(tmp_path, replace(known, latency_s=seconds)), max_latency_s=0.1)

    decision = router.route(CHAT.format("person 7"))

    assert decision.model == WORDY
    assert (decision.detail or "").endswith("; how long it takes is unknown")


def test_a_limit_that_would_limit_nothing_is_refused(tmp_path: Path) -> None:
    untimed = trained(tmp_path, replace(outcomes(), latency_s=None))

    with pytest.raises(ConfigError, match=r"mine\.max_latency_s: its artifact learned no latencies"):
        switchpoint(untimed, max_latency_s=1.0)
    with pytest.raises(ConfigError, match=r"mine\.max_latency_s: the bundled router knows no latencies"):
        switchpoint("bundled", max_latency_s=1.0)


def test_input_from_the_cache_is_paid_at_its_own_price(artifact: Path) -> None:
    raw = configuration(artifact)
    raw["models"][TERSE]["cached_input_usd_per_mtok"] = 0.1
    long = "x" * 40_000
    full = Switchpoint.of(raw).route(long).cost_usd
    raw["routers"]["mine"]["cached_share"] = 0.5

    cached = Switchpoint.of(raw).route(long).cost_usd

    assert full[TERSE] - cached[TERSE] == pytest.approx(10_000 * 0.5 * 0.9e-6)
    assert cached[WORDY] == full[WORDY]


def test_a_part_of_another_training_is_refused(tmp_path: Path) -> None:
    one, other = trained(tmp_path / "one", outcomes()), trained(tmp_path / "other", outcomes(60))
    for path in (other / "cost").iterdir():
        (one / "cost" / path.name).write_bytes(path.read_bytes())

    with pytest.raises(ArtifactError, match="is not the part that .* was written with"):
        switchpoint(one)
