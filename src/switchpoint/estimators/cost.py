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
from switchpoint.estimators.tokens import OutputTokens, restored, stored


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
    """What a model asks, all samples of a call included; each of shape (n_models,), NaN is unknown.

    input_usd, output_usd : per token; preamble_tokens : input beside the query's; output_tokens : of `Model`.
    """

    input_usd: FloatArray
    output_usd: FloatArray
    preamble_tokens: FloatArray
    output_tokens: FloatArray


class TokenCost:
    """Expected tokens times list prices: input at its two prices, output as long as each model's answers are.

    Of each model the first that is known: predicted tokens at its prices; the mean of its observed bills;
    `Model.output_tokens` at its prices. Without any of them NaN. Before fitting only the last is known.

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
        self._input_rate = np.ones(len(rows))
        self._mean_usd = np.full(len(rows), np.nan)

    def fit(self, outcomes: Outcomes) -> Self:
        """Learn from tokens and bills; a model without outcomes keeps its list price."""
        known = [model for model in self.models_ if model in outcomes.models]
        seen, columns = outcomes.of(known), self._columns(known)
        self._tokens = OutputTokens(self._reader).fit(seen)
        self._mean_usd, self._input_rate = np.full(len(self.models_), np.nan), np.ones(len(self.models_))
        self._mean_usd[columns] = seen.mean_cost_usd()
        self._input_rate[columns] = _input_rates(seen, self._prices.preamble_tokens[columns])
        return self

    def predict(self, queries: Sequence[Query]) -> Prediction:
        """Predict USD, shape (n_queries, n_models)."""
        prices = self._prices
        asked = np.array([query.input_tokens for query in queries], dtype=np.float64)[:, None]
        inputs_usd = (asked + prices.preamble_tokens) * self._input_rate * prices.input_usd
        predicted = inputs_usd + self._output_tokens(queries) * prices.output_usd
        listed = inputs_usd + prices.output_tokens * prices.output_usd
        fallback = np.where(np.isnan(self._mean_usd), listed, self._mean_usd)
        return Prediction(mean=np.where(np.isnan(predicted), fallback, predicted))

    def state(self) -> State:
        """Return prices, rates and means, and the lines of `OutputTokens` once there are some."""
        learned = {"input_rate": self._input_rate, "mean_usd": self._mean_usd}
        return stored(self.kind, self.models_, self._tokens, {**self._prices._asdict(), **learned})

    @classmethod
    def restore(cls, artifact: Artifact) -> Self:
        """Return the estimator that was written; raises ArtifactError where its reader has changed."""
        made, tensors = cls(()), artifact.tensors
        made.models_ = artifact.manifest.models
        made._prices = Prices(*(tensors[name] for name in Prices._fields))
        made._input_rate, made._mean_usd = tensors["input_rate"], tensors["mean_usd"]
        made._tokens = restored(artifact)
        return made

    def _output_tokens(self, queries: Sequence[Query]) -> FloatArray:
        """Return predicted tokens, shape (n_queries, n_models), NaN where nothing was learned."""
        tokens = np.full((len(queries), len(self.models_)), np.nan)
        if self._tokens is not None:
            tokens[:, self._columns(self._tokens.models_)] = self._tokens.predict(queries).mean
        return tokens

    def _columns(self, models: Sequence[str]) -> list[int]:
        return [self.models_.index(model) for model in models]


def _price_row(model: Model, cached_share: float) -> tuple[float, ...]:
    full, cached = _usd(model.input_usd_per_mtok, model.samples), _usd(model.cached_input_usd_per_mtok, model.samples)
    cached = full if math.isnan(cached) else cached
    preamble = Query(id="", messages=model.preamble).input_tokens if model.preamble else 0
    return (
        full * (1 - cached_share) + cached * cached_share,
        _usd(model.output_usd_per_mtok, model.samples),
        preamble,
        model.output_tokens,
    )


def _input_rates(outcomes: Outcomes, preamble_tokens: FloatArray) -> FloatArray:
    """Return counted over estimated input tokens, shape (n_models,); 1 where none were counted.

    The estimate is from bytes, whatever the model's tokenizer and template.
    """
    rates = np.ones(len(outcomes.models))
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
