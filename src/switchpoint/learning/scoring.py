"""Scoring: fit a verifier for a cascade, and keep it for the models whose right answers it tells from wrong ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np

from switchpoint.cascades.reading import Reading
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import BoolArray, FloatArray
from switchpoint.verifiers.learned import Learned

SHORT = 40
"""Answers of so few characters, as the letter of an option, have nothing to be read in them."""
LEAST_AUROC = 0.55
"""A verifier that orders a model's answers worse than this, less two standard errors, is not asked about them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """A verifier and the models it is asked about.

    models : shape (n_models,). tells : whether its score is used. auroc : out of fold, NaN where it has none.
    """

    verifier: Learned
    models: tuple[str, ...]
    tells: BoolArray
    auroc: FloatArray

    def score(self, outcomes: Outcomes) -> FloatArray:
        """Score recorded answers of these models, shape (n_queries, n_models); NaN where it is not asked."""
        found = np.full(outcomes.quality.shape, np.nan)
        questions = [query.full_text for query in outcomes.queries]
        assert outcomes.responses is not None
        for column in np.flatnonzero(self.tells):
            texts = [text or "" for text in outcomes.responses[:, column]]
            found[:, column] = self.verifier.score(questions, texts, [self.models[column]] * len(texts))
        return found


def fit_scorer(
    rows: Outcomes, reading: Reading, strong: str, say: Callable[[str], None] = lambda text: None
) -> tuple[Scorer | None, FloatArray]:
    """Fit a verifier on recorded answers; None where it tells nobody's right answers from wrong ones.

    strong : the model after which nobody is asked, so that its answers need no score.
    Also returns its scores of these very answers, each by a fit that had not seen the question, shape (n_queries,
    n_models), NaN where it is not asked.
    """
    assert rows.responses is not None
    score = np.full(rows.quality.shape, np.nan)
    if reading.options and median(len(text) for text in rows.responses.ravel()) < SHORT:
        return None, score
    # The strong model writes differently, and nobody asks how good its answers are: they would only mislead.
    asked = np.array([model != strong for model in rows.models])
    held_out, verifier = _fitted(rows.of([model for model in rows.models if model != strong]))
    auroc, error = np.full((2, len(rows.models)), np.nan)
    for column, scores in zip(np.flatnonzero(asked), held_out.T, strict=True):
        score[:, column] = scores
        auroc[column], error[column] = _auroc(scores, rows.quality[:, column] >= 0.5)
    tells = auroc - 2 * error > LEAST_AUROC
    for model, found, used in zip(rows.models, auroc, tells, strict=True):
        if model == strong:
            continue
        say(f"verifier of {model}: AUROC {found:.3f} out of fold{'' if used else ', not used'}.")
    score[:, ~tells] = np.nan
    return (Scorer(verifier=verifier, models=rows.models, tells=tells, auroc=auroc) if tells.any() else None), score


def _fitted(rows: Outcomes) -> tuple[FloatArray, Learned]:
    """Return the out-of-fold scores of every answer, shape (n_queries, n_models), and the verifier."""
    assert rows.responses is not None
    questions = [query.full_text for query in rows.queries for _ in rows.models]
    right = rows.quality.ravel().astype(float)
    verifier = Learned().fit(questions, list(rows.responses.ravel()), list(rows.models) * len(rows), right)
    assert verifier.oof_ is not None
    return verifier.oof_.reshape(rows.quality.shape), verifier


def _auroc(score: FloatArray, right: BoolArray) -> tuple[float, float]:
    """Return the AUROC and its standard error (Hanley and McNeil 1982); NaN where all are right or all wrong."""
    n_right, n_wrong = int(right.sum()), int((~right).sum())
    if not n_right or not n_wrong:
        return np.nan, np.nan
    order = np.argsort(score, kind="stable")
    rank = np.empty(len(score))
    rank[order] = np.arange(1, len(score) + 1)
    _, inverse = np.unique(score, return_inverse=True)
    rank = (np.bincount(inverse, rank) / np.bincount(inverse))[inverse]  # ties share their mean rank
    area = float((rank[right].sum() - n_right * (n_right + 1) / 2) / (n_right * n_wrong))
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (n_right - 1) * (q1 - area**2) + (n_wrong - 1) * (q2 - area**2)
    return area, float(np.sqrt(variance / (n_right * n_wrong)))
