"""Stacking: how several members become one estimator.

Few rows cannot carry fitted weights (on 434 of them one member takes all), so an ensemble averages unless it is told to
weigh; fitted weights are never negative, and all zero, which is each model's mean, where the members do not win.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from switchpoint.core.query import FloatArray
from switchpoint.estimators.logistic import sigmoid
from switchpoint.estimators.member import logit, shrunk_mean
from switchpoint.estimators.static import scipy

EQUAL_ROWS = 2_000
"""With as many rows, fitted weights are trusted half, and equal ones the other half."""
ONE_SIDED_90 = 1.2816
"""The quantile of the normal distribution above which lies a tenth of it."""


class Ensemble(NamedTuple):
    """Members that are heard together.

    members : kinds. fitted : whether their weights are fitted to predictions of rows that they had not seen.
    """

    members: tuple[str, ...]
    summary: str = ""
    fitted: bool = False
    calibration: str = "platt"

    def weigh(self, held_out: FloatArray, quality: FloatArray) -> FloatArray:
        """Return the weight of each member, shape (n_members,), 0 or more.

        held_out : logits of rows that the members had not seen, shape (n_members, n_queries, n_models).

        Source: stacking with non-negative weights (Breiman 1996). Differs: logits and log-loss, shrinkage to equal
        weights, and none at all unless the rows say with 90 % confidence that the members beat the models' means.
        """
        equal = np.full(len(self.members), 1 / len(self.members))
        if not self.fitted:
            return equal
        trust = len(quality) / (len(quality) + EQUAL_ROWS)
        weights = trust * fit_weights(held_out, quality) + (1 - trust) * equal
        wins = skill_bound(combine(weights, held_out, shrunk_mean(quality)), quality) > 0
        return weights if wins else np.zeros(len(self.members))


def combine(weights: FloatArray, logits: FloatArray, prior: FloatArray) -> FloatArray:
    """Return logits of shape (n_queries, n_models): what the members say beyond each model's mean, weighted and summed.

    weights : shape (n_members,); all zero is the mean. logits : shape (n_members, n_queries, n_models).
    prior : mean quality of each model, shape (n_models,).
    """
    start = logit(prior)
    result: FloatArray = start * (1 - weights.sum()) + np.tensordot(weights, logits, axes=1)
    return result


def fit_weights(held_out: FloatArray, quality: FloatArray) -> FloatArray:
    """Return the weights of 0 or more that minimise the log-loss of the combined logits; equal ones without rows."""
    observed = ~np.isnan(quality)
    equal = np.full(len(held_out), 1 / len(held_out))
    if not observed.any():
        return equal
    prior = np.broadcast_to(logit(shrunk_mean(quality)), quality.shape)[observed]
    x, target = held_out[:, observed] - prior, quality[observed]

    def objective(w: FloatArray) -> tuple[float, FloatArray]:
        z = prior + w @ x
        return float((np.logaddexp(0, z) - target * z).mean()), x @ (sigmoid(z) - target) / len(target)

    bounds = [(0, None)] * len(held_out)
    found = scipy("optimize").minimize(objective, equal, jac=True, method="L-BFGS-B", bounds=bounds)
    weights: FloatArray = found.x
    return weights


def skill_bound(logits: FloatArray, quality: FloatArray) -> float:
    """Return the lower one-sided 90 % bound of the gain in Brier score over each model's mean, averaged over rows.

    logits, quality : shape (n_queries, n_models). Minus infinity with fewer than two rows.
    """
    observed = ~np.isnan(quality)
    rows = observed.any(axis=1)
    if rows.sum() < 2:
        return -np.inf
    gain = (shrunk_mean(quality) - quality) ** 2 - (sigmoid(logits) - quality) ** 2
    each = np.where(observed, gain, 0.0)[rows].sum(axis=1) / observed[rows].sum(axis=1)
    return float(each.mean() - ONE_SIDED_90 * each.std(ddof=1) / np.sqrt(len(each)))


DIVERSE = ("mlp", "kinds", "ngrams", "ranking")
"""A network, means of kinds, words, and who wins nearby: chosen by cross-validation inside the training rows."""
ENSEMBLES: dict[str, Ensemble] = {
    "average": Ensemble(DIVERSE, "diverse members, all heard the same"),
    "stack": Ensemble(DIVERSE, "the same, weighted as the rows allow, or else the means", fitted=True),
}
"""Every ensemble by its kind."""
