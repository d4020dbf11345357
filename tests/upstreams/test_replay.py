import asyncio
import json
import math
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from switchpoint.core.errors import DataError, UpstreamRefused
from switchpoint.core.model import Usage
from switchpoint.core.query import Query, text_id
from switchpoint.upstreams.replay import BODY_KEY, Recorded, Replay
from tests.upstreams.conftest import collect, named

ROW = {
    "text": "What is 2 + 2?",
    "model": "mini",
    "response": "It is 4.",
    "score": 1.0,
    "cost_usd": 0.00012,
    "input_tokens": 12,
    "output_tokens": 4,
    "latency_s": 0.5,
    "confidence": 0.9,
}
QUERY = Query.of(str(ROW["text"]))
MINI = named("mini")


def write(folder: Path, queries: list[Any], outcomes: list[Any]) -> Path:
    for name, rows in (("queries", queries), ("outcomes", outcomes)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return folder


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What was slept, in seconds, without the wait."""
    slept: list[float] = []
    sleep_really = asyncio.sleep

    async def sleep(delay_s: float) -> None:
        if threading.current_thread() is not threading.main_thread():  # a server of another test, in its own thread
            await sleep_really(delay_s)
        else:
            slept.append(delay_s)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return slept


async def test_an_answer_is_what_was_recorded() -> None:
    answer = await Replay.from_rows([ROW]).complete(MINI, QUERY)

    assert (answer.text, answer.model, answer.finish_reason) == ("It is 4.", "mini", "stop")
    assert answer.usage == Usage(input_tokens=12, output_tokens=4, cost_usd=Decimal("0.00012"))
    assert answer.logprobs == (math.log(0.9),)
    assert answer.body[BODY_KEY] == {"score": 1.0, "response_recorded": True}


@pytest.mark.parametrize("unknown", [None, math.nan])
async def test_what_was_not_recorded_is_unknown(unknown: float | None) -> None:
    columns = ("response", "score", "cost_usd", "input_tokens", "output_tokens", "latency_s", "confidence")
    row = {**ROW, **dict.fromkeys(columns, unknown), "response": None}

    answer = await Replay.from_rows([row]).complete(MINI, QUERY)

    assert (answer.text, answer.usage, answer.logprobs) == ("", Usage(), ())
    assert answer.body[BODY_KEY] == {"score": None, "response_recorded": False}


async def test_missing_columns_are_unknown_too() -> None:
    answer = await Replay.from_rows([{"text": ROW["text"], "model": "mini"}]).complete(MINI, QUERY)

    assert (answer.usage, answer.body[BODY_KEY]["score"]) == (Usage(), None)


async def test_a_row_may_name_its_query_by_the_id_of_the_text() -> None:
    row = {"query_id": text_id("What is 2 + 2?"), "model": "mini", "response": "4"}

    assert (await Replay.from_rows([row]).complete(MINI, QUERY)).text == "4"


async def test_the_whole_text_is_the_key_however_long_it_is() -> None:
    long = "x" * 5_000
    replay = Replay({(text_id(long), "mini"): Recorded(response="4")})

    assert (await replay.complete(MINI, Query.of(long))).text == "4"


async def test_a_confidence_of_zero_is_a_finite_log_probability() -> None:
    answer = await Replay.from_rows([{**ROW, "confidence": 0}]).complete(MINI, QUERY)

    assert math.isfinite(answer.logprobs[0])


async def test_a_query_that_was_not_recorded_is_refused_and_not_quoted() -> None:
    with pytest.raises(UpstreamRefused, match=r"no answer of model 'mini' to the text [0-9a-f]{16}") as error:
        await Replay.from_rows([ROW]).complete(MINI, Query.of("my secret"))

    assert "my secret" not in str(error.value)


async def test_a_model_that_was_not_recorded_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UpstreamRefused, match=r"Of this model nothing was\. Did you mean 'mini'\?"):
        await Replay.from_rows([ROW]).complete(named("minni"), QUERY)


async def test_time_scale_zero_waits_for_nothing(slept: list[float]) -> None:
    replay = Replay.from_rows([ROW])
    await replay.complete(MINI, QUERY)
    await collect(replay, MINI, QUERY)

    assert slept == []


async def test_the_recorded_latency_is_scaled(slept: list[float]) -> None:
    await Replay.from_rows([ROW], time_scale=0.1).complete(MINI, QUERY)

    assert slept == [pytest.approx(0.05)]


async def test_a_stream_is_spread_over_the_recorded_latency(slept: list[float]) -> None:
    chunks = await collect(Replay.from_rows([ROW], time_scale=1), MINI, QUERY)

    assert [chunk.text for chunk in chunks if chunk.text] == ["It ", "is ", "4."]
    assert sum(slept) == pytest.approx(0.5)


async def test_a_folder_of_jsonl_is_joined_by_query_id(tmp_path: Path) -> None:
    query = {"query_id": "q1", "split": "test", "domain": "sums", "text": "What is 2 + 2?"}
    outcome = {key: value for key, value in ROW.items() if key != "text"} | {"query_id": "q1"}

    replay = Replay.from_jsonl(write(tmp_path, [query], [outcome]))

    assert (await replay.complete(MINI, QUERY)).text == "It is 4."


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("score", 1.5),
        ("score", "good"),
        ("score", True),
        ("cost_usd", -1),
        ("cost_usd", math.inf),
        ("input_tokens", 1.5),
        ("latency_s", "fast"),
        ("confidence", 2),
        ("response", 7),
        ("model", None),
        ("query_id", "q9"),
    ],
)
def test_a_bad_value_is_named_by_file_row_and_column(tmp_path: Path, column: str, value: Any) -> None:
    good = {"query_id": "q1", "model": "mini"}
    folder = write(tmp_path, [{"query_id": "q1", "text": "hi"}], [good, {**good, "model": "big", column: value}])

    with pytest.raises(DataError, match=f"outcomes.jsonl, row 2, column '{column}'"):
        Replay.from_jsonl(folder)


def test_two_outcomes_of_one_model_on_one_text_are_an_error() -> None:
    with pytest.raises(DataError, match="row 2, column 'query_id': model 'mini' has two outcomes"):
        Replay.from_rows([ROW, ROW])


@pytest.mark.parametrize(("line", "problem"), [("{", "not JSON"), ("[1]", "a JSON object"), ('{"a":1}', "text")])
def test_a_line_that_is_no_row_is_named(tmp_path: Path, line: str, problem: str) -> None:
    (tmp_path / "queries.jsonl").write_text('{"query_id": "q1", "text": "hi"}\n\n' + line)

    with pytest.raises(DataError, match=f"queries.jsonl, row 3.*{problem}"):
        Replay.from_jsonl(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"queries\.jsonl: cannot be read"):
        Replay.from_jsonl(tmp_path)
