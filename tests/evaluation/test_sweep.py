"""Sweep: a cascade on recorded answers, at every willingness; the deployed loop must come to the same."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
import pytest

from switchpoint.cascades.plan import Plan
from switchpoint.cascades.planned import Planned
from switchpoint.core.attempt import Answer, Verdict
from switchpoint.core.catalog import Catalog
from switchpoint.core.model import Model
from switchpoint.core.outcome import Outcomes
from switchpoint.core.protocols import Verifier
from switchpoint.core.query import Query
from switchpoint.engine.engine import Engine
from switchpoint.evaluation.replay import Played, replay
from switchpoint.evaluation.sweep import GRID, Sweep, sweep, willingnesses
from switchpoint.learning.cascades import train_cascade
from switchpoint.learning.datasets import read
from switchpoint.upstreams.replay import Replay
from tests.cascades.toys import COSTS_USD, SHARED_ERRORS, plan, toy
from tests.evaluation.toys import recorded

N_QUERIES = 80
PLANS: Mapping[str, Plan] = {
    "without a verifier": plan(SHARED_ERRORS),
    "with a verifier of one model": plan(SHARED_ERRORS, scored=[True, False, False]),
    "with a verifier of two": plan(SHARED_ERRORS, scored=[True, True, False]),
}
every_plan = pytest.mark.parametrize("made", PLANS.values(), ids=PLANS)


def scores(outcomes: Outcomes, score: np.ndarray) -> Mapping[str, Verifier]:
    """Return a verifier for each model that knows its recorded scores."""

    def of(column: int) -> Verifier:
        by_text = dict(zip((query.full_text for query in outcomes.queries), score[:, column].tolist(), strict=True))

        async def verify(query: Query, answer: Answer) -> Verdict:
            return Verdict(score=by_text[query.full_text])

        return verify

    return {model: of(column) for column, model in enumerate(outcomes.models)}


async def run(made: Plan, outcomes: Outcomes, score: np.ndarray, willingness_usd: float) -> Played:
    """Serve every query through the engine, from the recorded answers."""
    rows = (
        {
            "model": model,
            "text": query.full_text,
            "response": outcomes.responses[i, j],
            "cost_usd": outcomes.cost_usd[i, j],
        }
        for i, query in enumerate(outcomes.queries)
        for j, model in enumerate(outcomes.models)
    )
    catalog = Catalog(Model(id=model, upstream="replay", upstream_model=model) for model in outcomes.models)
    engine = Engine(
        catalog=catalog,
        upstreams={"replay": Replay.from_rows(rows)},
        verifiers=scores(outcomes, score),
        sink=lambda record: None,
        default_model=made.strong,
    )
    verifiers = {model: model for model in made.models}
    strategy = Planned("c", catalog, made, willingness_usd=willingness_usd, verifiers=verifiers)
    return await replay(partial(engine.run, strategy), outcomes)


def check_same(point: Sweep, ran: Played, outcomes: Outcomes) -> None:
    np.testing.assert_array_equal(point.given[:, 0], ran.columns)
    np.testing.assert_allclose(point.quality(outcomes)[:, 0], ran.quality)
    np.testing.assert_allclose(point.cost_usd(outcomes)[:, 0], ran.cost_usd)


@every_plan
@pytest.mark.parametrize("willingness_usd", [0.0, 0.01, 0.1, 0.5, 5.0])
async def test_a_sweep_equals_running_the_engine_over_the_recording(made: Plan, willingness_usd: float) -> None:
    outcomes, seen = toy(N_QUERIES)

    point = sweep(made, made.evidence(outcomes.responses, seen.score), outcomes, np.array([willingness_usd]))
    ran = await run(made, outcomes, seen.score, willingness_usd)

    check_same(point, ran, outcomes)


@pytest.mark.data
async def test_a_sweep_equals_running_the_engine_over_recorded_answers_of_real_models() -> None:
    folder = recorded("routerbench-arc")
    trained = train_cascade(read(folder, "train", answers=True).take(range(300)))
    whole = read(folder, "test", list(trained.plan.program.belief.models_), answers=True)
    outcomes = whole.take([row for row in range(150) if None not in whole.responses[row].tolist()])
    seen, made = trained.read(outcomes), trained.plan

    point = sweep(made, seen, outcomes, np.array([made.willingness_usd]))
    ran = await run(made, outcomes, seen.score, made.willingness_usd)

    check_same(point, ran, outcomes)
    assert 0 < point.called[:, 0, outcomes.column(made.strong)].mean() < 1


@every_plan
def test_who_pays_more_spends_more_and_has_more_right(made: Plan) -> None:
    outcomes, seen = toy(N_QUERIES)

    found = sweep(made, made.evidence(outcomes.responses, seen.score), outcomes)

    cost, quality = found.mean_cost_usd(outcomes), found.mean_quality(outcomes)
    assert (np.diff(found.called[:, :, 2].mean(axis=0)) >= 0).all()
    assert cost[-1] > cost[0] and quality[-1] > quality[0]


class TestPoints:
    def test_that_do_the_same_are_kept_once(self) -> None:
        outcomes, seen = toy(N_QUERIES)
        made = PLANS["without a verifier"]

        found = sweep(made, seen, outcomes)

        assert 1 < len(found) < GRID
        assert set(found.willingness_usd) < set(willingnesses(made))
        changed = (found.called[:, 1:] != found.called[:, :-1]).any(axis=(0, 2))
        given = (found.given[:, 1:] != found.given[:, :-1]).any(axis=0)
        assert (changed | given).all()

    def test_that_are_asked_for_are_all_kept(self) -> None:
        outcomes, seen = toy(N_QUERIES)

        found = sweep(PLANS["without a verifier"], seen, outcomes, np.array([0.1, 0.1, 0.2]))

        assert found.willingness_usd.tolist() == [0.1, 0.1, 0.2]

    def test_may_be_taken_alone(self) -> None:
        outcomes, seen = toy(N_QUERIES)
        whole = sweep(PLANS["without a verifier"], seen, outcomes)

        last = whole.at(np.array([-1]))

        assert last.mean_cost_usd(outcomes)[0] == whole.mean_cost_usd(outcomes)[-1]


def test_the_bill_is_of_every_call_and_unknown_where_one_of_them_is() -> None:
    outcomes, seen = toy(N_QUERIES)
    outcomes.cost_usd[3, 2] = np.nan

    found = sweep(PLANS["without a verifier"], seen, outcomes, np.array([1e-6, 1e6]))

    bill = found.cost_usd(outcomes)
    assert bill[3, 0] == outcomes.cost_usd[3, 0] and np.isnan(bill[3, 1])
    assert (bill[:3] >= outcomes.cost_usd[:3, :1]).all()


def test_dealing_keeps_the_mean_cost_of_constant_prices_and_loses_the_knowledge() -> None:
    outcomes, seen = toy(N_QUERIES)
    flat = np.broadcast_to(np.array(COSTS_USD), outcomes.cost_usd.shape)
    priced = outcomes.take(range(N_QUERIES))
    priced.cost_usd[:] = flat
    whole = sweep(PLANS["without a verifier"], seen, priced, np.array([0.3]))

    dealt = whole.dealt(np.random.default_rng(0).permutation(N_QUERIES))

    assert dealt.mean_cost_usd(priced)[0] == pytest.approx(whole.mean_cost_usd(priced)[0])
    assert dealt.mean_quality(priced)[0] < whole.mean_quality(priced)[0]


def test_weights_stand_for_a_bootstraps_draws() -> None:
    outcomes, seen = toy(N_QUERIES)
    found = sweep(PLANS["without a verifier"], seen, outcomes, np.array([0.3]))
    drawn_once = np.zeros((1, N_QUERIES))
    drawn_once[0, 5] = 2.0

    assert found.mean_quality(outcomes, drawn_once)[0, 0] == found.quality(outcomes)[5, 0]
