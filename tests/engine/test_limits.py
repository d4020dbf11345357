"""Limits: time, money, and verifiers that misbehave; the best answer so far is given, and marked."""

import asyncio
import math
from dataclasses import replace
from decimal import Decimal

import pytest

from switchpoint.cascades.prefix import PrefixGate
from switchpoint.cascades.resilient import Resilient
from switchpoint.cascades.threshold import ThresholdCascade
from switchpoint.core.attempt import Answer, Verdict
from switchpoint.core.catalog import Catalog
from switchpoint.core.decision import Accept, Call, Decision, Hold, Reason, Verify
from switchpoint.core.errors import BadAnswer, DeadlineExceeded, NoAnswer, NoEligibleModel
from switchpoint.core.query import Query
from switchpoint.engine.engine import Engine
from switchpoint.upstreams.fake import Fake
from switchpoint.verifiers.plain import checks
from tests.doubles import catalog, model

MODELS = catalog("mini", "mid", "big")
QUERY = Query.of("x" * 400)  # about 100 tokens
CAPPED = replace(QUERY, parameters={"max_tokens": 100})
MINI_USD = 200e-6  # at most, so capped; mid costs ten times, big a hundred times that


class Paced(Fake):
    """Answers at once, but for the models that never do."""

    def __init__(self, script, silent=()):
        super().__init__(script)
        self.silent, self.ended = silent, []

    async def complete(self, model, query):
        answer = await super().complete(model, query)
        if model.id in self.silent:
            try:
                await asyncio.sleep(60)
            finally:
                self.ended.append(model.id)
        return answer


def made(upstream, verifier=checks, models: Catalog = MODELS, **options):
    records = []
    engine = Engine(
        catalog=models,
        upstreams={"fake": upstream},
        sink=records.append,
        verifiers={"v": verifier, "checks": checks},
        default_model="big",
        **options,
    )
    return engine, records


def cascade(models=("mini", "mid", "big"), of: Catalog = MODELS, verifier="v") -> Resilient:
    return Resilient(ThresholdCascade("c", of, models, verifier, 0.5), of, retries=0)


def script():
    return {"mini": ["from mini"], "mid": ["from mid"], "big": ["from big"]}


def scoring(**scores: float):
    async def verifier(query, answer):
        return Verdict(score=scores[answer.text.removeprefix("from ")])

    return verifier


class Everyone:
    """Calls the models in turn, whatever they cost."""

    name = "everyone"

    def __init__(self, *models: str, hold: Hold = Hold.ALL):
        self.models, self.hold = models, hold

    def next(self, query, attempts):
        if len(attempts) == len(self.models):
            return Accept(attempt=len(attempts) - 1)
        decision = Decision(model=self.models[len(attempts)], router=self.name, reason=Reason.FIXED)
        return Call(decision=decision, hold=self.hold, prefix_tokens=1)


class TestTheDeadline:
    async def test_while_a_later_call_runs_ends_it_and_gives_the_best_answer_so_far(self) -> None:
        upstream = Paced(script(), silent={"big"})
        engine, _ = made(upstream, scoring(mini=0.4, mid=0.3))

        record = await engine.run(cascade(), replace(QUERY, deadline_s=0.1))

        assert (record.answer.text, record.accept_reason, record.outcome) == ("from mini", "deadline", "answered")
        assert record.attempts[2].failure.kind == "UpstreamTimeout"
        assert upstream.ended == ["big"]

    @pytest.mark.parametrize(
        ("scores", "given"), [((0.4, 0.4), "mid"), ((math.nan, 0.0), "mid"), ((0.0, math.nan), "mini")]
    )
    async def test_the_best_is_of_the_highest_score_then_the_later_one_and_unknown_comes_last(
        self, scores, given
    ) -> None:
        engine, _ = made(Paced(script(), silent={"big"}), scoring(mini=scores[0], mid=scores[1]))

        record = await engine.run(cascade(), replace(QUERY, deadline_s=0.1))

        assert record.answered_by == given

    async def test_while_a_verifier_runs_ends_it_and_gives_what_it_was_looking_at(self) -> None:
        async def slow(query, answer):
            await asyncio.sleep(60)

        engine, _ = made(Fake(script()), slow)

        record = await engine.run(cascade(), replace(QUERY, deadline_s=0.1))

        assert (record.answer.text, record.accept_reason) == ("from mini", "deadline")
        assert record.attempts[0].verdict.detail == "timed out"

    async def test_a_held_beginning_alone_is_no_answer(self) -> None:
        async def slow(query, answer):
            await asyncio.sleep(60)

        engine, records = made(Fake({"mini": ["a beginning that is long enough"]}), slow)
        gate = PrefixGate("g", MODELS, ["mini", "big"], "v", 0.5, 2)
        run = engine.start(gate, replace(QUERY, deadline_s=0.1), stream=True)

        with pytest.raises(DeadlineExceeded):
            [chunk async for chunk in run.chunks()]

        assert records[0].attempts[0].partial and not records[0].attempts[0].committed

    async def test_without_an_answer_in_hand_is_an_error_of_its_own(self) -> None:
        engine, _ = made(Paced(script(), silent={"mini"}))

        with pytest.raises(DeadlineExceeded, match=r"deadline of 0.05 s has passed \(mini: UpstreamTimeout"):
            await engine.run(cascade(), replace(QUERY, deadline_s=0.05))


