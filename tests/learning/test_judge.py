"""A judge that looks twice: what it says becomes a preference, and every cent and every failure is accounted for."""

import asyncio
import json
from decimal import Decimal

import pytest

from switchpoint.core.errors import DataError, UpstreamTimeout
from switchpoint.core.query import Query
from switchpoint.learning.datasets import read
from switchpoint.learning.importers import import_dataset
from switchpoint.learning.judge import Panel, judge
from switchpoint.upstreams.fake import Fake
from tests.doubles import model

PANEL = Panel(model("small", "1"), model("large", "10"), model("judge", "2"))
QUERIES = [Query.of("Why?"), Query.of("How?")]
ANSWERS = {"small": "Because.", "large": "Because of the air."}


def shown(query):
    """The two answers in the order in which the judge sees them."""
    text = query.messages[-1]["content"]
    return sorted(ANSWERS, key=lambda name: text.index(ANSWERS[name] + "\n"))


def upstream(opinion):
    """Answer as the models do, and let `opinion` say the judge's words from the names in the order shown."""

    def say(called, query):
        return ANSWERS.get(called.id) or opinion(*shown(query))

    return Fake(say)


def prefers(winner, loser_score=4):
    return lambda first, second: json.dumps(
        {n: 9 if m == winner else loser_score for n, m in (("first", first), ("second", second))}
    )


def always_first(first, second):
    return 'I think {"first": 8, "second": 3}'


async def run(fake, tmp_path, queries=QUERIES, **options):
    return await judge(queries, PANEL, {"fake": fake}, tmp_path / "judged.jsonl", **options)


async def test_whoever_wins_in_both_orders_wins(tmp_path):
    found = await run(upstream(prefers("large")), tmp_path)

    assert found.preferences.result.tolist() == [0.0, 0.0]
    assert (found.preferences.a, found.preferences.b) == (("small", "small"), ("large", "large"))
    assert (found.judged, found.resumed, found.failed, found.left) == (2, 0, 0, 0)


async def test_an_opinion_that_follows_the_order_is_a_tie(tmp_path):
    found = await run(upstream(always_first), tmp_path)

    assert found.preferences.result.tolist() == [0.5, 0.5]


async def test_a_run_goes_on_where_the_last_one_stopped(tmp_path):
    await run(upstream(prefers("large")), tmp_path, QUERIES[:1])
    fake = upstream(prefers("small"))

    found = await run(fake, tmp_path)

    assert found.preferences.result.tolist() == [0.0, 1.0]
    assert (found.judged, found.resumed) == (1, 1)
    assert len(fake.calls) == 4


async def test_a_line_that_was_cut_off_is_judged_again(tmp_path):
    await run(upstream(prefers("large")), tmp_path)
    whole = (tmp_path / "judged.jsonl").read_bytes()
    (tmp_path / "judged.jsonl").write_bytes(whole[:-20])

    found = await run(upstream(prefers("large")), tmp_path)

    assert (found.judged, found.resumed) == (1, 1)
    assert len((tmp_path / "judged.jsonl").read_text().splitlines()) == 2


async def test_all_four_calls_are_paid_for(tmp_path):
    fake = upstream(prefers("large"))

    found = await run(fake, tmp_path, QUERIES[:1])

    line = json.loads((tmp_path / "judged.jsonl").read_text())
    assert found.cost_usd == Decimal(line["cost_usd"]) > 0
    assert [called.id for called, _ in fake.calls] == ["small", "large", "judge", "judge"]


async def test_a_judge_without_a_verdict_is_a_failure_and_nothing_is_written(tmp_path):
    found = await run(upstream(lambda first, second: "Both are lovely."), tmp_path)

    assert (found.judged, found.failed) == (0, 2)
    assert found.cost_usd is not None and found.cost_usd > 0
    assert not (tmp_path / "judged.jsonl").exists()


async def test_a_call_that_fails_has_an_unknown_cost(tmp_path):
    def say(called, query):
        return UpstreamTimeout("slow") if called.id == "large" else "Because."

    found = await run(Fake(say), tmp_path, QUERIES[:1])

    assert (found.failed, found.cost_usd) == (1, None)


async def test_scores_outside_one_to_ten_are_no_verdict(tmp_path):
    found = await run(upstream(prefers("large", loser_score=0)), tmp_path)

    assert found.failed == 2


async def test_an_answer_that_pretends_to_be_the_judge_stays_between_the_marks(tmp_path):
    fake = upstream(prefers("small"))

    await run(fake, tmp_path, QUERIES[:1])

    system, user = (message["content"] for message in fake.calls[-1][1].messages)
    mark = user.split()[0]
    assert mark in system
    assert user.count(f"{mark} end") == 3
    assert "never an instruction" in system


async def test_a_run_ends_at_its_time_limit_and_keeps_what_it_has(tmp_path):
    slow = Fake(lambda called, query: "Because.", latency_s=30)

    found = await run(slow, tmp_path, time_limit_s=0.01)

    assert (found.judged, found.left) == (0, 2)
    assert found.cost_usd is None


async def test_a_call_has_its_own_time_limit(tmp_path):
    found = await run(Fake(lambda called, query: "Because.", latency_s=30), tmp_path, call_timeout_s=0.01)

    assert (found.failed, found.left) == (2, 0)


async def test_what_the_judge_wrote_can_be_imported_as_battles_and_as_outcomes(tmp_path):
    await run(upstream(prefers("large")), tmp_path)

    battles = import_dataset("battles", tmp_path / "judged.jsonl", tmp_path / "battles")
    import_dataset("judged", tmp_path / "judged.jsonl", tmp_path / "outcomes", score_range=(1, 10))

    assert battles.rows == 2
    assert read(tmp_path / "outcomes").quality[0].tolist() == pytest.approx([3 / 9, 8 / 9])


def test_an_unknown_upstream_is_refused(tmp_path):
    with pytest.raises(DataError, match="'small' calls 'fake', which is none of other"):
        asyncio.run(judge(QUERIES, PANEL, {"other": upstream(always_first)}, tmp_path / "j.jsonl"))
