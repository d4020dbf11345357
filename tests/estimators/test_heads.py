"""TextHeads: it learns what the text tells, says little where there is little, and uses what the anchors know."""

from dataclasses import replace

import numpy as np
import pytest

from switchpoint.core.errors import NotFittedError
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import Query
from switchpoint.estimators.bundled import Bundled
from switchpoint.estimators.heads import TextHeads
from switchpoint.estimators.logistic import sigmoid
from tests.estimators.conftest import make_outcomes

PAIR = ("mistralai/Mixtral-8x7B-Instruct-v0.1", "gpt-4-1106-preview")


def test_the_weak_model_is_trusted_where_it_did_well(outcomes: Outcomes) -> None:
    heads = TextHeads().fit(outcomes)

    easy, hard = heads.predict([Query.of("Which city is the capital of 12?"), Query.of("Compute 7 * 17 + 3^2.")]).mean

    assert easy[0] > hard[0] + 0.3
    assert hard[1] > hard[0]


def test_predictions_are_calibrated_in_the_mean(outcomes: Outcomes) -> None:
    heads = TextHeads().fit(outcomes)

    assert np.allclose(heads.predict(outcomes.queries).mean.mean(axis=0), outcomes.mean_quality(), atol=0.07)


def test_what_was_not_observed_of_one_model_leaves_the_other_as_it_was(outcomes: Outcomes) -> None:
    quality = outcomes.quality.copy()
    quality[::3, 1] = np.nan

    full, thinned = (
        TextHeads().fit(o).predict(outcomes.queries).mean for o in (outcomes, replace(outcomes, quality=quality))
    )

    assert np.isfinite(thinned).all()
    assert full[:, 0] == pytest.approx(thinned[:, 0], abs=1e-3)


def test_a_model_without_outcomes_gets_about_one_half(outcomes: Outcomes) -> None:
    quality = outcomes.quality.copy()
    quality[:, 1] = np.nan

    mean = TextHeads().fit(replace(outcomes, quality=quality)).predict(outcomes.queries).mean

    assert mean[:, 1] == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("rows", [1, 2, 4, 7])
def test_a_handful_of_rows_gives_finite_and_cautious_predictions(outcomes: Outcomes, rows: int) -> None:
    mean = TextHeads().fit(outcomes.take(range(rows))).predict(outcomes.queries).mean

    assert np.isfinite(mean).all()
    assert mean.min() > 0.02
    assert mean.max() < 0.98


def test_one_class_does_not_become_certainty(outcomes: Outcomes) -> None:
    always = replace(outcomes, quality=np.ones_like(outcomes.quality))

    mean = TextHeads().fit(always).predict(outcomes.queries).mean

    assert ((mean > 0.8) & (mean < 1)).all()


def test_fractions_are_learned_as_fractions(outcomes: Outcomes) -> None:
    halves = replace(outcomes, quality=np.full_like(outcomes.quality, 0.5))

    assert TextHeads().fit(halves).predict(outcomes.queries).mean == pytest.approx(0.5, abs=0.02)


def expected_by_the_anchors(n: int) -> Outcomes:
    """Outcomes that are just what the anchors expect."""
    pair = make_outcomes(n, PAIR)
    logits = Bundled.load().knowledge.logits([query.text for query in pair.queries])
    return replace(pair, quality=sigmoid(logits).astype(float))


def test_the_anchors_are_remembered_where_they_are_right() -> None:
    pair = expected_by_the_anchors(40)

    with_prior, without = (TextHeads(prior=p).fit(pair).predict(pair.queries).mean for p in (True, False))

    assert np.abs(with_prior - pair.quality).mean() < np.abs(without - pair.quality).mean()


def test_the_anchors_are_given_up_where_they_are_wrong() -> None:
    pair = expected_by_the_anchors(200)
    contrary = replace(pair, quality=1 - pair.quality)

    with_prior, without = (TextHeads(prior=p).fit(contrary).predict(pair.queries).mean for p in (True, False))

    assert with_prior == pytest.approx(without)


def test_other_models_owe_the_anchors_nothing(outcomes: Outcomes) -> None:
    with_prior, without = (TextHeads(prior=p).fit(outcomes).predict(outcomes.queries).mean for p in (True, False))

    assert (with_prior == without).all()


def test_one_anchor_alone_is_no_pair() -> None:
    lone = make_outcomes(40, ("small", PAIR[1]))

    with_prior, without = (TextHeads(prior=p).fit(lone).predict(lone.queries).mean for p in (True, False))

    assert (with_prior == without).all()


def test_mean_cost_is_kept(outcomes: Outcomes) -> None:
    assert TextHeads().fit(outcomes).mean_cost_usd_ == pytest.approx([0.001, 0.002])


def test_before_fitting_nothing_is_said() -> None:
    with pytest.raises(NotFittedError, match="TextHeads is not fitted"):
        _ = TextHeads().mean_cost_usd_


def test_its_own_queries_are_familiar_and_foreign_ones_are_not(outcomes: Outcomes) -> None:
    heads = TextHeads().fit(outcomes)

    own, foreign = (
        heads.predict(outcomes.queries).novelty,
        heads.predict([Query.of("def f(x):\n\treturn {x: [x]}\n" * 9)]),
    )

    assert own.mean() < 0.2
    assert foreign.novelty[0] > 0.8
