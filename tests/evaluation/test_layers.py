"""A deployed route on recorded answers: what it gave, beside single models and layer by layer."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest

from switchpoint.core.attempt import Attempt
from switchpoint.core.decision import Reason
from switchpoint.core.errors import DataError
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import Query
from switchpoint.core.record import Record
from switchpoint.evaluation.layers import layer_report, route_report, upstream_of
from tests.doubles import answered, model

OUTCOMES = Outcomes(
    queries=tuple(Query.of(f"question {n}") for n in range(4)),
    models=("mini", "big"),
    quality=np.array([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]),
    cost_usd=np.array([[0.001, 0.01]] * 4),
    domains=("d",) * 4,
    responses=np.array([["yes", "no"]] * 4, dtype=object),
)


def call(model: str, layer: str | None, cost_usd: str, reason: Reason = Reason.FIRST_OF_CASCADE) -> Attempt:
    attempt = answered(model)
    decision = replace(attempt.decision, layer=layer, reason=reason)
    return replace(attempt, decision=decision, cost_usd=Decimal(cost_usd))


def record(*attempts: Attempt) -> Record:
    return Record(
        id="r", at=datetime(2026, 1, 1, tzinfo=UTC), query_id="q", route="house", strategy="house", attempts=attempts,
        accepted=len(attempts) - 1, outcome="answered", decide_s=0.0, latency_s=0.0,
    )  # fmt: skip


CLEAR = record(call("mini", "clear", "0.001"))
UNCERTAIN = record(call("mini", "cascade", "0.001"), call("big", "cascade", "0.01", Reason.ESCALATED))


class TestLayers:
    def test_each_has_its_share_its_quality_and_all_it_cost(self) -> None:
        clear, cascade = sorted(
            layer_report([CLEAR, CLEAR, CLEAR, UNCERTAIN], OUTCOMES, "big"), key=lambda x: -x.share[0]
        )

        assert (clear.layer, clear.queries, clear.share.value) == ("clear", 3, 0.75)
        assert clear.quality.value == pytest.approx(2 / 3)
        assert (cascade.layer, cascade.quality.value) == ("cascade", 1.0)
        assert cascade.cost_usd.value == pytest.approx(0.011)

    def test_the_gain_is_over_the_best_single_model_on_the_same_queries(self) -> None:
        clear, cascade = layer_report([CLEAR, CLEAR, UNCERTAIN, UNCERTAIN], OUTCOMES, "big")

        assert {clear.layer: clear.gain.value, cascade.layer: cascade.gain.value} == {"clear": 0.5, "cascade": 0.0}

    def test_a_query_without_an_answer_has_no_layer(self) -> None:
        found = layer_report([None, CLEAR, CLEAR, CLEAR], OUTCOMES, "big")

        assert {each.layer: each.queries for each in found} == {"clear": 3, "–": 1}


class TestRoute:
    def test_stands_beside_the_best_single_the_cheapest_and_the_oracle(self) -> None:
        found = route_report("house", [CLEAR, CLEAR, UNCERTAIN, UNCERTAIN], OUTCOMES, "big")

        quality = {each.choice: each.quality.value for each in found.beside}
        assert quality == {"house": 1.0, "best single: big": 0.75, "cheapest: mini": 0.5, "oracle": 1.0}
        assert found.beside[0].gain is None
        assert found.beside[1].gain is not None and found.beside[1].gain.value == 0.25

    def test_is_measured_against_the_random_mix_of_its_own_cost(self) -> None:
        found = route_report("house", [CLEAR, CLEAR, UNCERTAIN, UNCERTAIN], OUTCOMES, "big")

        mix = 0.5 + 0.25 * (0.006 - 0.001) / 0.009
        assert found.mix_gain == pytest.approx(1.0 - mix)

    def test_says_how_many_escalated_and_how_many_had_no_answer(self) -> None:
        found = route_report("house", [CLEAR, None, UNCERTAIN, UNCERTAIN], OUTCOMES, "big")

        assert (found.escalated.value, found.unanswered) == (0.5, 0.25)

    def test_is_shown_and_serialised(self) -> None:
        found = route_report("house", [CLEAR, CLEAR, UNCERTAIN, UNCERTAIN], OUTCOMES, "big")

        route, layers = found.sheets()
        assert "Escalated: 50.0%" in str(route.caption)
        assert [row[0] for row in layers.rows] == [each["layer"] for each in found.to_json()["layers"]]

    def test_without_any_answer_there_is_nothing_to_report(self) -> None:
        with pytest.raises(DataError, match="answered none of 4 queries"):
            route_report("house", [None] * 4, OUTCOMES, "big")


class TestUpstream:
    async def test_answers_as_recorded(self) -> None:
        answer = await upstream_of(OUTCOMES).complete(model("big"), OUTCOMES.queries[0])

        assert (answer.text, answer.usage.cost_usd) == ("no", Decimal("0.01"))

    async def test_gives_the_first_answers_where_a_text_comes_twice(self) -> None:
        twice = OUTCOMES.take([1, 1])

        assert (await upstream_of(twice).complete(model("mini"), twice.queries[0])).text == "yes"