class TestTheCostLimit:
    async def test_a_cascade_leaves_out_what_it_could_not_pay_for_and_never_starts_it(self) -> None:
        fake = Fake(script())
        engine, _ = made(fake, scoring(mini=0.1, mid=0.1))

        record = await engine.run(cascade(), replace(CAPPED, max_cost_usd=12 * MINI_USD))

        assert [m.id for m, _ in fake.calls] == ["mini", "mid"]
        assert (record.answered_by, record.accept_reason) == ("mid", "last of the cascade")
        assert float(record.cost_usd) <= 12 * MINI_USD

    async def test_holds_for_strategies_that_know_nothing_of_it(self) -> None:
        fake = Fake(script())
        engine, _ = made(fake)

        record = await engine.run(Everyone("mini", "mid", "big"), replace(CAPPED, max_cost_usd=100 * MINI_USD))

        assert [m.id for m, _ in fake.calls] == ["mini", "mid"]
        assert (record.answered_by, record.accept_reason) == ("mid", "cost limit")

    async def test_before_the_first_call_is_the_callers_to_mend(self) -> None:
        engine, records = made(Fake(script()))

        with pytest.raises(NoEligibleModel, match="big: may cost 0.020000 USD beside 0.000000 already spent"):
            await engine.run(Everyone("big"), replace(CAPPED, max_cost_usd=MINI_USD))

        assert records[0].attempts == ()

    async def test_after_calls_that_failed_is_no_answer(self) -> None:
        engine, _ = made(Fake({"mini": [BadAnswer("no")], "big": ["x"]}))

        with pytest.raises(NoAnswer, match="over the limit"):
            await engine.run(Everyone("mini", "big"), replace(CAPPED, max_cost_usd=100 * MINI_USD))

    async def test_a_call_of_unknown_cost_counts_by_its_expectation(self) -> None:
        fake = Fake({"mini": [BadAnswer("cut off")], "mid": ["x"]})
        engine, _ = made(fake)
        expected_usd = MODELS["mini"].expected_cost_usd(100)

        with pytest.raises(NoAnswer, match=f"beside {expected_usd:.6f} already spent"):
            await engine.run(Everyone("mini", "mid"), replace(CAPPED, max_cost_usd=10 * MINI_USD + expected_usd / 2))

    async def test_verdicts_and_preparations_count_too(self) -> None:
        async def dear(query, answer):
            return Verdict(score=0.0, cost_usd=Decimal(1))

        class Checked(Everyone):
            def next(self, query, attempts):
                if attempts and not attempts[-1].verdicts:
                    return Verify(attempt=len(attempts) - 1, verifier="v")
                return super().next(query, attempts)

        engine, _ = made(Fake(script()), dear)

        record = await engine.run(Checked("mini", "big"), replace(CAPPED, max_cost_usd=1.0))

        assert (record.answered_by, record.accept_reason) == ("mini", "cost limit")

    async def test_what_has_no_price_is_never_over_a_limit(self) -> None:
        unpriced = Catalog([model("free?", None), model("mini")])
        engine, _ = made(Fake({"free?": ["x"], "mini": ["y"]}), models=unpriced)

        record = await engine.run(Everyone("free?", "mini"), replace(CAPPED, max_cost_usd=MINI_USD))

        assert record.answered_by == "mini"

    async def test_a_held_beginning_is_streamed_on_where_the_next_model_is_too_dear(self) -> None:
        engine, _ = made(Fake({"mini": ["a beginning that is long enough"]}))
        strategy = Everyone("mini", "big", hold=Hold.PREFIX)
        run = engine.start(strategy, replace(CAPPED, max_cost_usd=50 * MINI_USD), stream=True)

        text = "".join([chunk.text async for chunk in run.chunks()])

        assert (text, run.record.accept_reason) == ("a beginning that is long enough", "cost limit")

    @pytest.mark.parametrize(("deadline_s", "reason"), [(60.0, "cost limit"), (0.1, "deadline")])
    async def test_of_two_limits_the_one_that_is_met_first_ends_the_run(self, deadline_s: float, reason: str) -> None:
        engine, _ = made(Paced(script(), silent={"mid"} if deadline_s < 1 else ()))
        both = replace(CAPPED, max_cost_usd=50 * MINI_USD, deadline_s=deadline_s)

        record = await engine.run(Everyone("mini", "mid", "big"), both)

        assert record.accept_reason == reason


