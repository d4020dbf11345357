"""A learned verifier: what it learns from, what it promises, and what it is worth on recorded answers."""

import math
from pathlib import Path

import numpy as np
import pytest

from switchpoint.core.attempt import Answer
from switchpoint.core.errors import ArtifactError, DataError, NotFittedError
from switchpoint.core.query import Query
from switchpoint.estimators import artifact
from switchpoint.estimators.mean import MeanQuality
from switchpoint.verifiers import encoder
from switchpoint.verifiers.evidence import Seen
from switchpoint.verifiers.learned import Learned
from tests.estimators.conftest import make_outcomes

N = 120


class Made:
    """Sums, some of them wrong, of two models that write them differently; every third is told to be wrong."""

    def __init__(self, seed: int = 0, n: int = N) -> None:
        random = np.random.default_rng(seed)
        pairs = random.integers(2, 90, (n, 2))
        self.right = (random.random(n) < 0.6).astype(float)
        totals = pairs.sum(axis=1) + np.where(self.right == 1, 0, random.integers(3, 30, n))
        self.queries = [f"What is the sum of {a} and {b}? Row {i}." for i, (a, b) in enumerate(pairs)]
        self.answers = [f"{a} + {b} = {total}\n#### {total}" for (a, b), total in zip(pairs, totals, strict=True)]
        self.models = ["one" if i % 2 else "two" for i in range(n)]
        self.truth = [f"#### {a + b}" for a, b in pairs]
        self.logprobs = [(-0.1, -0.2) if right else (-0.1, -2.0) for right in self.right]

    def fit(self, **evidence: object) -> Learned:
        return Learned().fit(self.queries, self.answers, self.models, self.right, **evidence)  # type: ignore[arg-type]

    def score(self, verifier: Learned, **evidence: object) -> np.ndarray:
        return verifier.score(self.queries, self.answers, self.models, **evidence)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def made() -> Made:
    return Made()


@pytest.fixture(scope="module")
def fitted(made: Made) -> Learned:
    return made.fit()


def auroc(score: np.ndarray, right: np.ndarray) -> float:
    above = score[right == 1][:, None] - score[right == 0]
    return float((above > 0).mean() + (above == 0).mean() / 2)


def test_wrong_sums_score_below_right_ones_on_questions_never_seen(fitted: Learned) -> None:
    other = Made(seed=1)

    assert auroc(other.score(fitted), other.right) > 0.95


def test_scores_out_of_fold_are_probabilities_of_every_row(made: Made, fitted: Learned) -> None:
    assert fitted.oof_ is not None
    assert fitted.oof_.shape == (N,)
    assert ((fitted.oof_ > 0) & (fitted.oof_ < 1)).all()
    assert abs(fitted.oof_.mean() - made.right.mean()) < 0.05


def test_labels_without_any_rule_leave_scores_out_of_fold_that_tell_nothing(made: Made) -> None:
    coin = np.random.default_rng(5).integers(0, 2, N).astype(float)

    found = Learned().fit(made.queries, made.answers, made.models, coin).oof_

    assert found is not None and auroc(found, coin) < 0.65


def test_rows_of_one_question_are_never_on_both_sides_of_a_fold() -> None:
    # Every question stands twice with the same answer and label, which are a coin's: only a leak could tell them.
    half, coin = Made(n=60), np.random.default_rng(2).integers(0, 2, 60).astype(float)
    found = Learned().fit(half.queries * 2, half.answers * 2, half.models * 2, np.tile(coin, 2)).oof_

    assert found is not None and auroc(found, np.tile(coin, 2)) < 0.65


def test_a_row_does_not_depend_on_the_others(made: Made, fitted: Learned) -> None:
    alone = fitted.score(made.queries[7:8], made.answers[7:8], made.models[7:8])

    assert np.allclose(alone, made.score(fitted)[7:8], rtol=1e-6)


def test_agreement_is_used_where_it_is_there_and_not_filled_in_where_it_is_not(made: Made, fitted: Learned) -> None:
    blurred = ["#### " + answer.split("#### ")[1] for answer in made.answers]
    coin = [f"#### {1000 + i}" for i in range(N)]
    verifier = Learned().fit(blurred, blurred, made.models, made.right, others={"peer": made.truth})

    told = verifier.score(blurred, blurred, made.models, {"peer": made.truth})
    lied = verifier.score(blurred, blurred, made.models, {"peer": coin})
    alone = verifier.score(blurred, blurred, made.models)

    assert auroc(told, made.right) > 0.95
    assert (told[made.right == 1] > lied[made.right == 1]).all()
    assert np.allclose(verifier.score(blurred, blurred, made.models, {"peer": [None] * N}), alone)


