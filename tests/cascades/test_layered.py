"""Layers: cheap signals first, and the same layer from a query's first call to its last."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.cascades.clear import Clear, value_of_looking
from switchpoint.cascades.layered import Layer, Layered, Passed, always
from switchpoint.cascades.resilient import Resilient
from switchpoint.cascades.threshold import ThresholdCascade
from switchpoint.core.attempt import Attempt
from switchpoint.core.decision import Accept, Call, Hold, Reason, Step, Verify
from switchpoint.core.errors import ConfigError, NoEligibleModel, Refused
from switchpoint.core.query import Query
from switchpoint.routers.fixed import Fixed
from switchpoint.routers.policies import MaxUtility
from switchpoint.routers.router import Router
from tests.doubles import Table, answered, catalog, failed

TWO = catalog("mini", "big")
FREE = Table(TWO.ids, [0.0, 0.0])
SURE, UNSURE, GREETING = Query.of("sure"), Query.of("unsure"), Query.of("hello")
QUALITY = Table(TWO.ids, [0.5, 0.5], sure=[0.99, 0.2], unsure=[0.6, 0.7])


def clear(willingness_usd: float = math.inf, quality: Table = QUALITY, cost: Table = FREE, **more: float) -> Clear:
    router = Router("house", TWO, quality, cost, MaxUtility(willingness_usd))
    return Clear(name="clear", router=router, candidates=TWO, willingness_usd=lambda _: willingness_usd, **more)


def cascade() -> ThresholdCascade:
    return ThresholdCascade("careful", TWO, ["mini", "big"], "checks", 0.7)


def greetings(query: Query, attempts: Sequence[Attempt]) -> Step | Passed:
    return Fixed("mini", TWO, "mini").next(query, attempts) if query.text == "hello" else Passed("no greeting")


def policy(semantic: object = greetings, settled: Clear | None = None) -> Layered:
    layers = [Layer("semantic", semantic), Layer("clear", (settled or clear()).settle)]
    return Layered("house", [*layers, Layer("cascade", always(cascade()))])


def with_layer(attempt: Attempt, layer: str) -> Attempt:
    return replace(attempt, decision=replace(attempt.decision, layer=layer))


class TestLayers:
    @pytest.mark.parametrize(
        ("query", "layer", "model", "hold"),
        [
            (GREETING, "semantic", "mini", Hold.NOTHING),
            (SURE, "clear", "mini", Hold.NOTHING),
            (UNSURE, "cascade", "mini", Hold.ALL),
        ],
    )
    def test_only_the_uncertain_pay_the_hold(self, query: Query, layer: str, model: str, hold: Hold) -> None:
        step = policy().next(query, ())

        assert (step.decision.layer, step.decision.model, step.hold) == (layer, model, hold)

    def test_every_decision_is_the_policys_and_says_why(self) -> None:
        decision = policy().next(UNSURE, ()).decision

        assert (decision.router, decision.reason) == ("house", Reason.FIRST_OF_CASCADE)
        assert decision.detail == "semantic: no greeting; clear: looking may add 0.18"
        assert "looking would add 0.00 at most" in str(policy().next(SURE, ()).decision.detail)

    def test_the_cascade_goes_on_as_it_would_alone(self) -> None:
        first = with_layer(answered("mini"), "cascade")
        poor = with_layer(answered("mini", 0.1), "cascade")

        assert policy().next(UNSURE, (first,)) == Verify(attempt=0, verifier="checks")
        assert policy().next(UNSURE, (poor,)).decision.reason is Reason.ESCALATED

    @pytest.mark.parametrize(("layer", "step"), [("clear", Accept), ("cascade", Verify)])
    def test_a_query_stays_with_its_layer_whatever_the_budget_says_by_then(self, layer: str, step: type) -> None:
        attempt = with_layer(answered("mini"), layer)

        assert isinstance(policy().next(SURE, (attempt,)), step)
        assert isinstance(policy().next(UNSURE, (attempt,)), step)

    def test_a_retry_of_the_clear_layer_stays_in_it(self) -> None:
        step = policy().next(UNSURE, (with_layer(failed("mini"), "clear"),))

        assert step.decision.layer == "clear"

    def test_the_willingness_is_asked_for_at_each_decision(self) -> None:
        class Sensitive:
            name = "index"

            def at(self, willingness_usd: float) -> Fixed:
                return Fixed("x", TWO, "big" if willingness_usd > 1 else "mini")

        dial = iter([0.5, 2.0])
        layered = Layered("house", [Layer("cascade", always(Sensitive(), lambda _: next(dial)))])

        assert [layered.next(UNSURE, ()).decision.model for _ in range(2)] == ["mini", "big"]

    def test_layers_have_different_names(self) -> None:
        with pytest.raises(ConfigError, match="different names"):
            Layered("house", [Layer("a", greetings), Layer("a", greetings)])


class TestFailures:
    def test_a_layer_that_fails_to_decide_falls_to_the_next_and_that_is_recorded(self) -> None:
        def broken(query: Query, attempts: Sequence[Attempt]) -> Step:
            raise ValueError("a secret of the prompt")

        decision = policy(broken).next(SURE, ()).decision

        assert decision.layer == "clear"
        assert str(decision.detail).startswith("semantic: deciding failed (ValueError); ")
        assert "secret" not in str(decision.detail)

    def test_a_refusal_is_a_decision_and_no_failure(self) -> None:
        def refuses(query: Query, attempts: Sequence[Attempt]) -> Step:
            raise Refused("Not here.", "advice")

        with pytest.raises(Refused, match="Not here"):
            policy(refuses).next(SURE, ())

    def test_a_layer_whose_models_all_failed_hands_the_query_on(self) -> None:
        attempts = (with_layer(failed("mini", retryable=False), "semantic"),)
        step = Resilient(policy(), TWO).next(GREETING, attempts)

        assert (step.decision.model, step.decision.reason) == ("big", Reason.FELL_BACK)
        assert "semantic: none of its models may answer" in str(step.decision.detail)

    def test_what_the_last_layer_raises_is_raised(self) -> None:
        with pytest.raises(NoEligibleModel):
            policy().next(replace(UNSURE, allow=frozenset()), ())

    def test_a_last_layer_that_passes_is_a_bug(self) -> None:
        with pytest.raises(TypeError, match="must settle"):
            Layered("house", [Layer("semantic", greetings)]).next(SURE, ())


class TestClear:
    def test_a_wider_margin_settles_more(self) -> None:
        assert isinstance(clear(margin=0.17).settle(UNSURE, ()), Passed)
        assert isinstance(clear(margin=0.19).settle(UNSURE, ()), Call)

    def test_looking_is_not_worth_more_than_it_costs(self) -> None:
        dear = Table(TWO.ids, [0.01, 0.1])

        assert isinstance(clear(10.0, cost=dear).settle(UNSURE, ()), Passed)
        assert isinstance(clear(0.1, cost=dear).settle(UNSURE, ()), Call)

    def test_unknown_ground_is_not_clear(self) -> None:
        novel = Table(TWO.ids, [0.99, 0.2], novelty=0.8)

        assert clear(quality=novel).settle(SURE, ()) == Passed("unknown ground")
        assert isinstance(clear(quality=novel, max_novelty=1.0).settle(SURE, ()), Call)

    def test_unknown_estimates_are_not_clear(self) -> None:
        unknown = Table(TWO.ids, [math.nan, math.nan])

        assert clear(quality=unknown).settle(SURE, ()) == Passed("unknown estimates")

    def test_the_only_model_that_may_answer_is_clear(self) -> None:
        step = clear().settle(replace(UNSURE, allow=frozenset({"mini"})), ())

        assert step.decision.reason is Reason.ONLY_ELIGIBLE

    @pytest.mark.parametrize("wrong", [-0.1, math.nan])
    def test_the_margin_is_an_amount_of_quality(self, wrong: float) -> None:
        with pytest.raises(ConfigError, match="margin must be 0 or more"):
            clear(margin=wrong)


def best_policy(quality: Sequence[float], prices: Sequence[float]) -> float:
    """By trying every order and every place to stop: call until one is right, or the order ends."""
    found = -math.inf
    for size in range(1, len(quality) + 1):
        for order in itertools.permutations(range(len(quality)), size):
            value, wrong = 0.0, 1.0
            for each in order:
                value += wrong * (quality[each] - prices[each])
                wrong *= 1 - quality[each]
            found = max(found, value)
    return found


probabilities = st.floats(0, 1)


@given(st.lists(st.tuples(probabilities, st.floats(0, 2)), min_size=1, max_size=4))
def test_the_value_of_looking_is_that_of_the_best_policy_by_brute_force(models: list[tuple[float, float]]) -> None:
    quality, prices = (np.array(each) for each in zip(*models, strict=True))

    assert value_of_looking(quality, prices) == pytest.approx(best_policy(quality, prices), abs=1e-9)


@given(st.lists(st.tuples(probabilities, st.floats(0, 2)), min_size=1, max_size=6))
def test_looking_is_never_worth_less_than_choosing(models: list[tuple[float, float]]) -> None:
    quality, prices = (np.array(each) for each in zip(*models, strict=True))

    assert value_of_looking(quality, prices) >= (quality - prices).max() - 1e-12
