"""Router: estimators and a policy; the contract of a strategy that chooses before generation."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from switchpoint.core.decision import Accept, Call, Reason
from switchpoint.core.errors import ConfigError, NoEligibleModel, RequestError, UnknownModel
from switchpoint.core.estimate import Prediction
from switchpoint.core.query import Query
from switchpoint.routers.fixed import Fixed
from switchpoint.routers.policies import MaxUtility, StrongIfWorth
from switchpoint.routers.router import Router
from switchpoint.routers.routes import Routes
from switchpoint.routers.rules import Rule, Rules
from tests.doubles import Table, answered, catalog

BOTH = catalog("mini", "big")
QUERY = Query.of("hello")


def router(novelty: float | None = None, default: str | None = None, policy=None, **by_text) -> Router:
    return Router(
        "test",
        BOTH,
        Table(BOTH.ids, [0.4, 0.8], novelty=novelty, **by_text),
        Table(BOTH.ids, [0.001, 0.01]),
        policy or MaxUtility(math.inf),
        default=default,
    )


STRATEGIES = {
    "router": router(),
    "two-model": router(policy=StrongIfWorth("mini", "big", 0.5)),
    "fixed": Fixed("mini", BOTH, "mini"),
    "rules": Rules("rules", [(Rule(name="all"), Fixed("mini", BOTH, "mini"))], router()),
}


@pytest.mark.parametrize("name", STRATEGIES)
class TestEveryStrategyBeforeGeneration:
    def test_starts_with_a_call_of_an_eligible_model(self, name: str) -> None:
        step = STRATEGIES[name].next(replace(QUERY, allow=frozenset({"mini"})), ())

        assert isinstance(step, Call)
        assert step.decision.model == "mini"
        assert 0 < step.decision.propensity <= 1

    def test_accepts_an_answer_in_hand(self, name: str) -> None:
        assert STRATEGIES[name].next(QUERY, (answered("mini"),)) == Accept(attempt=0)

    def test_is_pure(self, name: str) -> None:
        assert STRATEGIES[name].next(QUERY, ()) == STRATEGIES[name].next(QUERY, ())

    def test_says_why_where_no_model_may_take_the_query(self, name: str) -> None:
        with pytest.raises(NoEligibleModel, match="mini: not allowed"):
            STRATEGIES[name].next(replace(QUERY, allow=frozenset()), ())


def test_a_decision_carries_the_estimates_it_was_made_from() -> None:
    decision = router().route([QUERY])[0]

    assert decision.model == "big"
    assert decision.quality == {"mini": 0.4, "big": 0.8}
    assert decision.cost_usd == {"mini": 0.001, "big": 0.01}
    assert decision.reason is Reason.ESTIMATED


def test_a_batch_decides_as_one_by_one() -> None:
    queries = [Query.of(text) for text in ("hard", "easy", "hello")]
    wise = router(hard=[0.1, 0.9], easy=[0.9, 0.8])

    assert wise.route(queries) == [wise.route([query])[0] for query in queries]
    assert [d.model for d in wise.route(queries)] == ["big", "mini", "big"]


def test_an_empty_batch_has_no_decisions() -> None:
    assert router().route([]) == []


def test_a_query_that_nobody_may_take_fails_its_batch() -> None:
    with pytest.raises(NoEligibleModel, match="mini: not allowed"):
        router().route([QUERY, replace(QUERY, allow=frozenset())])


def test_on_unknown_ground_the_default_is_called() -> None:
    decision = router(novelty=0.9, default="mini").route([QUERY])[0]

    assert (decision.model, decision.reason, decision.novelty) == ("mini", Reason.NO_EVIDENCE, 0.9)


def test_on_known_ground_and_without_a_default_the_estimates_are_trusted() -> None:
    assert router(novelty=0.1, default="mini").route([QUERY])[0].model == "big"
    assert router(novelty=0.9).route([QUERY])[0].model == "big"


class Guarded(Table):
    """A table of which only the first model's quality is proven to be what it is predicted to be."""

    def predict(self, queries: Sequence[Query]) -> Prediction:
        made = super().predict(queries)
        return made._replace(proven=made.mean * [1.0, 0.4])


def guarded(default: str | None) -> Router:
    quality = Guarded(BOTH.ids, [0.4, 0.8], novelty=0.9)
    return Router("test", BOTH, quality, Table(BOTH.ids, [0.001, 0.01]), MaxUtility(math.inf), default=default)


def test_an_absolute_choice_is_made_on_what_is_proven_and_says_so() -> None:
    decision = guarded(default="big").route([QUERY])[0]

    # Novelty is 0.9, but the evidence has taken that into account, so the default does not step in.
    assert (decision.model, decision.reason) == ("mini", Reason.ESTIMATED)
    assert decision.quality == {"mini": 0.4, "big": 0.8}
    assert decision.detail == "quality 0.40 is proven"


def test_an_ordering_looks_at_what_is_expected() -> None:
    decision = guarded(default=None).route([QUERY])[0]

    assert (decision.model, decision.detail) == ("big", None)


def test_the_only_eligible_model_is_said_to_be_that() -> None:
    assert router().route([replace(QUERY, allow=frozenset({"mini"}))])[0].reason is Reason.ONLY_ELIGIBLE


def test_an_estimator_made_for_other_models_is_refused() -> None:
    with pytest.raises(ConfigError, match="knows the models big, mini; the catalog has mini, big"):
        Router("test", BOTH, Table(["big", "mini"], [0, 0]), Table(BOTH.ids, [0, 0]), MaxUtility(1.0))


def test_estimates_have_one_row_a_query_and_one_column_a_model() -> None:
    e = router().estimate([QUERY, Query.of("again")])

    assert e.quality.shape == e.cost_usd.shape == e.eligible.shape == (2, 2)
    assert e.draw.shape == (2,) and not np.isnan(e.quality).any()


