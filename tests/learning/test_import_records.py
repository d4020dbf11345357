"""Our own records as a dataset."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest

from switchpoint.core.attempt import Answer, Attempt
from switchpoint.core.decision import Decision, Reason
from switchpoint.core.errors import ConfigError, DataError
from switchpoint.core.model import Usage
from switchpoint.core.query import Query
from switchpoint.core.record import Feedback, Record
from switchpoint.estimators import artifact
from switchpoint.estimators.latency import Latency
from switchpoint.learning.datasets import read
from switchpoint.learning.importers import import_dataset
from switchpoint.learning.train import train_router
from switchpoint.records.log import RecordLog

pq = pytest.importorskip("pyarrow.parquet")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def attempt(model, cost_usd="0.002"):
    return Attempt(
        decision=Decision(model=model, router="r", reason=Reason.RANDOM, propensity=0.25),
        answer=Answer(text=f"from {model}", usage=Usage(input_tokens=90, output_tokens=4), body={}),
        cost_usd=None if cost_usd is None else Decimal(cost_usd),
        latency_s=0.1,
    )


def record(id, text, *attempts, accepted=0):
    return Record(
        id=id,
        at=NOON,
        query_id=f"q-{id}",
        route="auto",
        strategy="s",
        attempts=attempts,
        accepted=accepted,
        outcome="answered" if accepted is not None else "failed",
        decide_s=0.001,
        latency_s=0.2,
        messages=None if text is None else ({"role": "user", "content": text},),
    )


@pytest.fixture
def log(tmp_path):
    """Write records, and feedback as (record, source, value)."""

    def write(records, feedback=()):
        log = RecordLog(tmp_path / "records.sqlite")
        for each in records:
            log(each)
        log.flush()
        for record_id, source, value in feedback:
            log.add_feedback(Feedback(record_id=record_id, at=NOON, metric="thumbs", value=value, source=source))
        log.close()
        return tmp_path / "records.sqlite"

    return write


def test_only_the_model_that_answered_is_observed(log, tmp_path):
    records = [record("1", "Why?", attempt("mini"), attempt("max"), accepted=1), record("2", "How?", attempt("mini"))]
    source = log(records, [("1", "user", 1.0), ("1", "reviewer", 0.5), ("2", "user", 0.0)])

    import_dataset("records", source, tmp_path / "out")
    found = read(tmp_path / "out")

    assert found.models == ("max", "mini")
    np.testing.assert_array_equal(found.quality, [[0.75, np.nan], [np.nan, 0.0]])
    np.testing.assert_array_equal(found.cost_usd, [[0.002, np.nan], [np.nan, 0.002]])
    assert found.domains == ("auto", "auto")


def test_tokens_and_latencies_are_kept_and_read_also_without_feedback(log, tmp_path):
    source = log([record("1", "Why?", attempt("mini")), record("2", "How?", attempt("mini"))], [("1", "user", 1.0)])

    import_dataset("records", source, tmp_path / "out")
    found = read(tmp_path / "out", scored=False)

    assert len(read(tmp_path / "out")) == 1
    np.testing.assert_array_equal(found.quality, [[1.0], [np.nan]])
    np.testing.assert_array_equal(found.input_tokens, [[90], [90]])
    np.testing.assert_array_equal(found.output_tokens, [[4], [4]])
    np.testing.assert_array_equal(found.latency_s, [[0.1], [0.1]])


def test_a_router_trained_on_records_has_learned_cost_and_latency(log, tmp_path):
    records = [record(str(i), f"Why {i}?", attempt(("mini", "max")[i % 2])) for i in range(20)]
    source = log(records, [(str(i), "user", float(i % 3 > 0)) for i in range(12)])
    import_dataset("records", source, tmp_path / "out")

    trained = train_router([tmp_path / "out"], tmp_path / "artifact", created="2026-01-01")

    assert (trained.rows, trained.parts) == (12, ("cost", "latency"))
    whole = artifact.read(tmp_path / "artifact")
    latency = Latency.restore(artifact.read_part(tmp_path / "artifact", whole, "latency"))
    assert latency.predict([Query.of("Why?")]).mean == pytest.approx(np.array([[0.1, 0.1]]))


def test_propensities_are_kept(log, tmp_path):
    import_dataset("records", log([record("1", "Why?", attempt("mini"))]), tmp_path / "out")

    table = pq.read_table(tmp_path / "out" / "outcomes.parquet").to_pylist()
    assert [(row["propensity"], row["score"], row["response"]) for row in table] == [(0.25, None, "from mini")]


def test_the_tag_task_is_the_domain_and_an_unknown_cost_stays_unknown(log, tmp_path):
    tagged = replace(record("1", "Why?", attempt("mini", None)), tags={"task": "support"})

    import_dataset("records", log([tagged], [("1", "user", 1.0)]), tmp_path / "out")

    found = read(tmp_path / "out")
    assert found.domains == ("support",)
    assert np.isnan(found.cost_usd).all()


def test_records_without_prompts_say_how_to_get_them(log, tmp_path):
    source = log([record("1", None, attempt("mini")), record("2", "How?", attempt("mini"), accepted=None)])

    with pytest.raises(DataError, match=r"none of 1 answered records holds its prompt. Set `store_prompts = true`"):
        import_dataset("records", source, tmp_path / "out")


def test_a_missing_log_is_the_operators_to_mend(tmp_path):
    with pytest.raises(ConfigError, match="no record log"):
        import_dataset("records", tmp_path / "none.sqlite", tmp_path / "out")
