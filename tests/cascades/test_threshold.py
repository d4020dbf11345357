"""ThresholdCascade: a threshold for each model, several verifiers, a limit on the cost."""

from dataclasses import replace

import pytest

from switchpoint.cascades.threshold import ThresholdCascade
from switchpoint.core.attempt import Verdict
from switchpoint.core.bounds import Bounded
from switchpoint.core.decision import Accept, Hold, Verify
from switchpoint.core.errors import ConfigError
from switchpoint.core.query import Query
from tests.doubles import answered, catalog

THREE = catalog("mini", "mid", "big")
QUERY = Query.of("hello")


def cascade(verifier="checks", threshold=0.5, **options) -> ThresholdCascade:
    return ThresholdCascade("careful", THREE, ["mini", "mid", "big"], verifier, threshold, **options)


def judged(model: str, **scores: float):
    verdicts = tuple(Verdict(score=score, verifier=name) for name, score in scores.items())
    return replace(answered(model), verdicts=verdicts)


def test_each_model_may_have_a_threshold_of_its_own() -> None:
    strict_first = cascade(threshold=[0.9, 0.3])

    assert strict_first.next(QUERY, (answered("mini", 0.8),)).decision.model == "mid"
    assert strict_first.next(QUERY, (answered("mini", 0.8), answered("mid", 0.4))) == Accept(
        attempt=1, reason="verified"
    )


@pytest.mark.parametrize("threshold", [[0.5], [0.5, 0.5, 0.5], 1.5, [0.5, float("nan")]])
def test_thresholds_that_do_not_fit_the_chain_are_refused(threshold) -> None:
    with pytest.raises(ConfigError, match=r"cascades.careful: threshold must be in \[0, 1\]"):
        cascade(threshold=threshold)


class TestSeveralVerifiers:
    TWO = ("checks", "judge")

    def test_are_asked_in_their_order(self) -> None:
        assert cascade(self.TWO).next(QUERY, (answered("mini"),)) == Verify(attempt=0, verifier="checks")
        assert cascade(self.TWO).next(QUERY, (judged("mini", checks=1.0),)) == Verify(attempt=0, verifier="judge")

    def test_must_all_be_passed(self) -> None:
        passed = judged("mini", checks=1.0, judge=0.5)

        assert cascade(self.TWO).next(QUERY, (passed,)) == Accept(attempt=0, reason="verified")
        assert cascade(self.TWO).next(QUERY, (judged("mini", checks=1.0, judge=0.4),)).decision.model == "mid"

    def test_the_dearer_is_not_asked_once_the_cheaper_has_failed_the_answer(self) -> None:
        assert cascade(self.TWO).next(QUERY, (judged("mini", checks=0.0),)).decision.model == "mid"

    def test_none_is_no_cascade(self) -> None:
        with pytest.raises(ConfigError, match="at least one verifier"):
            cascade(())


class TestTheCostLimit:
    CAPPED = replace(QUERY, parameters={"max_tokens": 99})
    MINI_USD = 100e-6  # at most; mid costs ten times, big a hundred times that

    def test_the_worst_case_is_known_before_it_starts(self) -> None:
        assert isinstance(cascade(), Bounded)
        assert cascade().worst_case(self.CAPPED).cost_usd == pytest.approx(111 * self.MINI_USD)
        assert cascade().worst_case(QUERY).cost_usd is None

    def test_models_that_the_run_could_not_pay_for_are_left_out_and_the_last_one_left_is_not_held(self) -> None:
        limited = replace(self.CAPPED, max_cost_usd=12 * self.MINI_USD)

        step = cascade().next(limited, (answered("mini", 0.0),))

        assert (step.decision.model, step.hold) == ("mid", Hold.NOTHING)
        assert cascade().worst_case(limited).cost_usd <= limited.max_cost_usd

    def test_an_answer_that_nobody_was_to_look_at_is_taken_although_an_earlier_one_has_a_score(self) -> None:
        limited = replace(self.CAPPED, max_cost_usd=12 * self.MINI_USD)

        step = cascade().next(limited, (answered("mini", 0.4), answered("mid")))

        assert step == Accept(attempt=1, reason="last of the cascade")


def test_log_probabilities_are_asked_for_of_every_model_that_is_looked_at() -> None:
    sure = cascade("confidence", needs_logprobs=True)

    assert sure.next(QUERY, ()).parameters == {"logprobs": True}
    tried = tuple(judged(model, confidence=0.0) for model in ("mini", "mid"))
    assert sure.next(QUERY, tried).parameters == {}
