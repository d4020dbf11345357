"""Judge-based augmentation: two models answer, a third one says who answered better, and that is a preference.

As RouteLLM does with GPT-4 (Ong et al. 2024, section 4.1). Differs: the judge sees both orders, and an opinion that
changes with the order is a tie (Zheng et al. 2023, section 3.4); it scores both answers, so that a battle is also two
outcomes (`switchpoint data import judged FILE --score-range 1 10`).

What is done is on disk at once: a run that ends early, or is started again, goes on where it stopped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from switchpoint.core.attempt import Answer, total
from switchpoint.core.errors import BadAnswer, DataError, UpstreamError
from switchpoint.core.model import Model
from switchpoint.core.outcome import Preferences
from switchpoint.core.protocols import Upstream
from switchpoint.core.query import EMPTY, Query
from switchpoint.learning.source import rows
from switchpoint.verifiers.asking import read_said, request
from switchpoint.verifiers.judge import COMPARE, HIGH, LOW, RUBRIC, read_scores


class Judgement(msgspec.Struct, kw_only=True):
    """One line of the file of a run, in the form of a battle (`switchpoint data import battles`).

    score_a, score_b : means of both orders, in [1, 10]; winner : model_a, model_b or tie.
    cost_usd : the two answers and the two opinions; None where any of them is unknown.
    """

    query_id: str
    prompt: str
    model_a: str
    model_b: str
    winner: str
    score_a: float
    score_b: float
    judge: str
    cost_usd: str | None = None
    response_a: str = ""
    response_b: str = ""


class _Opinion(NamedTuple):
    first: float
    second: float


class Panel(NamedTuple):
    """The two models that are compared, and the judge."""

    a: Model
    b: Model
    judge: Model


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What came of a run.

    preferences : of all queries judged, now or before, in the order of the queries.
    cost_usd : spent in this run, failed judgements included; None where any part is unknown.
    judged, resumed, failed, left : judged now, before, without a verdict, and not begun in time.
    """

    preferences: Preferences
    cost_usd: Decimal | None
    judged: int
    resumed: int
    failed: int
    left: int


async def judge(
    queries: Sequence[Query],
    panel: Panel,
    upstreams: Mapping[str, Upstream],
    path: Path,
    *,
    call_timeout_s: float = 60.0,
    time_limit_s: float | None = None,
    concurrency: int = 4,
) -> Judged:
    """Judge the answers of two models to every query, appending a line to `path` for each.

    Queries that stand in the file for this panel are not asked again. A query whose calls fail, or whose judge gives no
    verdict, is left for the next run. After `time_limit_s` what is running is dropped.

    Raises DataError for a file that is not one of judgements, and for an unknown upstream.
    """
    for model in panel:
        if model.upstream not in upstreams:
            raise DataError(f"Model {model.id!r} calls {model.upstream!r}, which is none of {', '.join(upstreams)}.")
    known = _known(path, panel)
    waiting = [query for query in {q.id: q for q in queries}.values() if query.id not in known]
    resumed = len(known.keys() & {query.id for query in queries})
    path.parent.mkdir(parents=True, exist_ok=True)
    run = _Run(panel, upstreams, path, call_timeout_s)
    await run.judge_all(waiting, concurrency, time_limit_s)
    known |= run.done
    return Judged(
        preferences=_preferences([query for query in queries if query.id in known], known, panel),
        cost_usd=total(run.bills),
        judged=len(run.done),
        resumed=resumed,
        failed=run.failed,
        left=len(waiting) - len(run.done) - run.failed,
    )


