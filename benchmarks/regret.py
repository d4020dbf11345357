"""At most 5 points worse than always the strong model with 90 % confidence: kept or broken on 200 resplits.

`python -m benchmarks.regret DATA`, from the folder that holds the datasets. A cheap answer is kept where a learned
verifier scores it above a threshold, else the strong model is called. Scores are out of fold over all rows: of the
answer alone, or also of whether other cheap models agree with it. One half of the rows chooses among thresholds at 20
shares of kept answers, the other half says what is lost. "Naive" keeps as much as does not lose more on the first half.
A second way draws that half's number of rows with replacement, and the truth is the mean of all rows: so no noise of a
second half is mistaken for a broken promise.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from switchpoint.core.outcome import Outcomes
from switchpoint.evaluation.certificate import TUNING_SHARE, Ladder, Promise, certify
from switchpoint.learning.datasets import read, read_many
from switchpoint.verifiers.learned import Learned

PROMISE = Promise(max_loss=0.05, confidence=0.90)
RESPLITS = 200
SHARES = np.linspace(0.05, 1.0, 20)
GPT4, MIXTRAL, YI = "gpt-4-1106-preview", "mistralai/Mixtral-8x7B-Instruct-v0.1", "zero-one-ai/Yi-34B-Chat"
SYSTEMS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
CHEAP = ("mistralai/mixtral-8x7b-chat", "gpt-3.5-turbo-1106", "mistralai/mistral-7b-chat")
SETS = (
    (("gsm8k-gpt4-mixtral",), MIXTRAL, ()),
    (("gsm8k-gpt4-mixtral", "gsm8k-openai2021"), MIXTRAL, SYSTEMS[1:2]),
    (("gsm8k-gpt4-mixtral", "gsm8k-openai2021"), MIXTRAL, SYSTEMS),
    (("routerbench-arc",), YI, CHEAP),
    (("routerbench-winogrande",), YI, CHEAP),
)
"""The folders, whose answers are kept, and who else is asked."""


class Population(NamedTuple):
    """Of every row, the score of the cheap answer and what is lost by keeping it, in [-1, 1]; shapes (n_queries,)."""

    score: np.ndarray
    loss: np.ndarray

    def take(self, rows: np.ndarray) -> Population:
        return Population(self.score[rows], self.loss[rows])

    def lost(self, threshold: float) -> float:
        return float((self.loss * (self.score >= threshold)).mean())

    def kept(self, threshold: float) -> float:
        return float((self.score >= threshold).mean())


def population(folders: Sequence[Path], model: str, others: Sequence[str]) -> Population:
    """Score every answer of the model by a verifier that was fitted on other rows."""
    whole = read_many(folders, "all", answers=True) if len(folders) > 1 else read(folders[0], answers=True)
    named = whole.of([model, GPT4, *others])
    rows = named.take(np.flatnonzero(~np.isnan(named.quality).any(axis=1)))
    return Population(score_of(rows), rows.quality[:, 1] - rows.quality[:, 0])


def score_of(rows: Outcomes) -> np.ndarray:
    questions = [query.full_text for query in rows.queries]
    answers = [[text or "" for text in column] for column in rows.responses.T]
    others = dict(zip(rows.models[2:], answers[2:], strict=True))
    verifier = Learned().fit(questions, answers[0], [rows.models[0]] * len(rows), rows.quality[:, 0], others=others)
    return verifier.oof_


def thresholds(score: np.ndarray) -> np.ndarray:
    """Return the thresholds that keep each of the shares of these answers, shape (n_shares,), from strict to loose."""
    return np.unique(np.quantile(score, 1 - SHARES, method="nearest"))[::-1]


def certified(known: Population) -> float:
    """Return the threshold that is certified, infinity where none is; the rows are in random order."""
    tuning = np.arange(len(known.score)) < TUNING_SHARE * len(known.score)
    values = thresholds(known.score[tuning])
    keep = known.score[:, None] >= values
    points = Ladder("threshold", values, known.loss[:, None] * keep, 1.0 - keep, np.ones(len(keep)), in_usd=False)
    found = certify(points, tuning, PROMISE, GPT4).found
    return np.inf if found is None else found.value


def naive(known: Population) -> float:
    """Return the loosest threshold that does not lose more than allowed on the rows that choose it."""
    fine = [value for value in thresholds(known.score) if known.lost(value) <= PROMISE.max_loss]
    return min(fine, default=np.inf)


def resplits(whole: Population, again: bool) -> dict[str, tuple[float, float]]:
    """Return, by way of choosing, the mean share kept and how often more was lost than promised."""
    n_rows, found = len(whole.score), {"certified": [], "naive": []}
    for seed in range(RESPLITS):
        random = np.random.default_rng(seed)
        order = random.permutation(n_rows)
        rows = random.integers(0, n_rows, n_rows // 2) if again else order[: n_rows // 2]
        judge = whole if again else whole.take(order[n_rows // 2 :])
        for name, choose in (("certified", certified), ("naive", naive)):
            threshold = choose(whole.take(rows))
            found[name].append((judge.kept(threshold), judge.lost(threshold) > PROMISE.max_loss))
    return {name: tuple(np.mean(each, axis=0)) for name, each in found.items()}


def main(data: Path) -> None:
    print(
        "| kept, with the opinion of | rows | certified | broken, other half | broken, truth | naive | broken | truth |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for folders, model, others in SETS:
        whole = population([data / folder for folder in folders], model, others)
        half, truth = (resplits(whole, again) for again in (False, True))
        cells = [f"{half[name][0]:.3f} | {half[name][1]:.3f} | {truth[name][1]:.3f}" for name in ("certified", "naive")]
        who = f"{folders[0]}: {model.split('/')[-1]}, {len(others)} others"
        print(f"| {who} | {len(whole.score)} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
