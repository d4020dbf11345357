"""What every strategy of the room keeps to, whatever the upstreams do, streamed or not."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchpoint.cascades.agreement import Agreement
from switchpoint.cascades.cascade import Cascade
from switchpoint.cascades.combine import Best, Fuse, Rank, Vote
from switchpoint.cascades.ensemble import Ensemble
from switchpoint.cascades.planned import Planned
from switchpoint.cascades.prefix import PrefixGate
from switchpoint.cascades.reservation import bernoulli
from switchpoint.cascades.resilient import Resilient
from switchpoint.cascades.rules import Chain, Greedy, Index, Routing, Supermodels
from switchpoint.cascades.separate import Separate
from switchpoint.cascades.threshold import ThresholdCascade
from switchpoint.core.attempt import Answer, Attempt, Verdict, total
from switchpoint.core.bounds import Bounded
from switchpoint.core.decision import Accept, Call, GiveUp, Hold, Step, Verify
from switchpoint.core.errors import NoAnswer, NoEligibleModel, UpstreamRefused
from switchpoint.core.protocols import Strategy
from switchpoint.core.query import Query
from switchpoint.core.record import Record
from switchpoint.engine.engine import Engine
from switchpoint.upstreams.fake import Fake, Turn
from tests.cascades.toys import SHARED_ERRORS, plan
from tests.doubles import Table, answered, catalog, failed

MODELS = catalog("mini", "mid", "big")
THREE = list(MODELS.ids)
QUERY = replace(Query.of("How many?"), parameters={"max_tokens": 20})
GONE = UpstreamRefused("no such model", status=404)


def by_rule(rule: object) -> Cascade:
    cost = Table(MODELS.ids, [0.001, 0.01, 0.1])
    return Cascade(
        name="rule",
        catalog=MODELS,
        belief=Separate(MODELS.ids, [0.5, 0.6, 0.8]),
        rule=rule,  # type: ignore[arg-type]
        cost=cost,
        willingness_usd=1.0,
        verifier="luck",
    )


STRATEGIES: Mapping[str, Strategy] = {
    "threshold": ThresholdCascade("threshold", MODELS, THREE, "luck", 0.5),
    "two verifiers": ThresholdCascade("threshold", MODELS, THREE, ["luck", "sure"], [0.5, 0.9]),
    "prefix": PrefixGate("prefix", MODELS, THREE, "luck", 0.5, 2),
    "agreement": Agreement("agreement", MODELS, ["mini", "mid"], "big"),
    "samples": Agreement("agreement", MODELS, ["mini", "mid"], "big", most=5),
    "vote of samples": Agreement("agreement", MODELS, THREE, None, confidence=0.9, most=6),
    "vote": Ensemble("ensemble", MODELS, THREE, Vote()),
    "best": Ensemble("ensemble", MODELS, ["mini", "mini", "mid", "big"], Best("luck")),
    "rank": Ensemble("ensemble", MODELS, THREE, Rank(MODELS["big"])),
    "fuse": Ensemble("ensemble", MODELS, THREE, Fuse(MODELS["big"])),
    "index": by_rule(Index(bernoulli)),
    "greedy": by_rule(Greedy()),
    "supermodels": by_rule(Supermodels()),
    "chain": by_rule(Chain([0, 1, 2])),
    "routing": by_rule(Routing()),
    "trained": Planned("trained", MODELS, plan(SHARED_ERRORS, scored=[True, False, False]), verifiers={"mini": "luck"}),
}

LUCK = st.lists(st.sampled_from(["4", "5", "A", "fail", "dead"]), min_size=24, max_size=24)
"""What each call brings: an answer, a passing failure or a lasting one."""

every_strategy = pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)


def made(model: str, luck: str) -> Attempt:
    if luck in ("fail", "dead"):
        return failed(model, retryable=luck == "fail")
    return answered(model, text=luck)


def story(strategy: Strategy, query: Query, luck: Sequence[str]) -> list[tuple[Step, tuple[Attempt, ...]]]:
    """Every step to the end, each with the attempts before it; answers that say 4 are verified best."""
    resilient = Resilient(strategy, MODELS, retries=1)
    attempts: list[Attempt] = []
    steps: list[tuple[Step, tuple[Attempt, ...]]] = []
    while not steps or isinstance(steps[-1][0], Call | Verify):
        step = resilient.next(query, tuple(attempts))
        steps.append((step, tuple(attempts)))
        if isinstance(step, Call):
            attempts.append(made(step.decision.model, luck[len(attempts)]))
        if isinstance(step, Verify):
            verdict = Verdict(score=score(attempts[step.attempt].answer), verifier=step.verifier)
            attempts[step.attempt] = replace(
                attempts[step.attempt], verdicts=(*attempts[step.attempt].verdicts, verdict)
            )
    return steps


def score(answer: Answer | None) -> float:
    return {"4": 0.9, "5": 0.1}.get("" if answer is None else answer.text, math.nan)


@every_strategy
@given(luck=LUCK)
def test_the_same_attempts_have_the_same_step(strategy: Strategy, luck: list[str]) -> None:
    assert story(strategy, QUERY, luck) == story(strategy, QUERY, luck)


@every_strategy
@given(luck=LUCK)
def test_only_an_answer_is_accepted_or_verified_and_giving_up_means_there_is_none(
    strategy: Strategy, luck: list[str]
) -> None:
    for step, attempts in story(strategy, QUERY, luck):
        match step:
            case Accept(attempt=number) | Verify(attempt=number):
                assert attempts[number].answered
            case GiveUp():
                assert not any(attempt.answered for attempt in attempts)


@every_strategy
@given(luck=LUCK, allow=st.sets(st.sampled_from(THREE), min_size=1))
def test_nobody_is_called_who_may_not_be_or_who_failed_for_good(
    strategy: Strategy, luck: list[str], allow: set[str]
) -> None:
    query = replace(QUERY, allow=frozenset(allow))

    for step, attempts in story(strategy, query, luck):
        if isinstance(step, Call):
            lasting = {a.decision.model for a in attempts if a.failure and not a.failure.retryable}
            assert step.decision.model in allow - lasting


@every_strategy
@given(luck=LUCK)
def test_no_verifier_is_asked_twice_of_one_answer(strategy: Strategy, luck: list[str]) -> None:
    steps = [step for step, _ in story(strategy, QUERY, luck) if isinstance(step, Verify)]

    assert len(set(steps)) == len(steps)


@every_strategy
@given(luck=LUCK)
def test_what_streams_straight_through_is_the_answer(strategy: Strategy, luck: list[str]) -> None:
    steps = story(strategy, QUERY, luck)

    for (step, attempts), (later, _) in itertools.pairwise(steps):
        if isinstance(step, Call) and step.hold is Hold.NOTHING and luck[len(attempts)] not in ("fail", "dead"):
            assert isinstance(later, Accept) and later.attempt == len(attempts)


@every_strategy
@given(luck=LUCK)
def test_the_calls_that_bring_answers_stay_within_the_worst_case(strategy: Strategy, luck: list[str]) -> None:
    assert isinstance(strategy, Bounded)
    steps = story(strategy, QUERY, luck)

    assert sum(attempt.answered for attempt in steps[-1][1]) <= strategy.worst_case(QUERY).calls


@every_strategy
def test_who_may_use_nothing_is_told(strategy: Strategy) -> None:
    with pytest.raises(NoEligibleModel, match="mini: not allowed"):
        strategy.next(replace(QUERY, allow=frozenset()), ())


async def sure(query: Query, answer: Answer) -> Verdict:
    return Verdict(score=1.0, cost_usd=Decimal("0.001"))


async def lucky(query: Query, answer: Answer) -> Verdict:
    return Verdict(score=score(answer), cost_usd=Decimal("0.001"))


def run(strategy: Strategy, turn: Callable[[], Turn], query: Query, *, stream: bool) -> tuple[str, Record, Fake]:
    """Run to the end on a fake upstream; the record is there however it ends."""
    records: list[Record] = []
    upstream = Fake(lambda model, query: turn())
    engine = Engine(
        catalog=MODELS,
        upstreams={"fake": upstream},
        sink=records.append,
        default_model="big",
        verifiers={"luck": lucky, "sure": sure},
    )

    async def drive() -> str:
        run = engine.start(Resilient(strategy, MODELS, retries=0), query, stream=stream)
        async with aclosing(run.chunks()) as chunks:
            text = "".join([chunk.text async for chunk in chunks])
        return text if stream or run.record.answer is None else run.record.answer.text

    try:
        return asyncio.run(drive()), records[0], upstream
    except NoAnswer:
        return "", records[0], upstream


streamed_or_not = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])


@every_strategy
@streamed_or_not
@given(luck=LUCK)
@settings(max_examples=15, deadline=None)
def test_a_run_gives_the_accepted_answer_and_the_bill_is_all_calls_and_verdicts(
    strategy: Strategy, stream: bool, luck: list[str]
) -> None:
    turns = iter(luck)

    def turn() -> Turn:
        said = next(turns)
        return GONE if said in ("fail", "dead") else said

    text, record, upstream = run(strategy, turn, QUERY, stream=stream)

    assert text == ("" if record.answer is None else record.answer.text)
    assert len(upstream.calls) == len(record.attempts)
    verdicts = [verdict.cost_usd for attempt in record.attempts for verdict in attempt.verdicts]
    assert record.cost_usd == total([*(attempt.cost_usd for attempt in record.attempts), *verdicts])


@every_strategy
@streamed_or_not
def test_where_every_model_fails_there_is_no_answer_and_each_was_called_once(strategy: Strategy, stream: bool) -> None:
    text, record, upstream = run(strategy, lambda: GONE, QUERY, stream=stream)

    assert (text, record.outcome, record.answer) == ("", "failed", None)
    called = [model.id for model, _ in upstream.calls]
    assert called and len(set(called)) == len(called)


@every_strategy
@streamed_or_not
@pytest.mark.parametrize("limit_usd", [1e-4, 5e-4, 3e-3, 1e-2])
def test_a_limit_on_the_cost_is_kept(strategy: Strategy, stream: bool, limit_usd: float) -> None:
    free = replace(QUERY, max_cost_usd=limit_usd)

    _, record, _ = run(strategy, lambda: "5", free, stream=stream)

    assert record.outcome == "answered"
    assert total(attempt.cost_usd for attempt in record.attempts) <= Decimal(repr(limit_usd))  # type: ignore[operator]
