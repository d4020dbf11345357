"""Engine: the one loop, and what the record remembers of it."""

import asyncio
import math
from contextlib import aclosing
from dataclasses import replace
from decimal import Decimal

import pytest

from switchpoint.cascades.resilient import Resilient
from switchpoint.cascades.threshold import ThresholdCascade
from switchpoint.core.attempt import Verdict
from switchpoint.core.catalog import Catalog
from switchpoint.core.decision import Accept, Call, Decision, Reason, Verify
from switchpoint.core.errors import (
    BadAnswer,
    NoAnswer,
    NoEligibleModel,
    RateLimited,
    UpstreamError,
    UpstreamRefused,
    UpstreamTimeout,
)
from switchpoint.core.query import Query
from switchpoint.core.record import Record
from switchpoint.engine.engine import Engine
from switchpoint.routers.fixed import Fixed
from switchpoint.routers.policies import MaxUtility
from switchpoint.routers.router import Router
from switchpoint.upstreams.fake import Fake, Reply
from switchpoint.verifiers.plain import checks, confidence
from tests.doubles import Table, catalog

MODELS = catalog("mini", "big")
QUERY = Query.of("hello")


class Broken:
    name = "broken"

    def next(self, query, attempts):
        raise ZeroDivisionError("a bug")


class Scripted:
    name = "scripted"

    def __init__(self, *steps):
        self.steps = steps

    def next(self, query, attempts):
        return self.steps[len(attempts)]


def made(script, strategies_verifiers=None, models: Catalog = MODELS, latency_s: float = 0.0, **options):
    records: list[Record] = []
    upstream = Fake(script, latency_s=latency_s)
    verifiers = {"checks": checks, "confidence": confidence, **(strategies_verifiers or {})}
    options = {"default_model": "big", "baseline_model": "big", **options}
    engine = Engine(catalog=models, upstreams={"fake": upstream}, sink=records.append, verifiers=verifiers, **options)
    return engine, upstream, records


def best(retries: int = 0) -> Resilient:
    router = Router("r", MODELS, Table(MODELS.ids, [0.4, 0.8]), Table(MODELS.ids, [0.1, 1]), MaxUtility(math.inf))
    return Resilient(router, MODELS, retries=retries, backoff_s=0.0)


def cascade(threshold: float = 0.5, verifier: str = "checks") -> Resilient:
    return Resilient(ThresholdCascade("c", MODELS, ["mini", "big"], verifier, threshold), MODELS, retries=0)


async def streamed(engine: Engine, strategy, query: Query = QUERY) -> tuple[str, Record]:
    run = engine.start(strategy, query, stream=True)
    async with aclosing(run.chunks()) as chunks:
        text = "".join([chunk.text async for chunk in chunks])
    return text, run.record


async def test_the_answer_of_the_chosen_model_is_returned_and_recorded() -> None:
    engine, _, records = made({"big": ["the answer"]})

    record = await engine.run(best(), QUERY, route="auto")

    assert record.answer.text == "the answer"
    assert (record.answered_by, record.route, record.strategy, record.outcome) == ("big", "auto", "r", "answered")
    assert records == [record]


async def test_streaming_gives_the_same_text_and_the_same_bill() -> None:
    engine, _, _ = made({"big": ["one two three"]})

    text, record = await streamed(engine, best())
    whole = await engine.run(best(), QUERY)

    assert text == record.answer.text == whole.answer.text == "one two three"
    assert record.cost_usd == whole.cost_usd
    assert record.attempts[0].ttft_s <= record.attempts[0].latency_s


async def test_a_failed_model_is_followed_by_the_next_best_and_both_are_in_the_record() -> None:
    engine, _, _ = made({"big": [UpstreamRefused("no", status=401)], "mini": ["ok"]})

    record = await engine.run(best(), QUERY)

    assert [a.decision.model for a in record.attempts] == ["big", "mini"]
    assert record.attempts[0].failure.kind == "UpstreamRefused"
    assert record.attempts[1].decision.reason is Reason.FELL_BACK
    assert record.accepted == 1


async def test_a_passing_failure_is_retried_on_the_same_model() -> None:
    engine, fake, _ = made({"big": [RateLimited("slow down", retry_after_s=0.0), "ok"]})

    record = await engine.run(best(retries=1), QUERY)

    assert [m.id for m, _ in fake.calls] == ["big", "big"]
    assert record.attempts[1].decision.reason is Reason.RETRIED


