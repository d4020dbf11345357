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
from switchpoint.estimators.bills import Bills, bills_of
from switchpoint.estimators.tokens import OutputTokens, restored, stored

PREFIX = "bills."


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


class Rates(NamedTuple):
    """What prices and bills come to; each of shape (n_models,), NaN is unknown.

    asked_usd : per estimated input token. fixed_usd : whatever the query. output_usd : per predicted token.
    uncounted_asked_usd, uncounted_usd : the first two, output included, where no tokens are predicted.
    """

    asked_usd: FloatArray
    fixed_usd: FloatArray
    output_usd: FloatArray
    uncounted_asked_usd: FloatArray
    uncounted_usd: FloatArray


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
        self._learn(Bills.unknown(len(rows)))

    @classmethod
    def learned(cls, outcomes: Outcomes, *, reader: str = "static") -> Self:
        """Return what outcomes alone teach, without a catalog: prices are those that their bills imply."""
        nameless = [Model(id=model, upstream="", upstream_model="", output_tokens=0) for model in outcomes.models]
        return cls(nameless, reader=reader).fit(outcomes)

    @classmethod
    def billed(cls, models: Sequence[str], mean_usd: FloatArray) -> Self:
        """Return what mean bills alone teach, shape (n_models,), NaN is unknown."""
        made = cls([Model(id=model, upstream="", upstream_model="", output_tokens=0) for model in models])
        return made._learn(made._bills._replace(mean_usd=mean_usd))

    def fit(self, outcomes: Outcomes) -> Self:
        """Learn from tokens and bills; a model without outcomes keeps its list price."""
        known = [model for model in self.models_ if model in outcomes.models]
        seen, columns = outcomes.of(known), [self.models_.index(model) for model in known]
        self._tokens = OutputTokens(self._reader).fit(seen)
        found = bills_of(seen, self._prices.preamble_tokens[columns])
        return self._learn(found.within(len(self.models_), columns))

    def bind(self, models: Sequence[Model], *, cached_share: float = 0.0) -> TokenCost:
        """Return what was learned, for the models of a catalog and at its prices; looked up by the id of the model."""
        made = TokenCost(models, reader=self._reader, cached_share=cached_share)
        theirs, ours = _shared(self.models_, made.models_)
        made._tokens = self._tokens
        return made._learn(Bills(*(each[theirs] for each in self._bills)).within(len(models), ours))

    def predict(self, queries: Sequence[Query]) -> Prediction:
        """Predict USD, shape (n_queries, n_models)."""
        rates = self._rates
        asked = np.array([query.input_tokens for query in queries], dtype=np.float64)[:, None]
        uncounted = asked * rates.uncounted_asked_usd + rates.uncounted_usd
        if self._tokens is None:
            return Prediction(mean=uncounted)
        counted = asked * rates.asked_usd + rates.fixed_usd + self._output_tokens(queries) * rates.output_usd
        return Prediction(mean=_first(counted, uncounted))

    @property
    def follows_queries(self) -> bool:
        """Whether the bills taught the price of what was counted of any model, so that its cost differs by query."""
        return self._tokens is not None and not np.isnan(self._bills.output_usd).all()

    def state(self) -> State:
        """Return prices and bills, and the lines of `OutputTokens` once there are some."""
        bills = {PREFIX + name: values for name, values in self._bills._asdict().items()}
        return stored(self.kind, self.models_, self._tokens, {**self._prices._asdict(), **bills})

    @classmethod
    def restore(cls, artifact: Artifact) -> Self:
        """Return the estimator that was written; raises ArtifactError where its reader has changed."""
        made, tensors = cls(()), artifact.tensors
        made.models_ = artifact.manifest.models
        made._prices = Prices(*(tensors[name] for name in Prices._fields))
        made._tokens = restored(artifact)
        return made._learn(Bills(*(tensors[PREFIX + name] for name in Bills._fields)))

    def _learn(self, bills: Bills) -> Self:
        self._bills, self._rates = bills, _rates(self._prices, bills)
        return self

    def _output_tokens(self, queries: Sequence[Query]) -> FloatArray:
        """Return predicted tokens, shape (n_queries, n_models), NaN where nothing was learned."""
        assert self._tokens is not None
        predicted = self._tokens.predict(queries).mean
        if self._tokens.models_ == self.models_:
            return predicted
        tokens = np.full((len(queries), len(self.models_)), np.nan)
        theirs, ours = _shared(self._tokens.models_, self.models_)
        tokens[:, ours] = predicted[:, theirs]
        return tokens


def _rates(prices: Prices, bills: Bills) -> Rates:
    counted = ~np.isnan(bills.input_rate)
    input_usd, output_usd = _first(prices.input_usd, bills.input_usd), _first(prices.output_usd, bills.output_usd)
    asked_usd = np.where(counted, bills.input_rate, prices.samples) * input_usd
    fixed_usd = np.where(counted, bills.preamble_tokens, prices.preamble_tokens) * asked_usd
    return Rates(
        asked_usd=asked_usd,
        fixed_usd=fixed_usd,
        output_usd=output_usd,
        uncounted_asked_usd=np.where(np.isnan(bills.mean_usd), asked_usd, 0.0),
        uncounted_usd=_first(bills.mean_usd, fixed_usd + prices.output_tokens * prices.output_usd),
    )


def _shared(theirs: Sequence[str], ours: Sequence[str]) -> tuple[list[int], list[int]]:
    """Return the places of the models that both know, in the one and in the other."""
    known = [model for model in ours if model in theirs]
    return [theirs.index(model) for model in known], [ours.index(model) for model in known]


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


def _per_token_usd(model: Model) -> float:
    return _usd(model.input_usd_per_mtok, model.samples)


def _output_usd(model: Model) -> float:
    return _usd(model.output_usd_per_mtok, model.samples * model.output_tokens)


def _usd(usd_per_mtok: Decimal | None, tokens: int) -> float:
    return float("nan") if usd_per_mtok is None else float(usd_per_mtok * tokens) / 1e6