@pytest.mark.parametrize(
    ("rule", "text", "tags"),
    [
        (Rule(name="r", max_chars=5), "hello", {}),
        (Rule(name="r", min_chars=5), "hello", {}),
        (Rule(name="r", keywords=frozenset({"prove"})), "Please PROVE it.", {}),
        (Rule(name="r", pattern=__import__("re").compile(r"\d{3}")), "room 101", {}),
        (Rule(name="r", tags={"tier": frozenset({"free", "trial"})}), "x", {"tier": "trial"}),
    ],
)
def test_a_rule_matches_what_it_says(rule: Rule, text: str, tags: dict) -> None:
    assert rule.matches(Query.of(text, tags=tags))
    assert not rule.matches(Query.of("hell", tags={"tier": "paid"})) or rule.max_chars


def test_a_keyword_is_a_word_not_a_part_of_one() -> None:
    assert not Rule(name="r", keywords=frozenset({"prove"})).matches(Query.of("improvement"))


def test_the_first_matching_rule_decides_and_is_named() -> None:
    big = Rule(name="long", min_chars=100)
    small = Rule(name="any")
    rules = Rules("rules", [(big, Fixed("big", BOTH, "big")), (small, Fixed("mini", BOTH, "mini"))], router())

    decision = rules.next(Query.of("short"), ()).decision

    assert (decision.model, decision.reason, decision.detail) == ("mini", Reason.RULE, "rule any")


class TestRoutes:
    routes = Routes(
        BOTH,
        {"careful": router(), "cheap": Fixed("cheap", BOTH, "mini")},
        auto="careful",
        bypass=lambda model: Fixed(model, BOTH, model),
        at_threshold={"careful": lambda t: router(policy=StrongIfWorth("mini", "big", t))},
        at_setting={"careful": lambda way, value: Fixed(f"{way} {value!r}", BOTH, "mini")},
    )

    def test_auto_stands_for_the_configured_route(self) -> None:
        assert self.routes.resolve("auto") is self.routes.resolve("careful")

    def test_a_concrete_model_bypasses_the_routers(self) -> None:
        step = self.routes.resolve("big").next(QUERY, ())

        assert (step.decision.model, step.decision.reason) == ("big", Reason.REQUESTED)

    @pytest.mark.parametrize(("threshold", "model"), [("0.11593", "big"), ("0.9", "mini"), ("1", "mini"), ("0", "big")])
    def test_routellms_grammar_names_a_router_and_a_threshold(self, threshold: str, model: str) -> None:
        assert self.routes.resolve(f"router-careful-{threshold}").next(QUERY, ()).decision.model == model

    @pytest.mark.parametrize("threshold", ["1.5", "nan", "half"])
    def test_a_threshold_outside_the_unit_interval_is_refused(self, threshold: str) -> None:
        with pytest.raises(RequestError, match=r"must be a number in \[0, 1\]"):
            self.routes.resolve(f"router-careful-{threshold}")

    @pytest.mark.parametrize("name", ["gpt-4", "router-mf-0.5", "carefull", "", "router--"])
    def test_an_unknown_name_is_an_error_that_lists_the_known(self, name: str) -> None:
        with pytest.raises(UnknownModel, match="Known: auto"):
            self.routes.resolve(name)


def test_latency_is_estimated_where_somebody_can() -> None:
    quality, cost = Table(BOTH.ids, [0.4, 0.8]), Table(BOTH.ids, [0.001, 0.01])

    timed = Router("test", BOTH, quality, cost, MaxUtility(0.0), latency=Table(BOTH.ids, [0.5, math.nan]))

    np.testing.assert_array_equal(timed.estimate([QUERY]).latency_s, [[0.5, math.nan]])
    assert router().estimate([QUERY]).latency_s is None
    with pytest.raises(ConfigError, match="Table knows the models big"):
        Router("test", BOTH, quality, cost, MaxUtility(0.0), latency=Table(("big",), [0.5]))

    @pytest.mark.parametrize("route", ["auto", "careful"])
    @pytest.mark.parametrize(
        ("setting", "made"),
        [
            ("quality=0.95", "quality 0.95"),
            ("within=.02", "within 0.02"),
            ("share=1", "share 1.0"),
            ("usd_per_1k=12.5", "usd_per_1k 12.5"),
            ("willingness_usd=1e-3", "willingness_usd 0.001"),
            ("willingness_usd=inf", "willingness_usd inf"),
        ],
    )
    def test_a_router_is_set_for_one_request(self, route: str, setting: str, made: str) -> None:
        assert self.routes.resolve(f"{route}:{setting}").name == made

    @pytest.mark.parametrize("value", ["1.5", "-0.1", "nan", "", "half", "inf", "1_0"])
    def test_a_setting_outside_its_range_is_refused(self, value: str) -> None:
        with pytest.raises(RequestError, match=rf"quality in 'auto:quality={value}' must be a number in \[0, 1\]"):
            self.routes.resolve(f"auto:quality={value}")

    def test_an_unknown_setting_is_an_error_that_names_the_nearest(self) -> None:
        with pytest.raises(RequestError, match="Did you mean 'quality'"):
            self.routes.resolve("auto:qualty=0.9")

    @pytest.mark.parametrize("route", ["cheap", "mini"])
    def test_what_does_not_decide_by_estimates_cannot_be_set(self, route: str) -> None:
        with pytest.raises(RequestError, match="does not decide by estimates. These do: careful, auto"):
            self.routes.resolve(f"{route}:quality=0.9")

    def test_a_setting_of_an_unknown_route_is_an_unknown_name(self) -> None:
        with pytest.raises(UnknownModel):
            self.routes.resolve("carefull:quality=0.9")