class TestAVerifier:
    @pytest.mark.parametrize(
        ("said", "cost_usd", "detail"),
        [
            (RuntimeError("a bug"), None, "RuntimeError"),
            (TimeoutError(), None, "TimeoutError"),
            (0.9, None, "returned a float, which is not a verdict"),
            (None, None, "returned a NoneType, which is not a verdict"),
            (Verdict(score=math.nan), 0, "a score that is not in [0, 1]"),
            (Verdict(score=7.0, detail="so good"), 0, "so good"),
            (Verdict(score="high"), 0, "a score that is not in [0, 1]"),
        ],
    )
    async def test_that_fails_or_says_nonsense_scores_nan_and_says_why(self, said, cost_usd, detail) -> None:
        async def odd(query, answer):
            if isinstance(said, Exception):
                raise said
            return said

        record = await made(Fake(script()), odd)[0].run(cascade(["mini", "big"]), QUERY)

        verdict = record.attempts[0].verdict
        assert math.isnan(verdict.score)
        assert (verdict.verifier, verdict.cost_usd, verdict.detail) == ("v", cost_usd, detail)
        assert record.answered_by == "big"

    @pytest.mark.parametrize("cost_usd", [Decimal("NaN"), Decimal(-1), 0.5, None])
    async def test_whose_cost_is_no_amount_leaves_the_bill_unknown(self, cost_usd) -> None:
        async def odd(query, answer):
            return Verdict(score=1.0, cost_usd=cost_usd)

        record = await made(Fake(script()), odd)[0].run(cascade(), QUERY)

        assert (record.answered_by, record.verify_cost_usd, record.cost_usd) == ("mini", None, None)

    async def test_is_given_so_long_and_no_longer(self) -> None:
        async def slow(query, answer):
            await asyncio.sleep(60)

        engine, _ = made(Fake(script()), slow, verify_time_box_s=0.01)

        record = await engine.run(cascade(["mini", "big"]), QUERY)

        assert record.attempts[0].verdict.detail == "timed out"
        assert (record.answered_by, record.accept_reason) == ("big", "last of the cascade")

    async def test_that_costs_more_than_the_call_it_could_save_is_seen_in_the_record(self) -> None:
        async def dear(query, answer):
            return Verdict(score=1.0, cost_usd=Decimal(1))

        record = await made(Fake(script()), dear)[0].run(cascade(), QUERY)

        assert record.wasted_usd == 1 > record.given_usd


async def test_an_answer_in_another_modality_is_empty_to_a_cascade_of_texts() -> None:
    class Drawn(Fake):
        async def complete(self, model, query):
            if model.id != "mini":
                return await super().complete(model, query)
            message = {"role": "assistant", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}
            return Answer(text="", body={"choices": [{"message": message}]})

    record = await made(Drawn(script()))[0].run(cascade(["mini", "big"], verifier="checks"), QUERY)

    assert record.attempts[0].verdict.detail == "empty"
    assert record.answered_by == "big"
