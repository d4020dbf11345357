"""Members that are one line per model, ridge and ngrams; and the small network."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchpoint.core.query import FloatArray
from switchpoint.estimators.linear import Linear
from switchpoint.estimators.mlp import Mlp, Network, Rows, gradient, loss_of
from switchpoint.estimators.ngrams import N_BUCKETS, Ngrams, count_terms
from switchpoint.estimators.reading import Reading
from switchpoint.estimators.ridge import STRENGTHS, solve_ridge
from switchpoint.estimators.static import N_SURFACE


def of_columns(x: FloatArray) -> Reading:
    columns = np.hstack([x, np.zeros((len(x), N_SURFACE)), np.ones((len(x), 1))])
    return Reading(("",) * len(x), columns.astype(np.float32))


def of_texts(*texts: str) -> Reading:
    return Reading(texts, np.ones((len(texts), N_SURFACE + 2), dtype=np.float32))


@given(seed=st.integers(0, 1_000), noise=st.floats(0.01, 3))
@settings(deadline=None, max_examples=30)
def test_the_ridge_has_the_least_generalised_cross_validation_error(seed: int, noise: float) -> None:
    random = np.random.default_rng(seed)
    x = random.standard_normal((40, 6))
    x -= x.mean(axis=0)
    target = x @ random.standard_normal(6) + noise * random.standard_normal(40)
    target -= target.mean()

    def error(strength: float) -> tuple[float, FloatArray]:
        hat = x @ np.linalg.solve(x.T @ x + strength * np.eye(6), x.T)
        return float(np.sum((target - hat @ target) ** 2) / (39 - np.trace(hat)) ** 2), hat @ target

    best = min((error(strength) for strength in STRENGTHS), key=lambda each: each[0])
    assert x @ solve_ridge(x, target) == pytest.approx(best[1], abs=1e-6)


def test_of_noise_nothing_is_learned() -> None:
    random = np.random.default_rng(0)
    x = random.standard_normal((300, 20))

    assert np.abs((x - x.mean(axis=0)) @ solve_ridge(x - x.mean(axis=0), random.standard_normal(300))).max() < 1.0


def test_a_line_on_the_surface_does_not_look_at_the_vector() -> None:
    random = np.random.default_rng(0)
    reading = of_columns(random.standard_normal((60, 4)))

    member = Linear.fit(reading, random.integers(0, 2, (60, 1)) * 1.0, surface_only=True)

    assert not member.weights[:4].any()


def test_a_term_counts_once_for_each_time_it_stands_in_a_text() -> None:
    once, thrice = (count_terms([text]) for text in ("paris", "paris paris paris"))

    assert np.isin(once.buckets, thrice.buckets).all()
    assert thrice.counts.max() == 3


def test_other_texts_change_neither_the_terms_of_a_text_nor_their_counts() -> None:
    texts = ["What is 7 * 8?", "", "法国的首都", "What is 7 * 8?"]

    together = count_terms(texts)

    for number, text in enumerate(texts):
        own, alone = together.texts == number, count_terms([text])
        assert together.buckets[own].tolist() == alone.buckets.tolist()
        assert together.counts[own].tolist() == alone.counts.tolist()


def test_terms_are_the_same_in_another_process() -> None:
    code = (
        "from switchpoint.estimators.ngrams import count_terms; print(count_terms(['Solve x^2 = 4.']).buckets.tolist())"
    )

    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert other.stdout.strip() == str(count_terms(["Solve x^2 = 4."]).buckets.tolist())


def test_words_that_tell_are_learned() -> None:
    texts = [f"{'integral' if i % 2 else 'poem'} number {i}" for i in range(80)]
    quality = (np.arange(80) % 2)[:, None] * 1.0

    member = Ngrams.fit(of_texts(*texts), quality)

    good, bad = member.predict(of_texts("integral number 99", "poem number 99"))[:, 0]
    assert good > 0.7
    assert bad < 0.3


def test_ngrams_agree_with_an_independent_implementation() -> None:
    from sklearn.linear_model import LogisticRegression

    random = np.random.default_rng(0)
    words = [" ".join(random.choice(["sun", "moon", "star", "rain", "wind"], 4)) for _ in range(150)]
    target = np.array([float("sun" in text) for text in words])
    member = Ngrams.fit(of_texts(*words), target[:, None])

    terms = count_terms(words)
    x = np.zeros((150, N_BUCKETS), dtype=np.float32)
    x[terms.texts, terms.buckets] = (1 + np.log(terms.counts)) * member.rarity[terms.buckets]
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    theirs = LogisticRegression(C=1.0).fit(x, target).predict_proba(x)[:, 1]
    assert member.predict(of_texts(*words))[:, 0] == pytest.approx(theirs, abs=0.03)


def test_the_gradient_of_the_network_is_that_of_its_loss() -> None:
    random = np.random.default_rng(0)
    rows = Rows(random.standard_normal((9, 5)), random.random((9, 2)), np.array([0.3, -0.2]))
    rows.quality[0, 0] = np.nan
    network = Network(random.standard_normal((5, 3)), random.standard_normal((3, 2)))

    analytic = gradient(network, rows)[0][1, 2]

    step = np.zeros((5, 3))
    step[1, 2] = 1e-5
    high, low = (loss_of(Network(network.hidden + sign * step, network.output), rows) for sign in (1, -1))
    assert analytic == pytest.approx((high - low) / 2e-5 / 9, rel=1e-3)


def test_the_network_learns_what_no_line_can() -> None:
    random = np.random.default_rng(0)
    x = random.choice([-1.0, 1.0], (2_000, 2)) / np.sqrt(2)
    quality = (x[:, :1] * x[:, 1:] > 0).astype(float)
    reading = of_columns(x)

    line, network = (member.fit(reading, quality).predict(reading) for member in (Linear, Mlp))

    assert np.abs(line - 0.5).max() < 0.1
    assert np.abs(network - quality).mean() < 0.2


def test_the_network_starts_from_the_means() -> None:
    quality = np.array([[1.0, 0.0]] * 3)

    found = Mlp.fit(of_columns(np.eye(3)), quality).predict(of_columns(np.eye(3)))

    assert found == pytest.approx(np.tile([3.5 / 4, 0.5 / 4], (3, 1)), abs=0.1)