@pytest.mark.parametrize("stream", [False, True])
async def test_when_everything_fails_the_story_is_told_and_recorded(stream: bool) -> None:
    engine, _, records = made({"big": [UpstreamError("boom", status=500)], "mini": [BadAnswer("not JSON")]})

    with pytest.raises(NoAnswer, match=r"big: UpstreamError: boom; mini: BadAnswer: not JSON"):
        await streamed(engine, best()) if stream else await engine.run(best(), QUERY)

    assert (records[0].outcome, records[0].accepted, len(records[0].attempts)) == ("failed", None, 2)


async def test_a_stream_that_fails_before_its_first_token_falls_back_unseen() -> None:
    engine, _, _ = made({"big": [UpstreamTimeout("silence")], "mini": ["from mini"]})

    text, record = await streamed(engine, best())

    assert text == "from mini"
    assert [a.committed for a in record.attempts] == [False, True]


async def test_a_stream_that_breaks_after_its_first_token_is_an_error_and_nothing_is_re_routed() -> None:
    engine, fake, records = made({"big": [Reply(text="half an", error=BadAnswer("cut off"))], "mini": ["x"]})

    with pytest.raises(BadAnswer, match="cut off"):
        await streamed(engine, best())

    assert [m.id for m, _ in fake.calls] == ["big"]
    assert records[0].outcome == "failed"
    assert records[0].attempts[0].answer.text == "half an"
    assert records[0].attempts[0].committed


async def test_a_failure_to_decide_goes_to_the_default_model_and_says_so() -> None:
    engine, _, _ = made({"big": ["ok"]})

    record = await engine.run(Resilient(Broken(), MODELS), QUERY)

    assert record.answered_by == "big"
    assert record.attempts[0].decision.reason is Reason.ROUTER_FAILED
    assert record.attempts[0].decision.detail == "deciding failed: ZeroDivisionError"


async def test_where_the_default_model_fails_too_the_query_is_given_up() -> None:
    engine, fake, _ = made({"big": [UpstreamRefused("no")]})

    with pytest.raises(NoAnswer, match="so did the default model big"):
        await engine.run(Broken(), QUERY)

    assert len(fake.calls) == 1


async def test_a_query_that_no_model_may_take_is_the_callers_to_mend_and_is_recorded() -> None:
    engine, _, records = made({"big": ["ok"]})

    with pytest.raises(NoEligibleModel):
        await engine.run(best(), replace(QUERY, allow=frozenset()))

    assert records[0].outcome == "failed"


async def test_a_cascade_keeps_a_good_cheap_answer() -> None:
    engine, fake, _ = made({"mini": ["fine"], "big": ["better"]})

    text, record = await streamed(engine, cascade())

    assert text == "fine"
    assert [m.id for m, _ in fake.calls] == ["mini"]
    assert record.attempts[0].verdict.score == 1.0


async def test_a_rejected_answer_is_never_seen_but_paid_for() -> None:
    engine, _, _ = made({"mini": ["I'm sorry, I cannot."], "big": ["the answer"]})

    text, record = await streamed(engine, cascade())

    assert text == "the answer"
    assert record.cost_usd == record.attempts[0].cost_usd + record.attempts[1].cost_usd > record.attempts[1].cost_usd
    assert [a.committed for a in record.attempts] == [False, True]


async def test_the_cost_of_verifying_is_on_the_bill() -> None:
    async def judge(query, answer):
        return Verdict(score=1.0, cost_usd=Decimal("0.5"))

    engine, _, _ = made({"mini": ["fine"]}, {"judge": judge})

    record = await engine.run(cascade(verifier="judge"), QUERY)

    assert record.cost_usd == record.attempts[0].cost_usd + Decimal("0.5")


@pytest.mark.parametrize("verdict", [Verdict(score=math.nan), Verdict(score=7.0), None])
async def test_a_verifier_that_fails_or_says_nonsense_escalates(verdict: Verdict | None) -> None:
    async def odd(query, answer):
        if verdict is None:
            raise RuntimeError("verifier bug")
        return verdict

    engine, _, _ = made({"mini": ["fine"], "big": ["better"]}, {"odd": odd})

    record = await engine.run(cascade(verifier="odd"), QUERY)

    assert record.answered_by == "big"
    assert math.isnan(record.attempts[0].verdict.score)
    assert (record.cost_usd is None) == (verdict is None)