def test_log_probabilities_are_used_where_the_fit_and_the_answer_have_them(made: Made) -> None:
    shuffled = np.random.default_rng(0).permutation(N)  # answers that say nothing of their labels
    answers = [made.answers[i] for i in shuffled]
    verifier = Learned().fit(made.queries, answers, made.models, made.right, logprobs=made.logprobs)

    with_them = verifier.score(made.queries, answers, made.models, logprobs=made.logprobs)

    assert auroc(with_them, made.right) > 0.95
    assert not np.isnan(verifier.score(made.queries, answers, made.models)).any()


def test_the_richest_evidence_comes_first_and_none_at_all_is_always_known(made: Made) -> None:
    seen = Seen.of(made.answers, ["peer"], {"peer": made.truth}, made.logprobs)

    assert seen.subsets() == [("agreement", "likelihood"), ("agreement",), ("likelihood",), ()]
    assert Seen.of(made.answers, [], {}, None).subsets() == [()]


def test_an_unknown_model_is_scored_by_the_weights_that_all_share(made: Made, fitted: Learned) -> None:
    score = fitted.score(made.queries, made.answers, ["nobody"] * N)

    assert auroc(score, made.right) > 0.95


def test_a_model_met_without_labels_is_measured_on_its_own_answers(made: Made) -> None:
    verifier, odd = made.fit(), ["Well: " * 20 + answer for answer in made.answers]
    before = verifier.score(made.queries, made.answers, made.models)

    verifier.meet("odd", made.queries, odd)

    assert verifier.models_[-1] == "odd"
    assert np.allclose(verifier.score(made.queries, made.answers, made.models), before)
    assert auroc(verifier.score(made.queries, odd, ["odd"] * N), made.right) > 0.9


def test_the_same_rows_give_the_same_verifier(made: Made, fitted: Learned) -> None:
    again = made.fit()

    assert np.array_equal(made.score(again), made.score(fitted))


def test_what_is_written_comes_back_the_same(made: Made, tmp_path: Path) -> None:
    verifier = made.fit(others={"peer": made.truth}, logprobs=made.logprobs)
    artifact.write(verifier, tmp_path, created="2026-01-01")
    loaded = Learned.load(tmp_path)

    evidence = {"others": {"peer": made.truth}, "logprobs": made.logprobs}
    assert np.array_equal(made.score(loaded, **evidence), made.score(verifier, **evidence))
    assert np.array_equal(made.score(loaded), made.score(verifier))
    assert loaded.models_ == verifier.models_


def test_an_artifact_of_another_kind_is_refused(tmp_path: Path) -> None:
    artifact.write(MeanQuality().fit(make_outcomes()), tmp_path, created="2026-01-01")

    with pytest.raises(ArtifactError, match="switchpoint train verifier"):
        encoder.load(tmp_path)


async def test_it_is_a_verifier_free_of_charge(made: Made, fitted: Learned) -> None:
    query, wrong = Query.of(made.queries[0]), Answer(text="2 + 2 = 7\n#### 7", model="one", body={})

    verdict = await fitted(query, wrong)

    assert verdict.cost_usd == 0
    assert verdict.score == pytest.approx(fitted.score([made.queries[0]], [wrong.text], ["one"])[0])


@pytest.mark.parametrize("text", ["", "B", "(B)", "####", "{}", "1 / 0 = 3", "é" * 10_000, "9" * 5_000, "\ud800"])
async def test_any_answer_gets_a_probability(fitted: Learned, text: str) -> None:
    score = (await fitted(Query.of("What?"), Answer(text=text, body={}))).score

    assert 0 <= score <= 1


def test_too_few_rows_or_unknown_labels_are_refused(made: Made) -> None:
    with pytest.raises(DataError, match="at least 20"):
        Learned().fit(made.queries[:9], made.answers[:9], made.models[:9], made.right[:9])
    with pytest.raises(DataError, match="must be known"):
        Learned().fit(made.queries, made.answers, made.models, np.full(N, math.nan))


def test_an_unfitted_one_says_so(made: Made) -> None:
    with pytest.raises(NotFittedError):
        made.score(Learned())
