"""The bundled router: bound to other models, moved by outcomes, tuned by its reference queries."""

from pathlib import Path

import numpy as np
import pytest

from switchpoint.core.errors import ConfigError
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import Query
from switchpoint.estimators import artifact
from switchpoint.estimators.bundled import SHIPPED, Bundled
from tests.estimators.conftest import make_model

QUERIES = [Query.of(text) for text in ("What is the capital of France?", "Prove Fermat's little theorem.", "")]


def test_models_at_the_anchors_get_the_anchors_quality(bundled: Bundled) -> None:
    bound = bundled.bind([make_model("weak", tier="weak"), make_model("strong", tier="strong")])

    assert np.allclose(bound.predict(QUERIES).mean, bundled.predict(QUERIES).mean, atol=1e-6)


def test_a_model_in_the_middle_lies_between_the_anchors(bundled: Bundled) -> None:
    bound = bundled.bind([make_model(tier, tier=tier) for tier in ("weak", "mid", "strong")])

    mean = bound.predict(QUERIES).mean
    assert (mean[:, 1] >= mean[:, [0, 2]].min(axis=1)).all()
    assert (mean[:, 1] <= mean[:, [0, 2]].max(axis=1)).all()


def test_it_says_where_each_ability_came_from(bundled: Bundled) -> None:
    bound = bundled.bind([make_model("a", tier="weak"), make_model("gpt-4-1106-preview"), make_model("c")])

    assert [ability.source for ability in bound.abilities_] == ["tier", "known model", "unknown"]


def test_outcomes_of_a_model_move_it(bundled: Bundled, outcomes: Outcomes) -> None:
    models = [make_model("small"), make_model("large")]

    small, large = bundled.bind(models, outcomes).abilities_

    assert (small.source, large.source) == ("outcomes", "outcomes")
    assert bundled.bind(models).abilities_[0].source == "unknown"


def test_binding_leaves_the_original_as_it_was(bundled: Bundled) -> None:
    before = bundled.models_

    bundled.bind([make_model("other")])

    assert bundled.models_ == before


def test_a_larger_strong_share_asks_for_a_smaller_gap(bundled: Bundled) -> None:
    gaps = [bundled.gap_quantile(share) for share in (0.0, 0.25, 0.5, 0.75, 1.0)]

    assert gaps == sorted(gaps, reverse=True)


def test_the_gap_quantile_gives_its_share_on_the_reference_queries(bundled: Bundled) -> None:
    logits = bundled.knowledge.reference
    quality = 1 / (1 + np.exp(-logits))

    reached = (quality[:, 1] - quality[:, 0]) >= bundled.gap_quantile(0.3)

    assert reached.mean() == pytest.approx(0.3, abs=0.01)


def test_a_share_beyond_one_is_an_error(bundled: Bundled) -> None:
    with pytest.raises(ConfigError, match=r"\[0, 1\]. Got 1.5"):
        bundled.gap_quantile(1.5)


def test_the_shipped_router_is_read_once() -> None:
    assert Bundled.load() is Bundled.load()


def test_the_shipped_artifact_is_small_and_says_what_it_was_trained_on() -> None:
    found = artifact.read(SHIPPED)

    assert sum(path.stat().st_size for path in Path(SHIPPED).iterdir()) < 15_000_000
    assert {line["dataset"] for line in found.manifest.trained_on} == {
        "mmlu-gpt4-mixtral",
        "gsm8k-gpt4-mixtral",
        "gsm8k-openai2021",
        "llmrouter-9models",
    }
    assert Bundled.load().digest == found.digest