async def test_a_deadline_ends_a_slow_call_and_is_told() -> None:
    engine, _, records = made({"big": ["slow"], "mini": ["slow too"]}, latency_s=5.0)

    with pytest.raises(NoAnswer, match="deadline of 0.05 s has passed"):
        await engine.run(best(), replace(QUERY, deadline_s=0.05))

    assert records[0].attempts[0].failure.kind == "UpstreamTimeout"
    assert records[0].cost_usd is None  # what a call that broke on the way costs is unknown


@pytest.mark.parametrize("stream", [False, True])
async def test_a_caller_who_goes_away_ends_the_call_and_is_recorded_as_that(stream: bool) -> None:
    engine, _, records = made({"big": ["a long answer"]}, latency_s=30.0)
    task = asyncio.ensure_future(streamed(engine, best()) if stream else engine.run(best(), QUERY))
    await asyncio.sleep(0.05)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert records[0].outcome == "cancelled"
    assert records[0].attempts[0].failure.kind == "Cancelled"


async def test_closing_the_stream_in_the_middle_is_a_cancellation() -> None:
    engine, _, records = made({"big": ["one two three four"]})
    chunks = engine.start(best(), QUERY, stream=True).chunks()

    await anext(chunks)
    await chunks.aclose()

    assert records[0].outcome == "cancelled"


async def test_savings_are_measured_against_the_baseline_models_prices() -> None:
    engine, _, _ = made({"mini": ["short"]})

    record = await engine.run(Fixed("mini", MODELS, "mini"), QUERY)

    assert record.baseline_model == "big"
    assert record.baseline_cost_usd == 10 * record.cost_usd
    assert record.saved_usd == 9 * record.cost_usd


async def test_without_a_price_nothing_is_said_to_be_saved() -> None:
    unpriced = Catalog([*MODELS, replace(MODELS["mini"], id="free?", input_usd_per_mtok=None)])
    engine, _, _ = made({"mini": ["ok"]}, models=unpriced)

    record = await engine.run(Fixed("x", unpriced, "free?"), QUERY)

    assert record.cost_usd is None and record.saved_usd is None


@pytest.mark.parametrize(("store", "kept"), [(True, True), (False, False)])
async def test_prompts_are_in_the_record_only_where_the_configuration_says_so(store: bool, kept: bool) -> None:
    engine, _, records = made({"big": ["ok"]}, store_prompts=store)

    await engine.run(best(), QUERY)

    assert (records[0].messages is not None) is kept


async def test_an_upstream_with_a_bug_is_an_attempt_that_failed() -> None:
    engine, _, _ = made({"big": [KeyError("bug")], "mini": ["ok"]})

    record = await engine.run(best(), QUERY)

    assert record.attempts[0].failure.kind == "BadAnswer"
    assert record.answered_by == "mini"


async def test_a_strategy_that_never_ends_is_stopped() -> None:
    class Endless:
        name = "endless"

        def next(self, query, attempts):
            return Call(decision=Decision(model="mini", router="endless", reason=Reason.FIXED))

    engine, fake, _ = made({"mini": ["again"]}, max_attempts=3)

    record = await engine.run(Endless(), QUERY)

    assert len(fake.calls) == 3
    assert (record.accepted, record.accept_reason) == (2, "best in hand")


@pytest.mark.parametrize("step", [Accept(attempt=0), Accept(attempt=5), Verify(attempt=0, verifier="checks")])
async def test_what_has_no_answer_can_be_neither_accepted_nor_verified(step) -> None:
    call = Call(decision=Decision(model="big", router="scripted", reason=Reason.FIXED))
    engine, _, _ = made({"big": [UpstreamRefused("no")]})

    with pytest.raises(NoAnswer, match="which has no answer"):
        await engine.run(Scripted(call, step), QUERY)


async def test_a_call_may_send_messages_and_parameters_of_its_own() -> None:
    decision = Decision(model="big", router="scripted", reason=Reason.FUSED)
    fuse = ({"role": "user", "content": "fuse these"},)
    call = Call(decision=decision, messages=fuse, parameters={"logprobs": True, "seed": 2})
    engine, fake, _ = made({"big": ["ok"]}, store_prompts=True)

    record = await engine.run(Scripted(call, Accept(attempt=0)), replace(QUERY, parameters={"top_p": 1, "seed": 1}))

    sent = fake.calls[0][1]
    assert sent.messages == fuse
    assert sent.parameters == {"top_p": 1, "seed": 2, "logprobs": True}
    assert record.messages == QUERY.messages


def test_deciding_calls_nothing() -> None:
    engine, fake, records = made({"big": ["ok"]})

    assert engine.decide(best(), QUERY).model == "big"
    assert fake.calls == [] and records == []
