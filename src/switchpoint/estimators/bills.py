"""Bills: what the calls of the past teach of prices, where no list states them, and of how much input is counted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np

from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import FloatArray
from switchpoint.estimators.static import scipy

MIN_BILLS = 3
"""Below this no price can be told from the bills."""


class Bills(NamedTuple):
    """What outcomes taught of each model; each of shape (n_models,), NaN is unknown.

    mean_usd : of a call. input_usd, output_usd : per token, as the bills imply them.
    input_rate : counted over estimated input tokens, and the `preamble_tokens` that were estimated with them.
    """

    mean_usd: FloatArray
    input_usd: FloatArray
    output_usd: FloatArray
    input_rate: FloatArray
    preamble_tokens: FloatArray

    @classmethod
    def unknown(cls, n_models: int) -> Self:
        """Return the bills of models of which nothing is known."""
        return cls(*np.full((len(cls._fields), n_models), np.nan))

    def within(self, n_models: int, columns: Sequence[int]) -> Bills:
        """Return the bills of `n_models` models, these in these columns and the others unknown."""
        whole = Bills.unknown(n_models)
        for values, part in zip(whole, self, strict=True):
            values[columns] = part
        return whole


def bills_of(outcomes: Outcomes, preamble_tokens: FloatArray) -> Bills:
    """Return what outcomes teach; `preamble_tokens`, shape (n_models,), belong to the estimated input."""
    prices = np.array([implied_prices(*_calls(outcomes, column)) for column in range(len(outcomes.models))])
    return Bills(
        mean_usd=outcomes.mean_cost_usd(),
        input_usd=prices.reshape(-1, 2)[:, 0],
        output_usd=prices.reshape(-1, 2)[:, 1],
        input_rate=_input_rates(outcomes, preamble_tokens),
        preamble_tokens=preamble_tokens,
    )


def _calls(outcomes: Outcomes, column: int) -> tuple[FloatArray, FloatArray]:
    """Return tokens, shape (n_calls, 2), input and output, and bills, shape (n_calls,), of fully known calls."""
    if outcomes.input_tokens is None or outcomes.output_tokens is None:
        return np.empty((0, 2)), np.empty(0)
    tokens = np.stack([outcomes.input_tokens[:, column], outcomes.output_tokens[:, column]], axis=1)
    bills = outcomes.cost_usd[:, column]
    known = ~np.isnan(tokens).any(axis=1) & ~np.isnan(bills)
    return tokens[known], bills[known]


def implied_prices(tokens: FloatArray, bills_usd: FloatArray) -> tuple[float, float]:
    """Return the prices in USD per input and per output token that explain the bills, neither below 0.

    tokens : shape (n_calls, 2); bills_usd : shape (n_calls,). By non-negative least squares (Lawson & Hanson 1974); NaN
    where there are fewer than `MIN_BILLS`, and where the bills' own mean explains them as well.
    """
    if len(bills_usd) < MIN_BILLS:
        return math.nan, math.nan
    prices, missed = scipy("optimize").nnls(tokens, bills_usd)
    if not missed < np.linalg.norm(bills_usd - bills_usd.mean()):
        return math.nan, math.nan
    return float(prices[0]), float(prices[1])


def _input_rates(outcomes: Outcomes, preamble_tokens: FloatArray) -> FloatArray:
    """Return counted over estimated input tokens, shape (n_models,); NaN where none were counted.

    The estimate is from bytes, whatever the model's tokenizer and template.
    """
    rates = np.full(len(outcomes.models), np.nan)
    if outcomes.input_tokens is None:
        return rates
    asked = np.array([query.input_tokens for query in outcomes.queries], dtype=np.float64)[:, None]
    estimated = np.where(np.isnan(outcomes.input_tokens), 0.0, asked + preamble_tokens).sum(axis=0)
    np.divide(np.nansum(outcomes.input_tokens, axis=0), estimated, out=rates, where=estimated > 0)
    return rates
