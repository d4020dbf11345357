"""The recorder: what a call becomes, and what stays when it is interrupted."""

from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from switchpoint.demo import record
from switchpoint.demo.options import Option
from switchpoint.demo.record import Sample, call, majority, outcome
from switchpoint.demo.tasks import Task

TASK = Task(text="What colour is snow?", kind="colour", answers=("white",))


def sample(text: str, confidence: float | None = 0.5) -> Sample:
    return Sample(text=text, input_tokens=10, output_tokens=2, confidence=confidence)


def test_the_answer_given_most_often_wins():
    assert majority(["grey", "White.", "white"]) == ("White.", pytest.approx(2 / 3))


def test_the_earliest_of_equals_wins():
    assert majority(["grey", "white"]) == ("grey", 0.5)


def test_all_samples_of_a_vote_are_charged():
    row = outcome(TASK, Option(id="vote", samples=2), [sample("white"), sample("white", 0.7)], 1.8)

    assert (row.input_tokens, row.output_tokens, row.cost_usd) == (20, 4, pytest.approx(1.8 * 0.08 / 3600))
    assert (row.score, row.confidence, row.agreement) == (1.0, 0.6, 1.0)


def test_an_empty_answer_has_no_confidence_and_one_sample_no_agreement():
    row = outcome(TASK, Option(id="plain"), [sample("", None)], 1.0)

    assert (row.score, row.confidence, row.agreement) == (0.0, None, None)


async def test_a_call_asks_for_all_its_samples(monkeypatch: pytest.MonkeyPatch):
    asked = []

    async def ask(client: object, option: Option, text: str) -> Sample:
        asked.append(text)
        return sample("white")

    monkeypatch.setattr(record, "ask", ask)
    await call(SimpleNamespace(), TASK, Option(id="vote", samples=3))

    assert asked == [TASK.text] * 3


def test_an_interrupted_recording_ends_the_server_and_changes_no_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    events = []

    @contextmanager
    def serving(*, threads: int):
        try:
            yield "http://127.0.0.1:9/v1"
        finally:
            events.append("ended")

    async def interrupted(base_url: str) -> list[record.Outcome]:
        raise KeyboardInterrupt

    monkeypatch.setattr(record, "serving", serving)
    monkeypatch.setattr(record, "answers", interrupted)
    with pytest.raises(KeyboardInterrupt):
        record.record(tmp_path, threads=1)

    assert events == ["ended"]
    assert list(tmp_path.iterdir()) == []
