"""Small estimators and catalogs that tests of several rooms share."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from switchpoint.core.attempt import Answer, Attempt, Failure, Verdict
from switchpoint.core.catalog import Catalog
from switchpoint.core.decision import Decision, Reason
from switchpoint.core.estimate import Estimates, Prediction
from switchpoint.core.model import Model
from switchpoint.core.query import Query


class Table:
    """An estimator that predicts the same row for every query, or one row for each text."""

    def __init__(
        self, models: Sequence[str], row: Sequence[float], novelty: float | None = None, **by_text: Sequence[float]
    ) -> None:
        self.models_ = tuple(models)
        self.row, self.novelty, self.by_text = row, novelty, by_text

    def predict(self, queries: Sequence[Query]) -> Prediction:
        mean = np.array([self.by_text.get(q.text, self.row) for q in queries], dtype=float)
        novelty = None if self.novelty is None else np.full(len(queries), self.novelty)
        return Prediction(mean=mean.reshape(len(queries), len(self.models_)), novelty=novelty)


def model(id: str, price: str | None = "1", **more: object) -> Model:
    usd = None if price is None else Decimal(price)
    return Model(
        id=id,
        upstream="fake",
        upstream_model=id,
        input_usd_per_mtok=usd,
        output_usd_per_mtok=usd,
        **more,  # type: ignore[arg-type]
    )


def catalog(*ids: str) -> Catalog:
    return Catalog(model(id, str(10**n)) for n, id in enumerate(ids))


def estimates(quality: Sequence[Sequence[float]], cost: Sequence[Sequence[float]], **more: object) -> Estimates:
    q, c = np.array(quality, dtype=float), np.array(cost, dtype=float)
    names = tuple("abcdefgh"[: q.shape[1]])
    eligible = np.ones(q.shape, dtype=bool)
    draw = np.linspace(0, 1, len(q), endpoint=False)
    return Estimates(**{"models": names, "quality": q, "cost_usd": c, "eligible": eligible, "draw": draw, **more})  # type: ignore[arg-type]


def answered(model: str, score: float | None = None, text: str = "answer") -> Attempt:
    decision = Decision(model=model, router="test", reason=Reason.FIXED)
    verdicts = () if score is None else (Verdict(score=score, verifier="checks"),)
    return Attempt(decision=decision, answer=Answer(text=text, body={}), verdicts=verdicts, latency_s=1.0)


def failed(model: str, kind: str = "UpstreamTimeout", retryable: bool = True, **more: float) -> Attempt:
    decision = Decision(model=model, router="test", reason=Reason.FIXED)
    failure = Failure(kind=kind, message="it failed", retryable=retryable, **more)  # type: ignore[arg-type]
    return Attempt(decision=decision, failure=failure, latency_s=1.0)
