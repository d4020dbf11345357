"""What every estimator of the table promises, whatever it predicts."""

import importlib
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from switchpoint.core.errors import NotFittedError
from switchpoint.core.outcome import Outcomes
from switchpoint.core.protocols import Estimator
from switchpoint.core.query import Query
from switchpoint.estimators import ESTIMATORS, artifact
from switchpoint.estimators.artifact import Storable
from tests.estimators.conftest import make_model, make_outcomes
from tests.estimators.tiny_encoder import tiny_encoder

STRANGE = (
    "",
    " ",
    "a " * 500_000,
    "\x00\x01\x7f\x80" * 50,
    "法国的首都是什么？",
    "\ud800\udfff",
    "🙂" * 300,
    "A" * 10_000,
)
QUALITY = ("bundled", "encoder", "heads", "learned", "mean_quality", "prompt_length", "rated")
LEARN = ("heads", "learned", "mean_quality", "prompt_length", "rated", "mean_cost", "output_tokens", "latency")


@pytest.fixture(scope="module")
def outcomes() -> Outcomes:
    return measured(make_outcomes())


def measured(outcomes: Outcomes) -> Outcomes:
    """The same outcomes with the length of each answer, and how long it took."""
    written = 1.0 + np.random.default_rng(0).integers(400, size=outcomes.quality.shape)
    asked = np.full(outcomes.quality.shape, 12.0)
    return replace(outcomes, input_tokens=asked, output_tokens=written, latency_s=0.5 + written / 100)


def make(kind: str) -> Storable:
    """Return a new estimator; one that needs no outcomes knows its models already."""
    module, name = ESTIMATORS[kind].split(":")
    found = getattr(importlib.import_module(module), name)
    if kind == "bundled":
        return found.load().bind([make_model("small", tier="weak"), make_model("large", tier="strong")])
    if kind == "encoder":
        return tiny_encoder()
    if kind in ("list_price", "token_cost"):
        price = {"input_usd_per_mtok": Decimal(1), "output_usd_per_mtok": Decimal(2)}
        return found([make_model("small", **price), make_model("large", **price)])
    return found()


def fitted(kind: str, outcomes: Outcomes) -> Storable:
    estimator = make(kind)
    return estimator.fit(outcomes) if kind in (*LEARN, "token_cost") else estimator


every = pytest.mark.parametrize("kind", sorted(ESTIMATORS))


@every
def test_it_keeps_the_protocol(kind: str, outcomes: Outcomes) -> None:
    estimator: Estimator = fitted(kind, outcomes)

    assert isinstance(estimator, Storable)
    assert estimator.models_ == ("small", "large")


@every
@pytest.mark.parametrize("n_queries", [0, 1, 7])
def test_predictions_have_a_row_for_each_query_and_a_column_for_each_model(
    kind: str, n_queries: int, outcomes: Outcomes
) -> None:
    prediction = fitted(kind, outcomes).predict(outcomes.queries[:n_queries])

    assert prediction.mean.shape == (n_queries, 2)
    assert prediction.novelty is None or prediction.novelty.shape == (n_queries,)


@every
def test_any_text_gives_a_finite_prediction_in_range(kind: str, outcomes: Outcomes) -> None:
    queries = [Query.of(text) for text in STRANGE]

    prediction = fitted(kind, outcomes).predict(queries)

    assert np.isfinite(prediction.mean).all()
    assert (prediction.mean >= 0).all()
    assert kind not in QUALITY or (prediction.mean <= 1).all()


@every
def test_other_queries_in_the_batch_do_not_matter(kind: str, outcomes: Outcomes) -> None:
    estimator, queries = fitted(kind, outcomes), outcomes.queries[:20]

    together = estimator.predict(queries)

    alone = [estimator.predict([query]) for query in queries]
    assert np.allclose(together.mean, np.concatenate([one.mean for one in alone]), atol=1e-5)
    if together.novelty is not None:
        assert np.allclose(together.novelty, np.concatenate([one.novelty for one in alone]), atol=0.01)


@every
def test_permuting_the_queries_permutes_the_rows(kind: str, outcomes: Outcomes) -> None:
    estimator, order = fitted(kind, outcomes), np.random.default_rng(0).permutation(20)

    straight = estimator.predict(outcomes.queries[:20]).mean
    permuted = estimator.predict([outcomes.queries[i] for i in order]).mean

    assert np.allclose(permuted, straight[order], atol=1e-5)


@pytest.mark.parametrize("kind", LEARN)
def test_before_fitting_it_says_so(kind: str) -> None:
    estimator = make(kind)

    asked: tuple[Callable[[], object], ...] = (
        lambda: estimator.predict([Query.of("x")]),
        lambda: estimator.models_,
        estimator.state,
    )
    for ask in asked:
        with pytest.raises(NotFittedError, match="Call fit first"):
            ask()


@pytest.mark.parametrize("kind", LEARN)
def test_fitting_again_forgets(kind: str, outcomes: Outcomes) -> None:
    other = measured(make_outcomes(60, ("one", "two", "three"), seed=1))

    again = fitted(kind, other).fit(outcomes)

    assert again.models_ == outcomes.models
    expected = fitted(kind, outcomes).predict(outcomes.queries).mean
    assert (again.predict(outcomes.queries).mean == expected).all()


@every
def test_making_it_twice_gives_the_same_numbers(kind: str, outcomes: Outcomes) -> None:
    one, two = (fitted(kind, outcomes).predict(outcomes.queries) for _ in range(2))

    assert (one.mean == two.mean).all()


@every
def test_what_is_written_is_what_is_read(kind: str, outcomes: Outcomes, tmp_path: Path) -> None:
    estimator = fitted(kind, outcomes)

    artifact.write(estimator, tmp_path, created="2026-01-01")
    restored = artifact.load_estimator(tmp_path)

    assert type(restored) is type(estimator)
    assert restored.models_ == estimator.models_
    one, two = (e.predict(outcomes.queries) for e in (estimator, restored))
    assert (one.mean == two.mean).all()
    assert one.novelty is None or (one.novelty == two.novelty).all()
