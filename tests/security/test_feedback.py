"""Threat 11: feedback that teaches the routing what its sender wants."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from switchpoint.core.query import Query
from switchpoint.records.reader import RecordReader
from tests.security.conftest import ACME, OTHER, Stand, standing


@pytest.fixture
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with standing(tmp_path_factory.mktemp("feedback")) as stand:
        yield stand


def judge(stand: Stand, record_id: str, *, key: str, score: float = 0.0, **more: object) -> httpx2.Response:
    body = {"record_id": record_id, "score": score, **more}
    return stand.client.post("/v1/feedback", json=body, headers={"authorization": f"Bearer {key}"})


def kept(stand: Stand, record_id: str) -> list[float]:
    log = stand.switchpoint.log
    assert log is not None
    log.flush(5.0)
    return [said.value for said in RecordReader(log.database).feedback([record_id]).get(record_id, ())]


def test_feedback_on_a_record_of_another_tenant_is_told_from_none_by_nobody_and_not_kept(own: Stand):
    """Threat 11."""
    theirs = own.record(own.ask("chat", key=OTHER)).id

    refused, unknown = judge(own, theirs, key=ACME), judge(own, "0" * 32, key=ACME)

    assert refused.status_code == unknown.status_code == 404
    assert refused.text.replace(theirs, "ID") == unknown.text.replace("0" * 32, "ID")
    assert kept(own, theirs) == []


def test_saying_it_again_and_again_counts_once(own: Stand):
    """Threat 11: of one record, metric and source the newest counts, so its weight does not grow by repetition."""
    mine = own.record(own.ask("chat")).id

    for score in (0.1, 0.2, 0.3):
        assert judge(own, mine, key=ACME, score=score).status_code == 202

    assert kept(own, mine) == [0.3]


@pytest.mark.parametrize("score", [-0.1, 1.1, 1e9, "NaN", "Infinity", None, True, [1]])
def test_a_score_outside_of_its_range_is_refused(own: Stand, score: object):
    """Threat 11."""
    mine = own.record(own.ask("chat")).id

    assert judge(own, mine, key=ACME, score=score).status_code == 400  # type: ignore[arg-type]
    assert kept(own, mine) == []


def test_a_flood_of_feedback_is_refused_and_does_not_stop_other_keys(own: Stand):
    """Threat 11: 600 a minute for each key."""
    mine, theirs = (own.record(own.ask("chat", key=key)).id for key in (ACME, OTHER))

    statuses = [judge(own, mine, key=ACME).status_code for _ in range(700)]

    assert statuses.count(202) < 650 and statuses[-1] == 429
    assert judge(own, theirs, key=OTHER).status_code == 202


def test_no_feedback_changes_a_decision_of_a_running_gateway(own: Stand):
    """Threat 11: nothing learns online. Feedback changes the next training alone, which an operator begins."""
    routes, engine = own.switchpoint.routes, own.switchpoint.engine
    asked = [Query.of(f"What is {number} + {number}?") for number in range(20)]

    def decisions() -> list[object]:
        return [engine.decide(routes.resolve("bundled"), query) for query in asked]

    before = decisions()
    for _ in range(20):
        judge(own, own.record(own.ask("chat", model="bundled")).id, key=ACME, score=0.0)

    assert decisions() == before
