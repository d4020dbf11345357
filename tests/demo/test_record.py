"""The recorder: what a call becomes, and what stays when it is interrupted."""

import math
from contextlib import contextmanager
from pathlib import Path

import pytest

from switchpoint.core.attempt import Answer
from switchpoint.core.model import Usage
from switchpoint.demo import record
from switchpoint.demo.options import OPTIONS
from switchpoint.demo.record import ask, row_of
from switchpoint.demo.tasks import Task
from switchpoint.upstreams.fake import Fake, Reply

TASK = Task(text="What colour is snow?", kind="colour", answers=("white",))


def test_a_call_is_scored_and_charged_by_the_second():
    usage = Usage(input_tokens=20, output_tokens=4)

    row = row_of(TASK, OPTIONS[0], Answer(text=" White. ", usage=usage, logprobs=(math.log(0.5),) * 2, body={}), 1.8)

    assert (row.score, row.response, row.confidence) == (1.0, "White.", 0.5)
    assert (row.input_tokens, row.output_tokens, row.cost_usd) == (20, 4, pytest.approx(1.8 * 0.08 / 3600))


def test_an_empty_answer_has_no_confidence_and_unknown_usage_stays_unknown():
    row = row_of(TASK, OPTIONS[0], Answer(text="", body={}), 1.0)

    assert (row.score, row.confidence, row.input_tokens) == (0.0, None, None)


async def test_a_task_is_asked_as_its_option_says_and_for_log_probabilities():
    upstream = Fake({OPTIONS[0].upstream_model: [Reply(text="white", logprobs=(-0.1,))]})

    row = await ask(upstream, TASK, OPTIONS[0])

    (asked, query) = upstream.calls[0]
    assert (row.model, row.score) == (OPTIONS[0].id, 1.0)
    assert asked.parameters == {**OPTIONS[0].parameters, "logprobs": True, "top_logprobs": 1}
    assert query.text == TASK.text


def test_an_interrupted_recording_ends_the_server_and_changes_no_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    events = []

    @contextmanager
    def serving(*, threads: int):
        try:
            yield "http://127.0.0.1:9/v1"
        finally:
            events.append("ended")

    async def interrupted(base_url: str) -> list[record.Row]:
        raise KeyboardInterrupt

    monkeypatch.setattr(record, "serving", serving)
    monkeypatch.setattr(record, "answers", interrupted)
    with pytest.raises(KeyboardInterrupt):
        record.record(tmp_path, threads=1)

    assert events == ["ended"]
    assert list(tmp_path.iterdir()) == []
