"""Learned: the probability that an answer is right, learned from answers whose rightness is known.

Features of question and answer → one logistic regression shared by all models (`pooled`), averaged with one on the
model's own phrases where that helps → what else is known of the answer (log-probabilities, who agrees) is added by a
second, small one, which makes it a probability. Each kind of evidence is either there or not: for every combination
there is a second step of its own, and nothing absent is filled in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from switchpoint.core.attempt import Answer, Verdict
from switchpoint.core.errors import DataError, NotFittedError
from switchpoint.core.query import BoolArray, FloatArray, IntArray, Query
from switchpoint.estimators import artifact
from switchpoint.estimators.artifact import Artifact, State
from switchpoint.estimators.calibration import Platt
from switchpoint.estimators.logistic import sigmoid
from switchpoint.estimators.ngrams import Ngrams
from switchpoint.verifiers import features
from switchpoint.verifiers.evidence import Last, Seen, mixture
from switchpoint.verifiers.phrases import Phrases
from switchpoint.verifiers.pooled import STRENGTHS, Pooled, Scale, Strength, columns_of

FOLDS = 5
MIN_ROWS = 20


class Read(NamedTuple):
    """What is read of answers: features, (n_rows, n_features); masked texts; model of each; the other evidence."""

    x: FloatArray
    phrases: Phrases
    columns: IntArray
    seen: Seen

    def take(self, rows: BoolArray) -> Read:
        """Return these rows."""
        return Read(self.x[rows], self.phrases.take(rows), self.columns[rows], self.seen.take(rows))


class Fitted(NamedTuple):
    """What serving needs; words : None where phrases do not help; lasts : by the evidence that they take."""

    scale: Scale
    pooled: Pooled
    words: Ngrams | None
    lasts: dict[tuple[str, ...], Last]


class Choice(NamedTuple):
    """What cross-validation chose: the strength of the shared logistic, and whether phrases are heard."""

    strength: Strength
    words: bool


class Learned:
    """A verifier made of answers whose rightness is known; free of charge, and pure once loaded.

    model : as whose answers those are scored that come from a model it does not know; by default as anybody's.

    models_ : whose answers it was fitted on. oof_ : for every row of the fit, the probability by a verifier that was
    fitted without its group, shape (n_rows,): for thresholds and beliefs. choice_ : what cross-validation chose.
    """

    kind = "verifier"

    def __init__(self, *, model: str | None = None, seed: int = 0) -> None:
        self.model, self.seed = model, seed
        self.models_: tuple[str, ...] = ()
        self.others_: tuple[str, ...] = ()
        self.choice_: Choice | None = None
        self.oof_: FloatArray | None = None
        self._fit: Fitted | None = None

    def fit(
        self,
        query_texts: Sequence[str],
        answer_texts: Sequence[str],
        models: Sequence[str],
        right: FloatArray,
        groups: IntArray | None = None,
        *,
        others: Mapping[str, Sequence[str | None]] | None = None,
        logprobs: Sequence[Sequence[float]] | None = None,
    ) -> Self:
        """Learn from answers, one a row.

        models : who wrote each. right : shape (n_rows,), in [0, 1], a fraction is its own soft label.
        groups : rows of one group are never in different folds, shape (n_rows,); by default rows of one question.
        others : what other systems answered to the same queries, by their names; None where one did not.
        logprobs : of each answer's tokens; an empty one is unknown.

        Raises DataError for fewer than 20 rows, fewer than five groups, or labels that are not in [0, 1].
        """
        self.models_, self.others_ = tuple(dict.fromkeys(models)), tuple(others or ())
        groups = np.unique(query_texts, return_inverse=True)[1] if groups is None else groups
        _check(right, groups, len(answer_texts))
        read = self._read(query_texts, answer_texts, models, others, logprobs)
        folds = list(_folds(groups, self.seed))
        n_models = len(self.models_)
        scale = Scale.fit(read.x, read.columns, n_models)
        z = scale.apply(read.x, read.columns)
        self.choice_, logits = self._choose(read, z, right, folds)
        subsets = read.seen.subsets()
        self.oof_ = _out_of_fold(logits, read.seen, right, subsets, folds)
        self._fit = Fitted(
            scale=scale,
            pooled=Pooled.fit(z, read.columns, right, n_models, self.choice_.strength),
            words=read.phrases.fit(read.columns, right, n_models) if self.choice_.words else None,
            lasts={names: Last.fit(logits, read.seen, names, right) for names in subsets},
        )
        return self

    def meet(self, model: str, query_texts: Sequence[str], answer_texts: Sequence[str]) -> Self:
        """Take in a model without labels: its answers, 30 or more, only say what is usual for it.

        It gets the shared weights. Raises NotFittedError.
        """
        fitted = self._fitted()
        mean, rate = Scale.of(features.batch(query_texts, answer_texts))
        scale = Scale(*(np.insert(old, -1, new, axis=0) for old, new in zip(fitted.scale, (mean, rate), strict=True)))
        pooled = Pooled(np.insert(fitted.pooled.weights, -1, fitted.pooled.weights[-1], axis=0))
        self._fit = fitted._replace(scale=scale, pooled=pooled)
        self.models_ = (*self.models_, model)
        return self

    def score(
        self,
        query_texts: Sequence[str],
        answer_texts: Sequence[str],
        models: Sequence[str] | None = None,
        others: Mapping[str, Sequence[str | None]] | None = None,
        logprobs: Sequence[Sequence[float]] | None = None,
    ) -> FloatArray:
        """Return the probability that each answer is right, shape (n_rows,); a row does not depend on the others.

        Of a row's evidence as much is used as the fit knows; `others` count where all those of the fit are there.
        """
        fitted = self._fitted()
        models = [""] * len(answer_texts) if models is None else models
        read = self._read(query_texts, answer_texts, models, others, logprobs)
        z = self._text_logits(fitted, read)
        return sigmoid(mixture(fitted.lasts, z, read.seen))

    async def __call__(self, query: Query, answer: Answer) -> Verdict:
        """Score one answer; its model is the one that the upstream names, where that is known."""
        logprobs = [answer.logprobs] if answer.logprobs else None
        score = self.score([query.full_text], [answer.text], [answer.model or ""], logprobs=logprobs)
        return Verdict(score=float(score[0]))

    def state(self) -> State:
        """Return everything; raises NotFittedError."""
        fitted = self._fitted()
        words = {} if fitted.words is None else {f"words.{k}": v for k, v in fitted.words._asdict().items()}
        lasts = {f"last{i}.{k}": v for i, last in enumerate(fitted.lasts.values()) for k, v in last._asdict().items()}
        return State(
            kind=self.kind,
            models=self.models_,
            settings={
                "model": self.model,
                "seed": self.seed,
                "others": self.others_,
                "features": features.NAMES,
                "evidence": [list(names) for names in fitted.lasts],
            },
            tensors={**fitted.scale._asdict(), "weights": fitted.pooled.weights, **words, **lasts},
        )

    @classmethod
    def restore(cls, found: Artifact) -> Self:
        """Return the verifier that was written; raises ArtifactError where this version reads other features."""
        settings, tensors = found.manifest.settings, found.tensors
        features.check(settings["features"])
        learned = cls(model=settings["model"], seed=settings["seed"])
        learned.models_, learned.others_ = found.manifest.models, tuple(settings["others"])
        words = _under(tensors, "words.")
        learned._fit = Fitted(
            scale=Scale(tensors["mean"], tensors["rate"]),
            pooled=Pooled(tensors["weights"]),
            words=Ngrams(**words) if words else None,
            lasts={tuple(names): Last(**_under(tensors, f"last{i}.")) for i, names in enumerate(settings["evidence"])},
        )
        return learned

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Read an artifact; raises ArtifactError."""
        return cls.restore(artifact.read(folder, cls.kind))

    def _fitted(self) -> Fitted:
        if self._fit is None:
            raise NotFittedError(self)
        return self._fit

    def _read(
        self,
        query_texts: Sequence[str],
        answer_texts: Sequence[str],
        models: Sequence[str],
        others: Mapping[str, Sequence[str | None]] | None,
        logprobs: Sequence[Sequence[float]] | None,
    ) -> Read:
        columns = columns_of(models, self.models_)
        columns[columns < 0] = columns_of([self.model or ""], self.models_)[0]
        seen = Seen.of(answer_texts, self.others_, others or {}, logprobs)
        return Read(features.batch(query_texts, answer_texts), Phrases.of(answer_texts), columns, seen)

    def _text_logits(self, fitted: Fitted, read: Read) -> FloatArray:
        shared = fitted.pooled.logits(fitted.scale.apply(read.x, read.columns), read.columns)
        if fitted.words is None:
            return shared
        return (shared + read.phrases.logits(fitted.words, read.columns)) / 2

    def _choose(
        self, read: Read, z: FloatArray, right: FloatArray, folds: Sequence[BoolArray]
    ) -> tuple[Choice, FloatArray]:
        """Return what has the least log-loss on rows left out, and the logits of those rows, shape (n_rows,)."""
        n_models, columns = len(self.models_), read.columns
        phrases, found = np.zeros(len(right)), {}
        for test in folds:
            words = read.phrases.take(~test).fit(columns[~test], right[~test], n_models)
            phrases[test] = read.phrases.take(test).logits(words, columns[test])
        for strength in STRENGTHS:
            shared = np.zeros(len(right))
            for test in folds:
                pooled = Pooled.fit(z[~test], columns[~test], right[~test], n_models, strength)
                shared[test] = pooled.logits(z[test], columns[test])
            found[Choice(strength, False)] = shared
            found[Choice(strength, True)] = (shared + phrases) / 2
        own = columns == columns_of([self.model or ""], self.models_)
        judged = own if own.any() else np.ones(len(right), dtype=bool)
        best = min(found, key=lambda choice: _honest_loss(found[choice][judged], right[judged]))
        return best, found[best]