class _Run:
    """One run: what it did and what it paid."""

    def __init__(self, panel: Panel, upstreams: Mapping[str, Upstream], path: Path, timeout_s: float) -> None:
        self.panel, self.upstreams, self.path, self.timeout_s = panel, upstreams, path, timeout_s
        self.done: dict[str, Judgement] = {}
        self.bills: list[Decimal | None] = []
        self.failed = 0

    async def judge_all(self, queries: Sequence[Query], concurrency: int, time_limit_s: float | None) -> None:
        """Judge so many queries at a time; what was judged when the time is over is on disk."""
        gate = asyncio.Semaphore(concurrency)

        async def one(query: Query) -> None:
            async with gate:
                await self.judge(query)

        with suppress(TimeoutError):
            async with asyncio.timeout(time_limit_s):
                await asyncio.gather(*map(one, queries))

    async def judge(self, query: Query) -> None:
        """Ask both models, then the judge in both orders; a failure is counted, not raised."""
        bills: list[Decimal | None] = []
        try:
            judgement = await self._judgement(query, bills)
        except (UpstreamError, TimeoutError):
            self.failed += 1
            return
        finally:
            self.bills += bills
        with self.path.open("ab") as file:
            file.write(msgspec.json.encode(judgement) + b"\n")
        self.done[query.id] = judgement

    async def _judgement(self, query: Query, bills: list[Decimal | None]) -> Judgement:
        a, b, judge = self.panel
        answer_a = (await self._ask(a, query, bills)).text
        answer_b = (await self._ask(b, query, bills)).text
        forward = _opinion(await self._ask(judge, _comparison(query, answer_a, answer_b), bills))
        backward = _opinion(await self._ask(judge, _comparison(query, answer_b, answer_a), bills))
        cost_usd = total(bills)
        return Judgement(
            query_id=query.id,
            prompt=msgspec.json.encode([query.full_text]).decode(),
            model_a=a.id,
            model_b=b.id,
            winner=_winner(forward.first - forward.second, backward.second - backward.first),
            score_a=(forward.first + backward.second) / 2,
            score_b=(forward.second + backward.first) / 2,
            judge=judge.id,
            cost_usd=None if cost_usd is None else str(cost_usd),
            response_a=answer_a,
            response_b=answer_b,
        )

    async def _ask(self, model: Model, query: Query, bills: list[Decimal | None]) -> Answer:
        loop = asyncio.get_running_loop()
        start = loop.time()
        bills.append(None)  # a call that fails or is cut off may be billed all the same
        async with asyncio.timeout(self.timeout_s):
            answer: Answer = await self.upstreams[model.upstream].complete(model, query)
        bills.remove(None)
        bills.append(model.cost_usd(answer.usage, loop.time() - start))
        return answer


def _comparison(query: Query, first: str, second: str) -> Query:
    """Return the question to the judge, the same that an online comparison asks."""
    material = {"request": query.full_text, "first answer": first, "second answer": second}
    return request(query, COMPARE.format(rubric=RUBRIC, low=LOW, high=HIGH), material, EMPTY)


def _opinion(answer: Answer) -> _Opinion:
    """Read the judge's last object; raises BadAnswer where there is none with two scores from 1 to 10."""
    found = read_said(answer, lambda text: read_scores(text, _Opinion._fields, LOW, HIGH))
    if found is None:
        raise BadAnswer("The judge gave no two scores from 1 to 10.")
    return _Opinion(*found)


def _winner(forward: float, backward: float) -> str:
    """Return who won in both orders; a tie in one of them, or two winners, is a tie."""
    if forward > 0 and backward > 0:
        return "model_a"
    return "model_b" if forward < 0 and backward < 0 else "tie"


def _known(path: Path, panel: Panel) -> dict[str, Judgement]:
    lines: Iterable[tuple[int, Judgement]] = ()
    if path.is_file():
        _drop_torn_line(path)
        lines = rows(path, Judgement)
    ids = tuple(model.id for model in panel)
    return {line.query_id: line for _, line in lines if (line.model_a, line.model_b, line.judge) == ids}


def _drop_torn_line(path: Path) -> None:
    """Cut off a last line without an end: a run was killed while it wrote."""
    with path.open("rb+") as file:
        text = file.read()
        file.truncate(text.rfind(b"\n") + 1)


def _preferences(queries: Sequence[Query], known: Mapping[str, Judgement], panel: Panel) -> Preferences:
    values = {"model_a": 1.0, "model_b": 0.0, "tie": 0.5}
    return Preferences(
        queries=tuple(queries),
        a=(panel.a.id,) * len(queries),
        b=(panel.b.id,) * len(queries),
        result=np.array([values[known[query.id].winner] for query in queries]),
    )
