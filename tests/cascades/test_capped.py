"""The escalation cap: some of those who want to escalate may, so many that the cap is kept in expectation."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.cascades.capped import CAPPED, WARM_UP, Cap, Capped, Caps, Recent
from switchpoint.cascades.threshold import ThresholdCascade
from switchpoint.core.attempt import Attempt
from switchpoint.core.decision import Accept, Call, Reason
from switchpoint.core.errors import ConfigError
from switchpoint.core.query import Query
from switchpoint.core.record import Record
from tests.doubles import answered, catalog, failed

THREE = catalog("mini", "mid", "big")
QUERY = Query.of("hello")


def capped(cap: Cap) -> Capped:
    return Capped(ThresholdCascade("careful", THREE, ["mini", "mid", "big"], "checks", 0.7), cap)


def record(*attempts: Attempt, reason: str | None = None, strategy: str = "careful") -> Record:
    return Record(
        id="r", at=datetime(2026, 1, 1, tzinfo=UTC), query_id="q", route="careful", strategy=strategy,
        attempts=attempts, accepted=0, outcome="answered", decide_s=0.0, latency_s=0.0, accept_reason=reason,
    )  # fmt: skip


def escalated(model: str) -> Attempt:
    attempt = answered(model)
    return replace(attempt, decision=replace(attempt.decision, reason=Reason.ESCALATED))


STAYED, ESCALATED = record(answered("mini")), record(answered("mini"), escalated("big"))


def finished(cap: Cap, scores: list[float]) -> float:
    """Serve a query for each score of the cheap answer; return the share that escalated."""
    strategy, n_escalated = capped(cap), 0
    for number, score in enumerate(scores):
        step = strategy.next(Query.of(f"question {number}"), (answered("mini", score),))
        if isinstance(step, Call):
            n_escalated += 1
            cap.update(ESCALATED)
        else:
            cap.update(record(answered("mini"), reason=step.reason))
    return n_escalated / len(scores)


class TestShare:
    @pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
    def test_is_kept_in_expectation_where_many_want_to_escalate(self, share: float) -> None:
        scores = [0.1 if number % 5 else 0.9 for number in range(5_000)]

        assert finished(Cap(share), scores) == pytest.approx(share, abs=0.02)

    def test_is_not_touched_where_few_want_to_escalate(self) -> None:
        scores = [0.9 if number % 5 else 0.1 for number in range(3_000)]

        assert finished(Cap(0.5), scores) == pytest.approx(0.2, abs=0.005)

    def test_is_kept_where_the_demand_rises_half_way(self) -> None:
        scores = [0.9] * 2_000 + [0.1] * 4_000

        assert finished(Cap(0.3, window=200), scores) * 6_000 / 4_000 == pytest.approx(0.3, abs=0.04)

    @pytest.mark.parametrize(("share", "found"), [(0.0, 0.0), (1.0, 1.0)])
    def test_none_and_all_are_caps_too(self, share: float, found: float) -> None:
        assert finished(Cap(share), [0.1] * 200) == found

    @given(st.floats(0, 1), st.lists(st.booleans(), max_size=80))
    def test_demand_times_probability_is_the_smaller_of_demand_and_cap(self, share: float, wanted: list[bool]) -> None:
        cap = Cap(share)
        cap.recent = Recent(tuple(wanted))

        assert cap.recent.demand * cap.let_through == pytest.approx(min(cap.recent.demand, share), abs=1e-12)

    def test_until_something_is_known_everybody_is_taken_to_want_it(self) -> None:
        cap = Cap(0.25)

        assert cap.let_through == 0.25
        for _ in range(WARM_UP):
            cap.update(STAYED)
        assert cap.let_through == 1.0

    @pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan")])
    def test_must_be_a_share(self, wrong: float) -> None:
        with pytest.raises(ConfigError, match="max_escalation_share must be in"):
            Cap(wrong)

    def test_a_window_holds_something(self) -> None:
        with pytest.raises(ConfigError, match="window"):
            Cap(0.5, window=0)


class TestStep:
    def test_the_best_answer_in_hand_is_accepted_and_the_record_says_why(self) -> None:
        tried = (answered("mini", 0.6),)

        assert capped(Cap(0.0)).next(QUERY, tried) == Accept(attempt=0, reason=CAPPED)

    def test_a_query_that_was_let_through_is_let_through_to_its_end(self) -> None:
        second = answered("mid", 0.1)
        escalated = replace(second, decision=replace(second.decision, reason=Reason.ESCALATED))

        assert isinstance(capped(Cap(0.0)).next(QUERY, (answered("mini", 0.1), escalated)), Call)

    def test_a_held_beginning_streams_on(self) -> None:
        partial = replace(answered("mini", 0.1), partial=True)

        class Switches:
            name = "careful"

            def next(self, query: Query, attempts: tuple[Attempt, ...]) -> Call:
                return Call(decision=replace(partial.decision, model="big", reason=Reason.SWITCHED))

        assert Capped(Switches(), Cap(0.0)).next(QUERY, (partial,)) == Accept(attempt=0, reason=CAPPED)

    @pytest.mark.parametrize("attempts", [(), (failed("mini"),)], ids=["first", "after a failure"])
    def test_a_call_without_an_answer_in_hand_is_no_escalation(self, attempts: tuple[Attempt, ...]) -> None:
        assert isinstance(capped(Cap(0.0)).next(QUERY, attempts), Call)

    def test_what_the_strategy_accepts_is_accepted(self) -> None:
        assert capped(Cap(0.0)).next(QUERY, (answered("mini", 0.9),)) == Accept(attempt=0, reason="verified")

    def test_the_same_query_gets_the_same_step_until_a_record_comes(self) -> None:
        strategy, tried = capped(Cap(0.5)), (answered("mini", 0.1),)

        assert strategy.next(QUERY, tried) == strategy.next(QUERY, tried)


class TestCaps:
    def test_a_record_goes_to_the_cap_of_its_strategy_alone(self) -> None:
        caps = Caps()
        ours, others = caps.of("careful", 0.1), caps.of("other", 0.1)

        caps(ESCALATED)

        assert (ours.recent.wanted, others.recent.wanted) == ((True,), ())

    def test_a_denied_escalation_was_wanted_too(self) -> None:
        cap = Cap(0.1)

        for each in (STAYED, record(answered("mini"), reason=CAPPED), record()):
            cap.update(each)

        assert cap.recent.wanted == (False, True)

    def test_a_successor_goes_on_with_a_cap_that_is_unchanged(self) -> None:
        before = Caps()
        cap = before.of("careful", 0.1)

        assert Caps(before).of("careful", 0.1) is cap
        assert Caps(before).of("careful", 0.2) is not cap

    def test_a_name_has_one_cap(self) -> None:
        caps = Caps()

        assert caps.of("careful", 0.1) is caps.of("careful", 0.1)
