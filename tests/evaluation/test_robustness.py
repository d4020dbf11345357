import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.estimate import Prediction
from switchpoint.core.query import Query
from switchpoint.evaluation.bout import bout_of
from switchpoint.evaluation.robustness import ALL, PERTURBATIONS, perturbed, robustness
from tests.evaluation.toys import make_outcomes

TEXT = "What is the capital of France, and how many people (about 2,100,000?) live there today, in the year 2024?"
QUALITY = [[0.0, 1.0], [1.0, 0.0]] * 10
OUTCOMES = make_outcomes(QUALITY, [1.0, 5.0], texts=[f"{TEXT} {i}" for i in range(20)])


class ByText:
    """Predicts by a rule on the text; the best single model is m0."""

    models_ = ("m0", "m1")

    def __init__(self, rule):
        self.rule = rule

    def predict(self, queries):
        odd = np.array([self.rule(query.text) for query in queries], dtype=float)
        return Prediction(mean=np.stack([0.5 * np.ones(len(odd)), odd], axis=1))


def shaken(rule):
    estimator = ByText(rule)
    found = robustness(estimator, bout_of(estimator, OUTCOMES, OUTCOMES), resamples=50)
    return {each.noise: each for each in found}


def is_even(text):
    return int("".join(c for c in text if c.isdigit())[-1]) % 2 == 0


def test_a_constant_router_keeps_everything_and_loses_nothing():
    found = shaken(lambda text: False)

    assert found.keys() == {ALL, *PERTURBATIONS}
    assert {(each.kept.value, each.regret.value) for each in found.values()} == {(1.0, 0.0)}


def test_a_router_that_reads_the_question_keeps_its_choices_too():
    assert shaken(is_even)[ALL].kept.value == 1.0


def test_a_router_that_reads_the_case_pays_for_it():
    found = shaken(lambda text: is_even(text) and text[0] == "W")

    # Upper case keeps its first letter; the rest now gets the model that is wrong on every second query.
    assert 0.5 <= found["casing"].kept.value < 1
    assert found["casing"].regret.value == pytest.approx(1 - found["casing"].kept.value)
    assert found["dropped words"].kept.value > found["casing"].kept.value


def test_the_share_over_all_kinds_is_their_mean():
    found = shaken(lambda text: text.startswith("What"))

    kinds = [found[name].kept.value for name in PERTURBATIONS]
    assert found[ALL].kept.value == pytest.approx(np.mean(kinds))


@pytest.mark.parametrize("noise", PERTURBATIONS)
def test_noise_is_the_same_every_time_and_keeps_id_and_numbers(noise):
    once, again = (perturbed(Query.of(TEXT, id="q1"), noise) for _ in range(2))

    assert once == again
    assert once.id == "q1"
    assert [c for c in once.text if c.isdigit()] == [c for c in TEXT if c.isdigit()]


@pytest.mark.parametrize("noise", PERTURBATIONS)
def test_every_kind_of_noise_changes_some_text(noise):
    texts = {perturbed(Query.of(TEXT * 3, id=str(i)), noise).text for i in range(10)}

    assert texts - {TEXT * 3}


@given(st.text(min_size=1, max_size=60).filter(str.strip), st.sampled_from(list(PERTURBATIONS)))
def test_no_text_is_left_empty_or_breaks_it(text, noise):
    assert perturbed(Query.of(text, id="q"), noise).full_text.strip()


def test_only_the_last_user_message_is_typed_differently():
    messages = (
        {"role": "user", "content": "FIRST"},
        {"role": "assistant", "content": "YES"},
        {"role": "user", "content": "SECOND"},
        {"role": "assistant", "content": "NO"},
    )

    found = perturbed(Query(id="a", messages=messages), "politeness").messages

    assert [found[i] for i in (0, 1, 3)] == [messages[i] for i in (0, 1, 3)]
    assert found[2]["content"] != "SECOND"
    assert "SECOND" in found[2]["content"]


def test_a_message_that_is_not_plain_text_stays_as_it_is():
    parts = Query(id="a", messages=({"role": "user", "content": [{"type": "text", "text": "HELLO"}]},))
    silent = Query(id="a", messages=({"role": "system", "content": "HELLO"},))

    assert perturbed(parts, "casing") == parts
    assert perturbed(silent, "casing") == silent
