"""A discarded draft is told in numbers; its words are stored only where prompts are."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from decimal import Decimal
from pathlib import Path

import pytest

from switchpoint.cascades.threshold import ThresholdCascade
from switchpoint.core.attempt import Answer, Verdict
from switchpoint.core.catalog import Catalog
from switchpoint.core.model import Model
from switchpoint.core.query import Query
from switchpoint.core.record import Record
from switchpoint.engine.engine import Engine
from switchpoint.records.log import RecordLog
from switchpoint.records.reader import RecordReader
from switchpoint.upstreams.fake import Fake

QUESTION, DRAFT, GIVEN = "Which secret capital?", "Lyon, surely.", "It is Paris."
JUDGED = Verdict(score=0.2, cost_usd=Decimal("0.0003"), verifier="judge", detail="names no capital")


async def judge(query: Query, answer: Answer) -> Verdict:
    return JUDGED


def after_a_cascade(path: Path, *, stream: bool, store_prompts: bool) -> Record:
    """Run a cascade whose first answer is discarded, and read its record back."""
    catalog = Catalog([Model(id=name, upstream="fake", upstream_model=name) for name in ("small", "large")])
    with RecordLog(path) as log:
        engine = Engine(
            catalog=catalog,
            upstreams={"fake": Fake({"small": [DRAFT], "large": [GIVEN]})},
            sink=log,
            default_model="large",
            verifiers={"judge": judge},
            store_prompts=store_prompts,
        )
        cascade = ThresholdCascade("cheap-first", catalog, ["small", "large"], "judge", 0.5)
        asyncio.run(exhaust(engine.start(cascade, Query.of(QUESTION), stream=stream)))
    return RecordReader(path).list()[0]


async def exhaust(run) -> None:
    async with aclosing(run.chunks()) as chunks:
        async for _ in chunks:
            pass


def stored(path: Path) -> bytes:
    """Return every byte of the log."""
    return b"".join(file.read_bytes() for file in path.parent.iterdir())


@pytest.mark.parametrize("stream", [True, False])
def test_without_prompts_no_word_of_a_draft_is_in_the_file(path: Path, stream: bool):
    after_a_cascade(path, stream=stream, store_prompts=False)

    assert [said for said in (QUESTION, DRAFT, GIVEN) if said.encode() in stored(path)] == []


@pytest.mark.parametrize("stream", [True, False])
def test_without_prompts_the_verdict_on_a_draft_is_kept_whole(path: Path, stream: bool):
    draft = after_a_cascade(path, stream=stream, store_prompts=False).attempts[0]

    assert draft.verdicts == (JUDGED,)
    assert (draft.answered, draft.committed, draft.answer.text) == (True, False, "")


def test_with_prompts_a_draft_is_stored_beside_the_answer(path: Path):
    record = after_a_cascade(path, stream=False, store_prompts=True)

    assert [attempt.answer.text for attempt in record.attempts] == [DRAFT, GIVEN]
