"""Scoring: a verifier is kept for those whose right answers it tells from wrong ones, and judged out of fold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.cascades.reading import Reading
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import Query
from switchpoint.learning.scoring import _auroc, fit_scorer

N_QUERIES = 120
OPEN_ANSWERS = Reading()


def sums() -> Outcomes:
    """Return sums in words: where `tells` and `strong` are wrong they hedge, `mute` says the same either way."""
    random = np.random.default_rng(0)
    right = random.random((N_QUERIES, 3)) < [0.6, 0.6, 0.9]
    texts = [
        [
            f"Adding {n} and {n + 3} comes to {2 * n + 3}{'' if fine or model == 1 else ', or so I would guess'}."
            for model, fine in enumerate(row)
        ]
        for n, row in enumerate(right)
    ]
    return Outcomes(
        queries=tuple(Query.of(f"What do {n} and {n + 3} come to?") for n in range(N_QUERIES)),
        models=("tells", "mute", "strong"),
        quality=right.astype(float),
        cost_usd=np.ones((N_QUERIES, 3)),
        domains=("sums",) * N_QUERIES,
        responses=np.array(texts, dtype=object),
    )


def test_it_is_asked_only_about_models_whose_answers_it_can_tell_and_never_about_the_last() -> None:
    said: list[str] = []

    scorer, score = fit_scorer(sums(), OPEN_ANSWERS, "strong", said.append)

    assert scorer is not None
    assert dict(zip(scorer.models, scorer.tells.tolist(), strict=True)) == {
        "tells": True,
        "mute": False,
        "strong": False,
    }
    assert not np.isnan(score[:, 0]).any() and np.isnan(score[:, 1:]).all()
    assert [line.endswith("not used.") for line in said] == [False, True]


def test_it_scores_other_answers_and_leaves_unasked_models_unknown() -> None:
    scorer, _ = fit_scorer(sums(), OPEN_ANSWERS, "strong")
    assert scorer is not None

    score = scorer.score(sums())

    right = sums().quality[:, 0] == 1
    assert score[right, 0].mean() > score[~right, 0].mean() + 0.3
    assert np.isnan(score[:, 1:]).all()


def test_the_letter_of_an_option_holds_nothing_to_be_read() -> None:
    letters = replace(sums(), responses=np.full((N_QUERIES, 3), "A", dtype=object))

    scorer, score = fit_scorer(letters, Reading(options=("a", "b")), "strong")

    assert scorer is None and np.isnan(score).all()


def test_where_it_tells_nobodys_answers_there_is_none() -> None:
    mute = sums().of(["mute", "strong"])

    scorer, score = fit_scorer(mute, OPEN_ANSWERS, "strong")

    assert scorer is None and np.isnan(score).all()


class TestAuroc:
    @given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30))
    def test_is_the_share_of_pairs_in_the_right_order_ties_half(self, rows: list[tuple[int, bool]]) -> None:
        score, right = np.array([float(s) for s, _ in rows]), np.array([r for _, r in rows])
        gaps = score[right][:, None] - score[~right]

        area, error = _auroc(score, right)

        if gaps.size:
            assert area == pytest.approx(((gaps > 0) + (gaps == 0) / 2).mean())
            assert error >= 0
        else:
            assert np.isnan(area) and np.isnan(error)

    def test_has_the_standard_error_of_hanley_and_mcneil(self) -> None:
        score, right = np.array([1, 2, 3, 4.0]), np.array([False, True, False, True])

        area, error = _auroc(score, right)

        q1, q2 = 0.75 / 1.25, 2 * 0.75**2 / 1.75
        assert area == 0.75
        assert error == pytest.approx(np.sqrt((0.1875 + (q1 - 0.5625) + (q2 - 0.5625)) / 4))
