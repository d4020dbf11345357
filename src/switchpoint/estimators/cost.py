"""What an answer would cost: by list prices before anything is known, by predicted tokens once some were counted.

The mean of observed bills, whatever the query, is `mean.MeanCost`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple, Self

import numpy as np

from switchpoint.core.errors import ConfigError
from switchpoint.core.estimate import Prediction
from switchpoint.core.model import Model
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import FloatArray, Query
from switchpoint.estimators.artifact import Artifact, State
from switchpoint.estimators.static import scipy
from switchpoint.estimators.tokens import OutputTokens, restored, stored

BILLS = "bills."
MIN_BILLS = 3
"""Below this no price can be told from the bills."""


class ListPriceCost:
    """List prices times the estimated input and the expected output; the vectorised `Model.expected_cost_usd`.

    Needs no fitting. NaN where a price is unknown.
    """

    kind = "list_price"

    def __init__(self, models: Sequence[Model]) -> None:
        self.models_ = tuple(model.id for model in models)
        self._per_token_usd = np.array([_per_token_usd(model) for model in models], dtype=np.float64)
        self._fixed_usd = np.array([_output_usd(model) for model in models], dtype=np.float64)

    def predict(self, queries: Sequence[Query]) -> Prediction:
        """Predict USD, shape (n_queries, n_models)."""
        tokens = np.array([query.input_tokens for query in queries], dtype=np.float64)
        return Prediction(mean=tokens[:, None] * self._per_token_usd + self._fixed_usd)

    def state(self) -> State:
        """Return the prices."""
        tensors = {"per_token_usd": self._per_token_usd, "fixed_usd": self._fixed_usd}
        return State(kind=self.kind, models=self.models_, tensors=tensors)

    @classmethod
    def restore(cls, artifact: Artifact) -> Self:
        """Return the estimator that was written."""
        found = cls(())
        found.models_ = artifact.manifest.models
        found._per_token_usd = artifact.tensors["per_token_usd"]
        found._fixed_usd = artifact.tensors["fixed_usd"]
        return found


class Prices(NamedTuple):
    """What the catalog says of each model; each of shape (n_models,), NaN is unknown.

    input_usd, output_usd : per token. preamble_tokens : input beside the query's, of one sample. samples : of a call.
    output_tokens : of `Model`, all samples of a call.
    """

    input_usd: FloatArray
    output_usd: FloatArray
    preamble_tokens: FloatArray
    samples: FloatArray
    output_tokens: FloatArray


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


class TokenCost:
    """Expected tokens times prices: input at its two prices, output as long as each model's answers are.

    Of each model the first that is known: predicted tokens at its prices; the mean of its observed bills;
    `Model.output_tokens` at its prices. Without any of them NaN. Before fitting only the last is known. A price that
    the catalog does not know is the one that the observed bills imply.

    Observed tokens are of a whole call, all samples together, as `Usage` counts them.

    models : the columns. reader : name of the embedder that `OutputTokens` reads with.
    cached_share : of the input that is expected to come from the upstream's cache, in [0, 1]; as in bills, it costs
        `cached_input_usd_per_mtok` where that is known, else the full price. Raises ConfigError outside.
    """

    kind = "token_cost"

    def __init__(self, models: Sequence[Model], *, reader: str = "static", cached_share: float = 0.0) -> None:
        if not 0 <= cached_share <= 1:
            raise ConfigError(f"cached_share must be in [0, 1]. Got {cached_share!r}.")
        self.models_ = tuple(model.id for model in models)
        self._reader = reader
        rows = [_price_row(model, cached_share) for model in models]
        self._prices = Prices(*np.array(rows, dtype=np.float64).reshape(len(rows), len(Prices._fields)).T)
        self._tokens: OutputTokens | None = None
        self._bills = Bills.unknown(len(rows))

    @classmethod
    def learned(cls, outcomes: Outcomes, *, reader: str = "static") -> Self:
        """Return what outcomes alone teach, without a catalog: prices are those that their bills imply."""
        nameless = [Model(id=model, upstream="", upstream_model="", output_tokens=0) for model in outcomes.models]
        return cls(nameless, reader=reader).fit(outcomes)

    @classmethod
    def billed(cls, models: Sequence[str], mean_usd: FloatArray) -> Self:
        """Return what mean bills alone teach, shape (n_models,), NaN is unknown."""
        made = cls([Model(id=model, upstream="", upstream_model="", output_tokens=0) for model in models])
        made._bills = made._bills._replace(mean_usd=mean_usd)
        return made

    def fit(self, outcomes: Outcomes) -> Self:
        """Learn from tokens and bills; a model without outcomes keeps its list price."""
        known = [model for model in self.models_ if model in outcomes.models]
        seen, columns = outcomes.of(known), [self.models_.index(model) for model in known]
        self._tokens = OutputTokens(self._reader).fit(seen)
        self._bills = _filled(len(self.models_), columns, _bills(seen, self._prices.preamble_tokens[columns]))
        return self

    def bind(self, models: Sequence[Model], *, cached_share: float = 0.0) -> TokenCost:
        """Return what was learned, for the models of a catalog and at its prices; looked up by the id of the model."""
        made = TokenCost(models, reader=self._reader, cached_share=cached_share)
        known = [model for model in made.models_ if model in self.models_]
        theirs, ours = ([where.index(model) for model in known] for where in (self.models_, made.models_))
        made._bills = _filled(len(models), ours, Bills(*(each[theirs] for each in self._bills)))
        made._tokens = self._tokens
        return made

    def predict(self, queries: Sequence[Query]) -> Prediction:
        """Predict USD, shape (n_queries, n_models)."""
        prices, bills = self._prices, self._bills
        asked = np.array([query.input_tokens for query in queries], dtype=np.float64)[:, None]
        counted = (asked + bills.preamble_tokens) * bills.input_rate
        inputs = np.where(np.isnan(counted), (asked + prices.preamble_tokens) * prices.samples, counted)
        output_usd = _first(prices.output_usd, bills.output_usd)
        inputs_usd = inputs * _first(prices.input_usd, bills.input_usd)
        listed = inputs_usd + prices.output_tokens * prices.output_usd
        fallback = _first(bills.mean_usd, listed)
        if self._tokens is None:
            return Prediction(mean=fallback)
        return Prediction(mean=_first(inputs_usd + self._output_tokens(queries, self._tokens) * output_usd, fallback))

    def state(self) -> State:
        """Return prices and bills, and the lines of `OutputTokens` once there are some."""
        bills = {BILLS + name: values for name, values in self._bills._asdict().items()}
        return stored(self.kind, self.models_, self._tokens, {**self._prices._asdict(), **bills})

    @classmethod
    def restore(cls, artifact: Artifact) -> Self:
        """Return the estimator that was written; raises ArtifactError where its reader has changed."""
        made, tensors = cls(()), artifact.tensors
        made.models_ = artifact.manifest.models
        made._prices = Prices(*(tensors[name] for name in Prices._fields))
        made._bills = Bills(*(tensors[BILLS + name] for name in Bills._fields))
        made._tokens = restored(artifact)
        return made

    def _output_tokens(self, queries: Sequence[Query], counted: OutputTokens) -> FloatArray:
        """Return predicted tokens, shape (n_queries, n_models), NaN where nothing was learned."""
        tokens = np.full((len(queries), len(self.models_)), np.nan)
        known = [model for model in self.models_ if model in counted.models_]
        theirs, ours = ([where.index(model) for model in known] for where in (counted.models_, self.models_))
        tokens[:, ours] = counted.predict(queries).mean[:, theirs]
        return tokens


def _price_row(model: Model, cached_share: float) -> tuple[float, ...]:
    full, cached = _usd(model.input_usd_per_mtok, 1), _usd(model.cached_input_usd_per_mtok, 1)
    cached = full if math.isnan(cached) else cached
    return (
        full * (1 - cached_share) + cached * cached_share,
        _usd(model.output_usd_per_mtok, 1),
        Query(id="", messages=model.preamble).input_tokens if model.preamble else 0,
        model.samples,
        model.output_tokens * model.samples,
    )


def _first(known: FloatArray, otherwise: FloatArray) -> FloatArray:
    """Return the first of two arrays that broadcast, and the other where that is unknown."""
    return np.where(np.isnan(known), otherwise, known)


def _filled(n_models: int, columns: Sequence[int], bills: Bills) -> Bills:
    """Return bills of `n_models` models, these in these columns and the others unknown."""
    whole = Bills.unknown(n_models)
    for values, part in zip(whole, bills, strict=True):
        values[columns] = part
    return whole


def _bills(outcomes: Outcomes, preamble_tokens: FloatArray) -> Bills:
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


def _per_token_usd(model: Model) -> float:
    return _usd(model.input_usd_per_mtok, model.samples)


def _output_usd(model: Model) -> float:
    return _usd(model.output_usd_per_mtok, model.samples * model.output_tokens)


def _usd(usd_per_mtok: Decimal | None, tokens: int) -> float:
    return float("nan") if usd_per_mtok is None else float(usd_per_mtok * tokens) / 1e6
