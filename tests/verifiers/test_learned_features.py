"""What is read of an answer: named numbers, finite for anything whatever, and the evidence beside its text."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.attempt import Answer
from switchpoint.core.errors import ArtifactError, ConfigError
from switchpoint.core.query import Query
from switchpoint.verifiers import features, logprobs
from switchpoint.verifiers.logprobs import chow_average, chow_quantile, chow_sum
from switchpoint.verifiers.pooled import Pooled, Scale, Strength

TEXTS = st.text(st.characters(), max_size=200) | st.text("0123456789+-*/()=<>%$x. \n#", max_size=200)
QUESTION = "Tom has 3 boxes of 4 pens and finds 5 more. How many pens does Tom have?"
LOGS = st.lists(st.floats(-30, 0), min_size=1, max_size=50)


def read(answer: str, query: str = QUESTION) -> dict[str, float]:
    return dict(zip(features.NAMES, features.features(query, answer).tolist(), strict=True))


def test_a_sound_calculation_is_read_as_one() -> None:
    found = read("He has 3 * 4 = 12 pens.\nThen 12 + 5 = 17 pens.\n#### 17")

    assert found["equations"] == 2 and found["equations_wrong"] == 0 and found["share_right"] == 1
    assert found["final_integer"] == found["final_is_last_result"] == found["marked"] == 1
    assert found["question_numbers_unused"] == found["operands_of_nowhere"] == found["results_unused"] == 0
    assert found["question_numbers"] == 3


def test_what_is_wrong_with_a_calculation_shows() -> None:
    found = read("3 * 4 = 13\n13 * 9 = 117\nHowever, 3 + 5 = 8\nThe answer is 20.5")

    assert found["any_wrong"] == 1 and found["share_right"] == pytest.approx(2 / 3)
    assert found["operands_of_nowhere"] == 1 and found["results_unused"] == 1
    assert found["final_integer"] == found["final_is_a_result"] == 0
    assert found["corrections"] == 1


def test_a_letter_and_an_essay_are_read_by_their_style() -> None:
    letter, essay = read("B"), read("# Title\n\n- **One** thing\n- another\n\nPerhaps this is cut of")

    assert letter["is_letter"] == letter["is_one_word"] == 1
    assert essay["is_letter"] == 0 and essay["cut_off"] == 1 and essay["hedges"] == 1
    assert essay["list_items"] > 0 and essay["headings"] > 0 and essay["bold"] > 0
    assert read("I'm sorry, but I can't help with that.")["refuses"] == 1
    assert read("")["empty"] == 1


@given(query=TEXTS, answer=TEXTS)
def test_features_are_finite_whatever_the_texts(query: str, answer: str) -> None:
    found = features.features(query, answer)

    assert found.shape == (len(features.NAMES),)
    assert np.abs(found).max() <= features.LIMIT


@pytest.mark.parametrize("text", ["a" * 10**6, "1+1=" * 250_000, "((" * 10**5, "9" * 10**6])
def test_a_megabyte_is_read_in_part(text: str) -> None:
    assert np.isfinite(features.features(text, text)).all()


def test_a_batch_is_its_rows_and_every_name_stands_once() -> None:
    pairs = [(QUESTION, "17"), ("Which?", "B"), ("", "")]

    found = features.batch(*zip(*pairs, strict=True))

    assert np.array_equal(found, [features.features(*pair) for pair in pairs])
    assert len(set(features.NAMES)) == len(features.NAMES) == sum(map(len, features.GROUPS.values()))


def test_other_features_than_those_of_this_version_are_refused() -> None:
    with pytest.raises(ArtifactError, match="Train it again"):
        features.check(features.NAMES[1:])


@given(LOGS)
def test_quantiles_of_log_probabilities_rise_and_the_rest_is_finite(values: list[float]) -> None:
    found = logprobs.features(values)

    assert found.shape == (len(logprobs.NAMES),) and np.isfinite(found).all()
    assert (np.diff(found[: len(logprobs.QUANTILES)]) >= 0).all()


def test_no_log_probabilities_are_unknown_not_a_default() -> None:
    assert np.isnan(logprobs.features([])).all()


async def test_chow_rules_are_the_mean_the_sum_and_a_quantile() -> None:
    answer = Answer(text="a b", logprobs=(-0.5, -1.5), body={})
    rules = (chow_average, chow_sum, chow_quantile(0), chow_quantile(1))

    scores = [(await rule(Query.of("?"), answer)).score for rule in rules]

    assert scores == pytest.approx([math.exp(-1), 1 / 3, math.exp(-1.5), math.exp(-0.5)])


@pytest.mark.parametrize("rule", [chow_average, chow_sum, chow_quantile(0.1)])
async def test_without_log_probabilities_a_chow_rule_knows_nothing(rule: object) -> None:
    assert math.isnan((await rule(Query.of("?"), Answer(text="a", body={}))).score)  # type: ignore[operator]


def test_a_quantile_outside_zero_and_one_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"\[0, 1\]"):
        chow_quantile(1.5)


def test_the_pooled_solution_is_a_minimum() -> None:
    random = np.random.default_rng(0)
    z, columns = random.normal(size=(200, 4)), random.integers(0, 3, 200)
    right, strength = (z[:, 0] + random.normal(size=200) > 0).astype(float), Strength(0.1, 0.01)

    w = Pooled.fit(z, columns, right, 3, strength).weights
    p = 1 / (1 + np.exp(-Pooled(w).logits(z, columns)))

    # The gradient of the deviations of the first model: errors balance the ridge.
    own = columns == 0
    assert np.allclose(z[own].T @ (p - right)[own] + (w[0] - w[-1])[:-1] / strength.own, 0, atol=1e-4)
    assert np.allclose(z.T @ (p - right) + w[-1, :-1] / strength.shared, 0, atol=1e-4)


def test_a_feature_that_never_varies_is_not_heard() -> None:
    x = np.column_stack([np.arange(6.0), np.ones(6)])

    scaled = Scale.fit(x, np.zeros(6, dtype=int), 1).apply(np.array([[2.5, 9.0]]), np.array([-1]))

    assert scaled.tolist() == [[0.0, 0.0]]
