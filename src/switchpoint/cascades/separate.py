"""Separate: the simplest belief. Every model stands alone; an answer is worth what its score says."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from switchpoint.cascades.belief import Evidence, Posterior
from switchpoint.core.errors import ConfigError
from switchpoint.core.query import FloatArray

LEAST = 1e-6
"""Scores are kept this far from 0 and 1, where log-odds are infinite."""


class Separate:
    """Before an answer, the prior; after it, the calibrated score of the answer.

    means : expected quality of each model where there is no prior, shape (n_models,).
    slope, intercept : of the calibration, sigmoid(slope * log-odds(score) + intercept); 1 and 0 take a score as it is.

    An answer without a score keeps its prior, and nothing is learned of one model from another: the agreement of two
    answers counts for nothing. The spread is that of finding out whether the answer is right, as the law `bernoulli` of
    `reservation.py` has it. That is the most that a verifier can tell, so a weak verifier is overrated.

    Source: Platt scaling (Platt 1999), of the log-odds in place of a margin.
    """

    def __init__(
        self, models: Sequence[str], means: Sequence[float], *, slope: float = 1.0, intercept: float = 0.0
    ) -> None:
        if len(models) != len(means):
            raise ConfigError(f"means must hold one number for each model. Got {len(means)} for {len(models)} models.")
        self.models_ = tuple(models)
        self.means = np.array(means, dtype=float)
        self.slope, self.intercept = slope, intercept

    def posterior(self, prior: FloatArray | None, evidence: Evidence) -> Posterior:
        """Return what is believed; see `Belief`. A prior of NaN stays unknown."""
        before = np.broadcast_to(self.means if prior is None else prior, evidence.score.shape)
        scored = evidence.called & np.isfinite(evidence.score)
        mean = np.where(scored, self.calibrated(evidence.score), before)
        spread = np.sqrt(np.clip(mean * (1 - mean), 0.0, None))
        return Posterior(mean, np.where(evidence.called, 0.0, spread))

    def calibrated(self, score: FloatArray) -> FloatArray:
        """Return the probability that an answer of this score is right, the same shape; NaN stays NaN."""
        inside = np.clip(score, LEAST, 1 - LEAST)
        log_odds = self.slope * np.log(inside / (1 - inside)) + self.intercept
        found: FloatArray = 1 / (1 + np.exp(-np.clip(log_odds, -500, 500)))
        return found