def _honest_loss(logits: FloatArray, right: FloatArray) -> float:
    """Mean log-loss once the logits are calibrated, in nats."""
    z = Platt.fit(logits[:, None], right[:, None]).apply(logits[:, None])[:, 0]
    return float((np.logaddexp(0, z) - right * z).mean())


def _out_of_fold(
    z: FloatArray, seen: Seen, right: FloatArray, subsets: Sequence[tuple[str, ...]], folds: Sequence[BoolArray]
) -> FloatArray:
    """Return the probability of every row by a last step that was fitted without its group, shape (n_rows,)."""
    result = np.zeros(len(z))
    for test in folds:
        known = seen.take(~test)
        lasts = {kinds: Last.fit(z[~test], known, kinds, right[~test]) for kinds in subsets}
        result[test] = mixture(lasts, z[test], seen.take(test))
    return sigmoid(result)


def _folds(groups: IntArray, seed: int) -> Iterator[BoolArray]:
    """Yield the rows that are left out, shape (n_rows,), five times; a group is left out whole."""
    number = np.unique(groups, return_inverse=True)[1]
    part = np.random.default_rng(seed).permutation(number.max() + 1) % FOLDS
    for fold in range(FOLDS):
        yield part[number] == fold


def _check(right: FloatArray, groups: IntArray, n_rows: int) -> None:
    if n_rows < MIN_ROWS or len(np.unique(groups)) < FOLDS:
        raise DataError(
            f"A verifier learns from at least {MIN_ROWS} answers to {FOLDS} different questions. "
            f"Got {n_rows} to {len(np.unique(groups))}."
        )
    if not ((right >= 0) & (right <= 1)).all():
        raise DataError("Whether an answer is right must be known, in [0, 1], for every row. Leave out the others.")


def _under(tensors: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): array for name, array in tensors.items() if name.startswith(prefix)}
