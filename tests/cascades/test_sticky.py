"""Sticky: a conversation keeps its model, unless a switch is worth what it costs; and always where it must."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.cascades.resilient import Resilient
from switchpoint.cascades.sticky import Gain, Stickiness, Sticky, cache_usd
from switchpoint.core.attempt import Attempt
from switchpoint.core.catalog import Catalog
from switchpoint.core.decision import Accept, Call, Decision, GiveUp, Hold, Reason, Step
from switchpoint.core.errors import NoEligibleModel, Refused
from switchpoint.core.query import Query
from switchpoint.core.session import Session
from tests.doubles import answered, failed, model

MODELS = Catalog(
    model(name, price, cached_input_usd_per_mtok=Decimal(price) / 10, context_tokens=100_000)
    for name, price in (("mini", "1"), ("mid", "3"), ("big", "10"))
)
QUALITY = {"mini": 0.5, "mid": 0.6, "big": 0.9}
COST = {"mini": 0.001, "mid": 0.003, "big": 0.01}
CALL = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
USER = {"role": "user", "content": "What is the weather?"}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "1", "content": "sunny"}
LOOP = (USER, CALLING, RESULT)


class Chooses:
    """A strategy that wants one model, the next eligible one where that may not answer."""

    name = "r"

    def __init__(self, wanted: str, reason: Reason = Reason.ESTIMATED, **more: object) -> None:
        self.wanted, self.reason, self.hold = wanted, reason, more.pop("hold", Hold.NOTHING)
        self.decided = {"quality": QUALITY, "cost_usd": COST, **more}

    def next(self, query: Query, attempts: Sequence[Attempt]) -> Step:
        if attempts and attempts[-1].answered:
            return Accept(attempt=len(attempts) - 1)
        left = [name for name in (self.wanted, *MODELS.ids) if MODELS[name].exclusion(query, 1) is None]
        if not left:
            raise NoEligibleModel(MODELS.exclusions(query))
        decision = Decision(model=left[0], router=self.name, reason=self.reason, **self.decided)  # type: ignore[arg-type]
        return Call(decision=decision, hold=self.hold)  # type: ignore[arg-type]


class Fails:
    """A strategy that fails to decide."""

    name = "r"

    def __init__(self, error: Exception) -> None:
        self.error = error

    def next(self, query: Query, attempts: Sequence[Attempt]) -> Step:
        raise self.error


def query(*messages: dict, session: Session | None = None, **more: object) -> Query:
    return Query(id="q", messages=messages or (USER,), session=session, **more)  # type: ignore[arg-type]


def at(name: str, **more: object) -> Session:
    return Session(id="s", model=name, strategy="r", turns=1, **more)  # type: ignore[arg-type]


def decide(asked: Query, strategy: object, *attempts: Attempt, **settings: object) -> Decision:
    step = Sticky(strategy, MODELS, Stickiness(**settings)).next(asked, attempts)  # type: ignore[arg-type]
    assert isinstance(step, Call)
    return step.decision


def test_a_conversation_that_begins_goes_where_the_strategy_says() -> None:
    for session in (None, Session(id="s")):
        assert decide(query(session=session), Chooses("big")).reason is Reason.ESTIMATED


def test_a_switch_that_gains_too_little_is_not_made_and_it_is_said() -> None:
    close = {"mini": 0.5, "mid": 0.53}

    decision = decide(query(session=at("mini")), Chooses("mid", quality=close))

    assert (decision.model, decision.reason) == ("mini", Reason.STICKY)
    assert str(decision.detail).startswith("a switch to mid would not pay: quality +0.030, calls -0.002000 USD")


def test_a_switch_that_gains_more_quality_than_the_margin_is_made() -> None:
    assert decide(query(session=at("mini")), Chooses("big")).model == "big"


def test_every_switch_makes_the_next_one_harder() -> None:
    assert decide(query(session=at("mini", switches=7)), Chooses("big")).model == "mini"


def test_a_cheaper_model_must_save_more_than_the_prompt_cache_is_worth() -> None:
    long = {"role": "user", "content": "x" * 40_000}  # 10,000 tokens: 9 USD a million are worth 0.09 USD

    warm = decide(query(long, session=at("big", input_tokens=10_000)), Chooses("mini"))
    cold = decide(query(long, session=at("big", input_tokens=10_000, idle_s=299.0)), Chooses("mini"))

    assert (warm.model, cold.model) == ("big", "mini")


def test_with_a_willingness_quality_and_dollars_are_added() -> None:
    dear, cheap = Stickiness(willingness_usd=0.001), Stickiness(willingness_usd=10.0)
    gain = Gain(quality=0.4, saved_usd=-0.009, cache_usd=0.0)

    assert not gain.pays(dear, 0)
    assert gain.pays(cheap, 0)


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(0, 1), st.none() | st.floats(0, 100) | st.just(float("inf")))
def test_a_dearer_cache_and_more_switches_never_make_a_switch_pay(
    quality: float, saved: float, cache: float, willingness: float | None
) -> None:
    stickiness, gain = Stickiness(willingness_usd=willingness), Gain(quality, saved, cache)

    if not gain.pays(stickiness, 0):
        assert not gain._replace(cache_usd=cache + 0.5).pays(stickiness, 0)
        assert not gain.pays(stickiness, 3)


def test_an_unknown_gain_is_no_reason_to_switch() -> None:
    nothing = {name: float("nan") for name in MODELS.ids}

    assert decide(query(session=at("mini")), Chooses("big", quality=nothing, cost_usd=nothing)).model == "mini"


@pytest.mark.parametrize("reason", [Reason.RANDOM, Reason.NO_EVIDENCE])
def test_a_draw_or_a_lack_of_evidence_is_no_reason_to_switch(reason: Reason) -> None:
    assert decide(query(session=at("mini")), Chooses("big", reason)).model == "mini"


def test_a_draw_that_falls_on_the_same_model_decided_nothing() -> None:
    decision = decide(query(session=at("mini")), Chooses("mini", Reason.RANDOM, propensity=0.3))

    assert (decision.reason, decision.propensity) == (Reason.STICKY, 1.0)


@pytest.mark.parametrize(
    "session",
    [
        at("mini", idle_s=301.0),
        at("mini", failures=2),
        replace(at("mini"), strategy="another route"),
        at("mini", topic="rule proofs"),
        at("gone"),
    ],
    ids=["a pause", "failures", "another route", "another topic", "a model that left"],
)
def test_at_a_boundary_the_choice_is_open(session: Session) -> None:
    assert decide(query(session=session), Chooses("mid", Reason.RANDOM)).model == "mid"


def test_a_model_that_may_not_answer_any_more_holds_nothing() -> None:
    asked = query(session=at("mini"), allow=frozenset({"mid", "big"}))

    assert decide(asked, Chooses("mid", Reason.RANDOM)).model == "mid"


def test_a_contract_holds_before_a_habit() -> None:
    assert decide(query(session=at("mini"), min_quality=0.55), Chooses("mid", Reason.RANDOM)).model == "mid"


def test_what_an_operator_fixed_is_followed() -> None:
    for strategy in (Chooses("big", Reason.FIXED), Chooses("big", Reason.RULE, quality={}, detail=None)):
        assert decide(query(session=at("mini")), strategy).model == "big"


def test_a_cascade_chooses_for_itself() -> None:
    assert decide(query(session=at("big")), Chooses("mini", Reason.RULE, hold=Hold.ALL)).model == "mini"


def test_a_passing_failure_is_retried_with_the_models_own_conversation() -> None:
    sticky = Resilient(Sticky(Chooses("big", Reason.RANDOM), MODELS), MODELS)

    step = sticky.next(query(session=at("mini")), [failed("mini", "UpstreamTimeout", status=504)])

    assert isinstance(step, Call)
    assert (step.decision.model, step.decision.reason) == ("mini", Reason.RETRIED)


def test_after_an_answer_the_strategy_says_what_is_next() -> None:
    step = Sticky(Chooses("big"), MODELS).next(query(session=at("mini")), [answered("mini")])

    assert step == Accept(attempt=0)


@given(st.sampled_from(MODELS.ids), st.sampled_from(MODELS.ids), st.sampled_from(list(Reason)), st.floats(0, 1e6))
def test_inside_a_tool_loop_the_model_is_never_switched(began: str, wanted: str, reason: Reason, idle_s: float) -> None:
    session = at(began, idle_s=idle_s, failures=9, topic="rule x")

    decision = decide(query(*LOOP, session=session), Chooses(wanted, reason))

    assert (decision.model, decision.reason) == (began, Reason.LOCKED)


@pytest.mark.parametrize("field", ["previous_response_id", "container", "cached_content"])
def test_what_only_one_provider_holds_keeps_the_conversation_there(field: str) -> None:
    decision = decide(query(session=at("mini"), parameters={field: "x"}), Chooses("big"))

    assert (decision.model, decision.detail) == ("mini", f"what only its provider holds ({field})")


def test_a_locked_model_that_may_not_answer_is_an_error_and_no_silent_switch() -> None:
    asked = query(*LOOP, session=at("mini"), allow=frozenset({"big"}))

    with pytest.raises(NoEligibleModel, match="mini: not allowed for this request; an open tool loop ties"):
        decide(asked, Chooses("big"))


def test_a_locked_model_that_fails_is_not_replaced() -> None:
    sticky = Resilient(Sticky(Chooses("big"), MODELS), MODELS, retries=0)

    step = sticky.next(query(*LOOP, session=at("mini")), [failed("mini")])

    assert isinstance(step, GiveUp)
    assert "an open tool loop ties this conversation to it" in step.reason


def test_unless_the_configuration_says_so() -> None:
    sticky = Resilient(Sticky(Chooses("big"), MODELS, Stickiness(fallback_in_tool_loop=True)), MODELS, retries=0)

    step = sticky.next(query(*LOOP, session=at("mini")), [failed("mini")])

    assert isinstance(step, Call)
    assert (step.decision.model, step.decision.reason) == ("big", Reason.FELL_BACK)


def test_a_lock_holds_where_the_strategy_cannot_decide() -> None:
    assert decide(query(*LOOP, session=at("mini")), Fails(ZeroDivisionError())).model == "mini"


def test_a_lock_opens_no_way_around_a_refusal() -> None:
    with pytest.raises(Refused):
        decide(query(*LOOP, session=at("mini")), Fails(Refused("not here")))


def test_without_a_memory_the_history_says_who_began() -> None:
    named = (USER, {**CALLING, "model": "mini"}, RESULT)

    assert decide(query(*named), Chooses("big")).model == "mini"


def test_what_the_history_says_opens_no_model_that_the_strategy_does_not_choose_from() -> None:
    named = (USER, {**CALLING, "model": "big"}, RESULT)

    assert decide(query(*named), Chooses("mini", Reason.RULE, quality={})).model == "mini"


@pytest.mark.parametrize("named", [None, "unheard-of", 7])
def test_where_nothing_says_who_began_the_decision_stands(named: object) -> None:
    messages = (USER, {**CALLING, "model": named}, RESULT)

    assert decide(query(*messages), Chooses("big")).reason is Reason.ESTIMATED


def test_a_lock_that_is_taken_off_locks_nothing() -> None:
    assert decide(query(*LOOP, session=at("mini")), Chooses("big"), locks=frozenset()).model == "big"


def test_a_cache_is_worth_the_difference_of_its_prices() -> None:
    assert cache_usd(MODELS["big"], 1_000_000) == pytest.approx(9.0)
    assert cache_usd(model("plain"), 1_000_000) == 0.0
