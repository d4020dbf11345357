"""PrefixGate: the beginning of an answer decides."""

import math
from dataclasses import replace

import pytest

from switchpoint.cascades.prefix import PrefixGate
from switchpoint.cascades.resilient import Resilient
from switchpoint.core.bounds import Bounded
from switchpoint.core.catalog import Catalog
from switchpoint.core.decision import Accept, Call, Hold, Reason, Verify
from switchpoint.core.errors import ConfigError, NoEligibleModel
from switchpoint.core.query import Query
from tests.doubles import answered, catalog, failed, model

THREE = catalog("mini", "mid", "big")
QUERY = Query.of("hello")


def gate(models=("mini", "mid", "big"), of: Catalog = THREE, **options) -> PrefixGate:
    return PrefixGate("gate", of, models, "checks", 0.5, 64, **options)


def begun(model: str, score: float | None = None):
    return replace(answered(model, score), partial=True)


class TestWhatIsNext:
    def test_the_cheapest_is_called_first_and_its_beginning_is_held(self) -> None:
        step = gate().next(QUERY, ())

        assert (step.decision.model, step.decision.reason) == ("mini", Reason.FIRST_OF_CASCADE)
        assert (step.hold, step.prefix_tokens) == (Hold.PREFIX, 64)

    def test_a_beginning_is_verified_before_anything_else(self) -> None:
        assert gate().next(QUERY, (begun("mini"),)) == Verify(attempt=0, verifier="checks")

    def test_a_good_beginning_is_accepted(self) -> None:
        assert gate().next(QUERY, (begun("mini", 0.5),)) == Accept(attempt=0, reason="beginning verified")

    @pytest.mark.parametrize("score", [0.49, 0.0, math.nan])
    def test_a_bad_or_unknown_one_switches_to_the_next_model(self, score: float) -> None:
        step = gate().next(QUERY, (begun("mini", score),))

        assert (step.decision.model, step.decision.reason, step.hold) == ("mid", Reason.SWITCHED, Hold.PREFIX)

    def test_a_bad_whole_answer_escalates(self) -> None:
        step = gate().next(QUERY, (answered("mini", 0.1),))

        assert (step.decision.model, step.decision.reason) == ("mid", Reason.ESCALATED)

    def test_the_last_model_is_not_held_and_taken_as_it_is(self) -> None:
        tried = (begun("mini", 0.1), begun("mid", 0.1))
        step = gate().next(QUERY, tried)

        assert (step.decision.model, step.hold) == ("big", Hold.NOTHING)
        assert gate().next(QUERY, (*tried, answered("big"))) == Accept(attempt=2, reason="last of the cascade")

    def test_a_rejected_beginning_goes_on_where_no_other_model_is_left(self) -> None:
        narrowed = replace(QUERY, allow=frozenset({"mini"}))

        assert gate().next(narrowed, (begun("mini", 0.1),)) == Accept(attempt=0, reason="last of the cascade")

    def test_a_whole_answer_is_better_than_calling_an_abandoned_model_again(self) -> None:
        attempts = (answered("mini", 0.1), begun("mid", 0.1), failed("big", retryable=False))

        assert Resilient(gate(), THREE).next(QUERY, attempts) == Accept(attempt=0, reason="last of the cascade")

    def test_an_abandoned_model_is_called_again_unheld_where_every_later_one_failed(self) -> None:
        attempts = (begun("mini", 0.1), failed("mid", retryable=False), failed("big", retryable=False))

        step = Resilient(gate(), THREE).next(QUERY, attempts)

        assert isinstance(step, Call)
        assert (step.decision.model, step.decision.reason, step.hold) == ("mini", Reason.FELL_BACK, Hold.NOTHING)

    def test_a_caller_who_may_use_nothing_is_told_why(self) -> None:
        with pytest.raises(NoEligibleModel, match="mini: not allowed"):
            gate().next(replace(QUERY, allow=frozenset()), ())


class TestItsSettings:
    def test_log_probabilities_are_asked_for_only_where_they_are_read(self) -> None:
        assert gate().next(QUERY, ()).parameters == {}
        assert gate(needs_logprobs=True).next(QUERY, ()).parameters == {"logprobs": True}

    def test_a_model_that_cannot_give_them_is_refused_by_name(self) -> None:
        mute = Catalog([model("mute", can=frozenset({"tools"})), model("big", can=frozenset())])

        with pytest.raises(ConfigError, match=r"cascades.gate: .*'mute' cannot give .* Name another model"):
            gate(["mute", "big"], mute, needs_logprobs=True)
        assert gate(["mute", "big"], mute)

    def test_what_a_model_can_do_may_be_unknown_and_the_last_one_need_not_give_any(self) -> None:
        unknown = Catalog([model("mini"), model("big", can=frozenset())])

        assert gate(["mini", "big"], unknown, needs_logprobs=True)

    @pytest.mark.parametrize(
        ("models", "told"),
        [
            (["mini"], "at least two models"),
            (["mini", "mini"], "each once"),
            (["mini", "bog"], "no model 'bog'. Did you mean 'big'?"),
        ],
    )
    def test_a_chain_that_cannot_be_followed_is_refused(self, models, told) -> None:
        with pytest.raises(ConfigError, match=f"cascades.gate: .*{told.replace('?', '[?]')}"):
            gate(models)

    @pytest.mark.parametrize(("threshold", "tokens"), [(1.1, 64), (math.nan, 64), (0.5, 0)])
    def test_numbers_that_mean_nothing_are_refused(self, threshold: float, tokens: int) -> None:
        with pytest.raises(ConfigError, match="cascades.gate: (threshold|prefix_tokens) must be"):
            PrefixGate("gate", THREE, ["mini", "big"], "checks", threshold, tokens)


class TestItsWorstCase:
    CAPPED = replace(QUERY, parameters={"max_tokens": 99})

    def test_is_every_model_to_its_end(self) -> None:
        assert isinstance(gate(), Bounded)
        assert gate().worst_case(self.CAPPED).calls == 3
        assert gate().worst_case(self.CAPPED).cost_usd == pytest.approx(100 * 111e-6)

    def test_models_that_could_not_be_paid_for_are_left_out(self) -> None:
        limited = replace(self.CAPPED, max_cost_usd=100 * 12e-6)

        assert gate().worst_case(limited).calls == 2
        assert gate().next(limited, (begun("mini", 0.1),)).hold is Hold.NOTHING
