"""Log-probabilities: how sure a model was of its own words, as features for `learned`, and as scores by themselves."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from switchpoint.core.attempt import Answer, Verdict
from switchpoint.core.errors import ConfigError
from switchpoint.core.protocols import Verifier
from switchpoint.core.query import FloatArray, Query
from switchpoint.verifiers.plain import confidence

QUANTILES = tuple(round(step / 100, 2) for step in (*range(11), *range(20, 101, 10)))
"""0, .01, ..., .1, .2, ..., 1."""
LOWEST = -20.0
"""A token is taken to be no less likely than e^-20: one tokenizer's accident must not outvote the rest."""
ALPHA = 0.05

NAMES = (
    *(f"logprob_q{quantile:g}" for quantile in QUANTILES),
    "logprob_sum",
    "logprob_mean",
    "least_sure_place",
    "log_tokens",
)

chow_average: Verifier = confidence
"""Chow's rule with the mean: the geometric mean of the tokens' probabilities; the verifier `confidence`."""


def features(logprobs: Sequence[float]) -> FloatArray:
    """Return the features of an answer's tokens, shape (len(NAMES),); all NaN where there are none.

    logprobs : of each token, natural logarithm. The sum is scaled as a logarithm, so that no answer is far out.
    Source: Gupta et al. (2024), who feed these quantiles, sum and mean to a learned rule. Differs: also where the least
    sure token stands, as a share of the answer, and how many tokens there are.
    """
    if not len(logprobs):
        return np.full(len(NAMES), math.nan)
    values = np.clip(np.asarray(logprobs, dtype=np.float64), LOWEST, 0.0)
    place = float(values.argmin()) / max(1, len(values) - 1)
    ends = (-math.log1p(-values.sum()), values.mean(), place, math.log1p(len(values)))
    found: FloatArray = np.concatenate([np.quantile(values, QUANTILES), ends])
    return found


async def chow_sum(query: Query, answer: Answer) -> Verdict:
    """Score 1 / (1 - sum of the log-probabilities): Chow's rule with the sum, which favours short answers.

    The probability itself would be 0 for any long answer; this keeps its order. NaN without log-probabilities.
    """
    if not answer.logprobs:
        return Verdict(score=math.nan)
    return Verdict(score=1 / (1 - min(0.0, math.fsum(answer.logprobs))))


def chow_quantile(alpha: float = ALPHA) -> Verifier:
    """Make a verifier that scores the probability of the token at the quantile `alpha` of an answer's tokens.

    alpha : in [0, 1]; 0 is the least sure token. NaN without log-probabilities. Raises ConfigError.
    Source: Gupta et al. (2024), Chow-Quantile; the best alpha depends on the task.
    """
    if not 0 <= alpha <= 1:
        raise ConfigError(f"alpha must be in [0, 1]. Got {alpha!r}.")

    async def check(query: Query, answer: Answer) -> Verdict:
        if not answer.logprobs:
            return Verdict(score=math.nan)
        return Verdict(score=min(1.0, math.exp(float(np.quantile(answer.logprobs, alpha)))))

    return check


least_sure_twentieth: Verifier = chow_quantile()
"""Chow's rule with the quantile `ALPHA`; the verifier `chow_quantile` of the table."""
