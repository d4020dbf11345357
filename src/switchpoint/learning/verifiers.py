"""Train a verifier on recorded answers, and say how well it tells right ones from wrong ones on others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

from switchpoint.core.errors import DataError
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import FloatArray, IntArray, Query
from switchpoint.estimators import artifact
from switchpoint.estimators.bert import BertFiles
from switchpoint.estimators.bundled import shipped
from switchpoint.estimators.linear import Linear
from switchpoint.estimators.ngrams import Ngrams
from switchpoint.estimators.reading import Reading
from switchpoint.evaluation.bootstrap import Interval, Statistic, intervals
from switchpoint.evaluation.curve import Ranking
from switchpoint.evaluation.metrics import apgr, expected_calibration_error
from switchpoint.learning.datasets import Folder, Split, read_many, without_overlap
from switchpoint.learning.encoder import Settings, fine_tune
from switchpoint.learning.leaks import groups
from switchpoint.verifiers.encoder import RIGHT, PairEncoder, pair_text
from switchpoint.verifiers.learned import Learned

Method = Literal["light", "encoder"]
Say = Callable[[str], None]
ENCODER_SETTINGS = Settings(epochs=4, patience=2, held_out=0.2)


class Rows(NamedTuple):
    """Recorded answers, one a row; query : the row of its question in the outcomes, shape (n_rows,)."""

    query_texts: list[str]
    answer_texts: list[str]
    models: list[str]
    right: FloatArray
    query: IntArray

    @classmethod
    def of(cls, outcomes: Outcomes) -> Rows:
        """Return every answer whose text and score are known; raises DataError where there is none."""
        if outcomes.responses is None:
            raise DataError(f"{outcomes.name}: holds no answers; a verifier reads the column `response`.")
        known = outcomes.written & ~np.isnan(outcomes.quality)
        query, column = np.nonzero(known)
        return cls(
            [outcomes.queries[row].full_text for row in query],
            list(outcomes.responses[query, column]),
            [outcomes.models[each] for each in column],
            outcomes.quality[query, column],
            query,
        )


class Scores(Protocol):
    """A verifier that scores many answers at once."""

    def score(self, query_texts: Sequence[str], answer_texts: Sequence[str], models: Sequence[str]) -> FloatArray:
        """Return the probability that each answer is right, shape (n_rows,)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """How well an order of one model's answers tells right from wrong, with 95 % intervals; NaN is not defined.

    half : mean quality where the lower half goes to the strong model. apgr : of deferring the lowest first.
    """

    auroc: Interval
    half: Interval
    apgr: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What came of it: auroc and calibration_error of rows left out, and on a test set, by the name of the scorer."""

    digest: str
    data: str
    rows: int
    models: tuple[str, ...]
    auroc: Interval
    calibration_error: float
    test: Mapping[str, Figures]
    judged: str | None = None
    strong: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        each = {name: {k: getattr(f, k)._asdict() for k in f.__slots__} for name, f in self.test.items()}
        return {
            "artifact": self.digest,
            "data": self.data,
            "rows": self.rows,
            "models": list(self.models),
            "out_of_fold": {"auroc": self.auroc._asdict(), "calibration_error": self.calibration_error},
            "judged": self.judged,
            "strong": self.strong,
            "test": each,
        }


def train_verifier(
    folders: Sequence[Folder],
    out: Path,
    *,
    created: str,
    model: str | None = None,
    split: Split = "train",
    method: Method = "light",
    test: Folder | None = None,
    say: Say = lambda text: None,
) -> Trained:
    """Fit a verifier on the answers of the folders and write the artifact to `out`.

    model : whose answers it is for; those of all others help. test : a folder whose test rows it is measured on;
    questions that stand there are left out of training.

    Raises DataError, UnknownModel, and ConfigError or ArtifactError where the encoder needs what is not installed.
    """
    outcomes = read_many(folders, split, None, say, answers=True)
    tested = None if test is None else read_many([test], "test", answers=True)
    if tested is not None:
        outcomes, shared = without_overlap(outcomes, tested)
        if shared:
            say(f"{shared} questions stand in the test too: left out.")
    if model is not None:
        outcomes.column(model)
    rows = Rows.of(outcomes)
    say(f"Fitting on {len(rows.right)} answers of {len(set(rows.models))} models …")
    found = _fit_light(outcomes, rows, model) if method == "light" else _fit_encoder(rows, say)
    verifier, oof, right = found
    auroc = intervals({"auroc": auroc_of(oof, right)}, len(oof))["auroc"]
    ece = expected_calibration_error(oof[:, None], right[:, None])
    lines = [{"dataset": outcomes.name, "split": split, "rows": len(rows.right)}]
    metrics = {"out_of_fold": {"auroc": auroc._asdict(), "calibration_error": ece}}
    digest = artifact.write(verifier, out, created=created, trained_on=lines, metrics=metrics)
    weak, strong, measured = None, None, {}
    if tested is not None:
        weak, strong = _pair(outcomes, tested, model)
        measured = on_test(verifier, outcomes, tested, weak, strong)
    return Trained(
        digest=digest,
        data=outcomes.name,
        rows=len(rows.right),
        models=tuple(dict.fromkeys(rows.models)),
        auroc=auroc,
        calibration_error=ece,
        test=measured,
        judged=weak,
        strong=strong,
    )


def on_test(verifier: Scores, train: Outcomes, test: Outcomes, weak: str, strong: str | None) -> dict[str, Figures]:
    """Measure a verifier on a model's test answers, beside what sees the question alone, and a bag of words."""
    shown, known = Rows.of(test.of([weak])), Rows.of(train.of([weak]))
    scores = {
        "verifier": verifier.score(shown.query_texts, shown.answer_texts, shown.models),
        "question only": question_only(known, shown),
        "bag of words": bag_of_words(known, shown),
    }
    better = None if strong is None else test.quality[shown.query, test.column(strong)]
    return {name: figures(score, shown.right, better) for name, score in scores.items()}


