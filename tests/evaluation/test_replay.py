from datetime import UTC, datetime
from decimal import Decimal

import numpy as np

from switchpoint.core.attempt import Answer, Attempt
from switchpoint.core.decision import Decision, Reason
from switchpoint.core.errors import NoAnswer
from switchpoint.core.estimate import Prediction
from switchpoint.core.record import Record
from switchpoint.evaluation.replay import NOBODY, always, choose, estimates, mixed, played, replay
from switchpoint.routers.policies import MaxUtility
from tests.evaluation.toys import make_outcomes

OUTCOMES = make_outcomes([[1.0, 0.0], [0.5, 1.0], [0.0, np.nan]], cost_usd=[[1.0, 9.0], [2.0, 8.0], [3.0, 7.0]])


def served(query, *models, cost="1"):
    """A record in which the last of the models answered and the others failed."""
    attempts = [
        Attempt(
            decision=Decision(model=model, router="toy", reason=Reason.ESTIMATED),
            answer=Answer(text="ok", body={}) if model is models[-1] else None,
            cost_usd=Decimal(cost),
            latency_s=0.0,
        )
        for model in models
    ]
    return Record(
        id=query.id, at=datetime.now(UTC), query_id=query.id, route="auto", strategy="toy", attempts=tuple(attempts),
        accepted=len(attempts) - 1, outcome="answered", decide_s=0.0, latency_s=0.0,
    )  # fmt: skip


def test_a_policy_is_applied_to_all_queries_at_once():
    prediction = Prediction(mean=np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.5]]))

    seen = estimates(prediction, OUTCOMES, np.array([1.0, 9.0]))
    game = played(OUTCOMES, choose(MaxUtility(np.inf), seen))

    assert game.columns.tolist() == [0, 1, 0]
    assert game.quality.tolist() == [1.0, 1.0, 0.0]
    assert game.cost_usd.tolist() == [1.0, 8.0, 3.0]


def test_an_outcome_that_was_not_observed_stays_unknown():
    np.testing.assert_array_equal(always(OUTCOMES, "m1").quality, [0.0, 1.0, np.nan])


def test_no_bill_is_made_of_the_known_half_of_the_costs():
    outcomes = make_outcomes([[1.0, 0.0], [1.0, 0.0]], cost_usd=[1.0, np.nan])

    assert np.isnan(played(outcomes, np.array([0, 1])).cost_usd).all()
    assert np.isnan(mixed(outcomes).cost_usd).all()
    assert always(outcomes, "m0").cost_usd.tolist() == [1.0, 1.0]


def test_a_random_mix_is_the_mean_over_the_models_observed_on_a_query():
    game = mixed(OUTCOMES)

    np.testing.assert_allclose(game.quality, [0.5, 0.75, 0.0])
    np.testing.assert_allclose(game.cost_usd, [5.0, 5.0, 5.0])


async def test_a_replay_charges_every_attempt_and_takes_the_quality_of_the_answer():
    async def run(query):
        return served(query, "m1", "m0") if query.id == "q0" else served(query, "m1")

    game = await replay(run, OUTCOMES)

    assert game.columns.tolist() == [0, 1, 1]
    np.testing.assert_array_equal(game.quality, [1.0, 1.0, np.nan])
    assert game.cost_usd.tolist() == [2.0, 1.0, 1.0]


async def test_a_query_that_nobody_answered_is_not_counted_as_wrong():
    async def run(query):
        raise NoAnswer("every model failed")

    game = await replay(run, OUTCOMES)

    assert game.columns.tolist() == [NOBODY] * 3
    assert np.isnan(game.quality).all()
    assert np.isnan(game.cost_usd).all()
