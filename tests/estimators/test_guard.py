"""The guard: a gain that is proven is let through, one that is not is held back, far from the evidence above all."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.query import FloatArray
from switchpoint.estimators.bundled import Bundled
from switchpoint.estimators.guard import NEAR_PRIOR_ROWS, NEAREST, Caution, Gains, Guard, Watch

NO_DOUBT = Caution(near=0.0, errors=0.0, spread=0.0, max_novelty=1.0, log_odds=0.0)
FAMILIAR, NEW = np.zeros(1), np.ones(1)


def gains(kinds: list[float], novelty: float = 0.0, errors: float = 0.05, spread: float = 0.2) -> Gains:
    """One query, three models, the first the reference."""
    kind = np.array([[0.0, *kinds]])
    return Gains(
        kinds=kind,
        near=kind / 2,
        errors=np.array([[0.0, errors, errors]]),
        spread=np.array([0.0, spread, spread]),
        novelty=np.array([novelty]),
        reference=0,
    )


def test_without_doubt_the_gain_stands() -> None:
    assert gains([0.1, -0.2]).doubted(NO_DOUBT) == pytest.approx(np.array([[0, 0.1, -0.2]]), abs=1e-5)


def test_standard_errors_are_taken_off() -> None:
    doubted = gains([0.1, 0.04]).doubted(NO_DOUBT._replace(errors=1.0))

    assert doubted == pytest.approx(np.array([[0, 0.05, -0.01]]), abs=1e-5)


def test_the_nearest_rows_are_heard_as_much_as_is_said() -> None:
    assert gains([0.1, 0.2]).doubted(NO_DOUBT._replace(near=0.5)) == pytest.approx(
        np.array([[0, 0.075, 0.15]]), abs=1e-5
    )


def test_a_gain_fades_as_the_query_becomes_new_and_the_spread_between_kinds_takes_its_place() -> None:
    doubted = gains([0.1, 0.1], novelty=0.5).doubted(NO_DOUBT._replace(spread=0.5))

    assert doubted == pytest.approx(np.array([[0, 0.05 - 0.05, 0.0]]), abs=1e-5)


def test_beyond_the_greatest_novelty_nothing_takes_the_reference_s_place() -> None:
    assert gains([0.9, 0.9], novelty=0.7).doubted(NO_DOUBT._replace(max_novelty=0.6)).argmax() == 0


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=2), st.floats(0, 1), st.floats(0, 2), st.floats(0, 1))
def test_more_caution_never_finds_more_gain(kinds: list[float], novelty: float, errors: float, spread: float) -> None:
    found = gains(kinds, novelty)

    less, more = found.doubted(NO_DOUBT), found.doubted(NO_DOUBT._replace(errors=errors, spread=spread))

    assert (more[:, 1:] <= less[:, 1:] + 1e-9).all()


def world(bundled: Bundled, seed: int = 0) -> tuple[FloatArray, FloatArray, list[str]]:
    """The texts of the bundled kinds, two to four times each; one model is best on most, another one on code."""
    kinds = bundled.knowledge.kinds
    rows = np.tile(np.arange(len(kinds.labels)), 3)
    domains = np.array(kinds.names)[kinds.labels][rows]
    code = np.isin(domains, ["human_eval", "mbpp"])
    chance = np.stack([np.full(len(rows), 0.7), np.where(code, 0.95, 0.4)], axis=1)
    quality = (np.random.default_rng(seed).random(chance.shape) < chance).astype(float)
    return kinds.columns[rows], quality, domains.tolist()


@pytest.fixture(scope="module")
def guard(bundled: Bundled) -> Guard:
    columns, quality, domains = world(bundled)
    return Guard.fit(columns, quality, domains, bundled.knowledge.ground)


def test_the_reference_is_the_best_constant_model(guard: Guard) -> None:
    assert int(guard.reference) == 0


def test_a_model_that_is_better_on_one_kind_is_let_through_there_and_nowhere_else(
    guard: Guard, bundled: Bundled
) -> None:
    columns, _, domains = world(bundled)
    code = np.isin(domains, ["human_eval", "mbpp"])

    proven = guard.of(columns, np.zeros(len(columns)), np.zeros((len(columns), 2)))

    assert (proven[code, 1] > 0).mean() > 0.8
    assert (proven[~code, 1] > 0).mean() < 0.1


def test_on_new_ground_nothing_is_a_gain(guard: Guard, bundled: Bundled) -> None:
    columns, _, _ = world(bundled)

    proven = guard.of(columns, np.ones(len(columns)), np.full((len(columns), 2), 0.3))

    assert (proven[:, 1] < 0).all()
    assert (proven[:, 0] == 0).all()


def test_what_is_predicted_but_not_proven_is_no_gain_and_keeps_the_order_of_the_others() -> None:
    nothing = Guard.fit(np.zeros((0, 97)), np.zeros((0, 3)), [], Bundled.load().knowledge.ground)

    proven = nothing.of(np.zeros((1, 97)), FAMILIAR, np.array([[0.0, 0.3, 0.1]]))

    assert proven[0, 0] == 0
    assert proven[0, 2] < proven[0, 1] < 0
    assert proven[0, 1] - proven[0, 2] == pytest.approx(0.2)


def test_where_every_model_is_alike_nothing_is_proven(bundled: Bundled) -> None:
    columns, quality, domains = world(bundled)
    quality[:, 1] = np.random.default_rng(2).permutation(quality[:, 0])

    guard = Guard.fit(columns, quality, domains, bundled.knowledge.ground)

    assert not (guard.of(columns, np.zeros(len(columns)), np.zeros(quality.shape)) > 0).any()


def test_places_that_the_caller_has_already_change_nothing(guard: Guard, bundled: Bundled) -> None:
    columns, _, _ = world(bundled)
    watch, novelty, predicted = Watch(guard), np.linspace(0, 1, len(columns)), np.zeros((len(columns), 2))

    given = watch.of(columns, novelty, predicted, columns @ guard.places)

    assert (given == watch.of(columns, novelty, predicted)).all()


def test_near_gains_are_the_shrunk_mean_of_the_nearest_rows(guard: Guard) -> None:
    random = np.random.default_rng(0)
    vectors = np.concatenate([np.eye(1, 96).repeat(NEAREST, axis=0), -np.eye(1, 96).repeat(50, axis=0)])
    differences = np.column_stack([np.zeros(len(vectors)), random.choice([-1.0, 1.0, np.nan], len(vectors))])
    watch = Watch(guard._replace(vectors=vectors.astype(np.float32), differences=differences.astype(np.float32)))

    near = watch.known(np.append(vectors[0], np.ones(len(guard.places) - 96))[None].astype(np.float32), FAMILIAR).near

    heard = differences[:NEAREST, 1][~np.isnan(differences[:NEAREST, 1])]
    assert near[0] == pytest.approx([0.0, heard.sum() / (len(heard) + NEAR_PRIOR_ROWS)])