def question_only(known: Rows, shown: Rows) -> FloatArray:
    """Score answers by their questions' embedding and surface, fitted on known rows; shape (n_shown,)."""
    readings = [
        Reading(tuple(each.query_texts), shipped().knowledge.embedder.read(each.query_texts)) for each in (known, shown)
    ]
    return Linear.fit(readings[0], known.right[:, None]).predict(readings[1])[:, 0]


def bag_of_words(known: Rows, shown: Rows) -> FloatArray:
    """Score answers by hashed words and letters of question and answer, fitted on known rows; shape (n_shown,)."""
    readings = [
        Reading(
            tuple(pair_text(*pair) for pair in zip(each.query_texts, each.answer_texts, strict=True)),
            np.zeros((len(each.right), 0)),
        )
        for each in (known, shown)
    ]
    return Ngrams.fit(readings[0], known.right[:, None]).predict(readings[1])[:, 0]


def figures(score: FloatArray, right: FloatArray, strong: FloatArray | None = None) -> Figures:
    """Measure an order of answers; strong : quality of the model that the lowest are deferred to, shape (n_rows,)."""
    statistics: dict[str, Statistic] = {"auroc": auroc_of(score, right)}
    if strong is not None and not np.isnan(strong).any():
        ranking = Ranking(-score)
        statistics["half"] = lambda drawn: _half(ranking, right, strong, drawn)
        statistics["apgr"] = lambda drawn: apgr(ranking.curve(right, strong, drawn))
    found = intervals(statistics, len(score))
    unknown = Interval(*[float("nan")] * 3)
    return Figures(auroc=found["auroc"], half=found.get("half", unknown), apgr=found.get("apgr", unknown))


def auroc_of(score: FloatArray, right: FloatArray) -> Statistic:
    """Return the statistic "a right answer scores above a wrong one", ties half; both of shape (n_rows,).

    NaN where all are right or all are wrong. A fraction of rightness counts as that share of a right answer.
    """
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(score[order]) > 0])

    def area(drawn: FloatArray) -> FloatArray:
        good, bad = (np.add.reduceat((drawn * part)[:, order], starts, axis=1) for part in (right, 1 - right))
        below = np.cumsum(bad, axis=1) - bad / 2
        pairs = good.sum(axis=1) * bad.sum(axis=1)
        result: FloatArray = np.divide(
            (good * below).sum(axis=1), pairs, out=np.full(len(drawn), np.nan), where=pairs > 0
        )
        return result

    return area


def _half(ranking: Ranking, weak: FloatArray, strong: FloatArray, drawn: FloatArray) -> FloatArray:
    curve = ranking.curve(weak, strong, drawn)
    return np.array([np.interp(0.5, *pair) for pair in zip(curve.share, curve.quality, strict=True)])


def _pair(train: Outcomes, test: Outcomes, model: str | None) -> tuple[str, str | None]:
    """Return the model that is judged, by default the one of lowest training quality, and the best of the others."""
    known = [name for name in test.models if name in train.models]
    if not known or (model is not None and model not in known):
        raise DataError(f"{test.name}: holds no answers of {model or 'any model that was trained on'}.")
    quality = dict(zip(train.models, train.mean_quality().tolist(), strict=True))
    weak = model or min(known, key=quality.__getitem__)
    better = [name for name in known if quality[name] > quality[weak]]
    return weak, max(better, key=quality.__getitem__, default=None)


def _fit_light(outcomes: Outcomes, rows: Rows, model: str | None) -> tuple[Learned, FloatArray, FloatArray]:
    """Return the verifier, and of the judged model's rows the scores out of fold and the truth."""
    verifier = Learned(model=model)
    verifier.fit(rows.query_texts, rows.answer_texts, rows.models, rows.right, groups(outcomes)[rows.query])
    assert verifier.oof_ is not None
    judged = np.array([model in (None, each) for each in rows.models])
    return verifier, verifier.oof_[judged], rows.right[judged]


def _fit_encoder(rows: Rows, say: Say) -> tuple[PairEncoder, FloatArray, FloatArray]:
    """Return the verifier, and its scores and the truth of the rows that were held out of its training.

    Those rows chose the epoch and calibrate, so their figures flatter a little: the test is what counts.
    """
    pairs = [pair_text(*pair) for pair in zip(rows.query_texts, rows.answer_texts, strict=True)]
    outcomes = Outcomes(
        queries=tuple(Query.of(text, id=str(number)) for number, text in enumerate(pairs)),
        models=(RIGHT,),
        quality=rows.right[:, None],
        cost_usd=np.full((len(pairs), 1), np.nan),
        domains=tuple(rows.models),
    )
    settings = ENCODER_SETTINGS
    verifier = PairEncoder(fine_tune(outcomes, BertFiles.installed(), settings, say).encoder)
    held_out = np.flatnonzero(
        np.random.default_rng(settings.seed).permutation(len(pairs)) < max(1, round(settings.held_out * len(pairs)))
    )
    score = verifier.encoder.predict([outcomes.queries[row] for row in held_out]).mean[:, 0]
    return verifier, score, rows.right[held_out]
