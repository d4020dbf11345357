"""Replay: an upstream that answers from recorded outcomes, so that evaluation runs the loop that is deployed."""

from __future__ import annotations

import asyncio
import json
import math
import sys
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real
from pathlib import Path
from typing import Any

from switchpoint.core.attempt import Answer, Chunk
from switchpoint.core.errors import DataError, UpstreamRefused, nearest
from switchpoint.core.model import Model, Usage
from switchpoint.core.query import Query, text_id
from switchpoint.upstreams.wire import emit, text_answer

BODY_KEY = "switchpoint_replay"
"""The field of an answer's body that holds what was recorded beside the answer."""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One recorded outcome of one model on one query; None is unknown.

    score : quality in [0, 1].
    confidence : the geometric mean of the probabilities of the answer's tokens, in [0, 1].
    """

    response: str | None = None
    score: float | None = None
    cost_usd: Decimal | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    latency_s: float | None = None
    confidence: float | None = None

    @classmethod
    def of(cls, row: Row, place: str) -> Recorded:
        """Read a row; null, NaN and a missing column are unknown. Raises DataError, which begins with `place`."""
        response = row.get("response")
        if response is not None and not isinstance(response, str):
            raise DataError(f"{place}, column 'response': must be text or null, got {type(response).__name__}.")
        cost = _number(row, "cost_usd", place)
        return cls(
            # Half of a surrogate pair, which JSON allows, cannot be sent on.
            response=None if response is None else response.encode("utf-8", "replace").decode(),
            score=_number(row, "score", place, most=1.0),
            cost_usd=None if cost is None else Decimal(repr(cost)),
            input_tokens=_count(row, "input_tokens", place),
            output_tokens=_count(row, "output_tokens", place),
            latency_s=_number(row, "latency_s", place),
            confidence=_number(row, "confidence", place, most=1.0),
        )


class Replay:
    """Answers with what was recorded.

    answers : by (id of the query's text, upstream model); the id is `text_id(query.full_text)`.
    time_scale : 0 answers at once, 1 takes as long as was recorded, 0.1 a tenth; an unknown latency is no wait.

    The answer's usage carries the recorded cost and tokens. A recorded confidence becomes one log-probability, its
    logarithm. `body["switchpoint_replay"]` holds `score`, and `response_recorded`: where no response was recorded, the
    text is empty. A recorded outcome is of the whole option, all its samples included: do not wrap this in `Sampling`.
    """

    def __init__(
        self, answers: Mapping[tuple[str, str], Recorded], time_scale: float = 0.0, name: str = "replay"
    ) -> None:
        self.name = name
        self._answers = dict(answers)
        self._models = frozenset(model for _, model in self._answers)
        self._time_scale = time_scale

    @classmethod
    def from_rows(cls, rows: Iterable[Row], time_scale: float = 0.0, name: str = "replay") -> Replay:
        """Read rows with `model`, either `text` or `query_id` (the id of the text), and the fields of `Recorded`.

        Raises DataError, which names the row, counted from 1, and the column.
        """
        placed = ((f"row {number}", row) for number, row in enumerate(rows, 1))
        return cls(_keyed(placed), time_scale, name)

    @classmethod
    def from_jsonl(cls, folder: Path, time_scale: float = 0.0, name: str = "replay") -> Replay:
        """Read `queries.jsonl` (query_id, text) and `outcomes.jsonl` (query_id, model, the fields of `Recorded`).

        Other columns, such as split and domain, are not looked at. Raises DataError naming file, row and column.
        """
        texts = {
            _text(row, "query_id", place): _text(row, "text", place) for place, row in _lines(folder / "queries.jsonl")
        }
        return cls(_keyed(_lines(folder / "outcomes.jsonl"), texts), time_scale, name)

    async def complete(self, model: Model, query: Query) -> Answer:
        """Return the recorded answer; raises UpstreamRefused where none was recorded."""
        recorded = self._recorded(model, query)
        latency_s = self._latency_s(recorded)
        if latency_s > 0:
            await asyncio.sleep(latency_s)
        return _answer(recorded, model)

    async def stream(self, model: Model, query: Query) -> AsyncGenerator[Chunk, None]:
        """Yield the recorded answer word by word, spread over its latency; raises as `complete` does."""
        recorded = self._recorded(model, query)
        async with aclosing(emit(_answer(recorded, model), self._latency_s(recorded))) as chunks:
            async for chunk in chunks:
                yield chunk

    async def close(self) -> None:
        """Do nothing: there is nothing to release."""

    def _recorded(self, model: Model, query: Query) -> Recorded:
        name = model.upstream_model
        text = text_id(query.full_text)
        try:
            return self._answers[text, name]
        except KeyError:
            hint = "" if name in self._models else f" Of this model nothing was.{nearest(name, self._models)}"
            raise UpstreamRefused(
                f"upstream {self.name!r}: no answer of model {name!r} to the text {text} was recorded.{hint} "
                "Record it, leave the query out, or narrow its `allow` to the models that were recorded.",
                status=404,
            ) from None

    def _latency_s(self, recorded: Recorded) -> float:
        return 0.0 if recorded.latency_s is None else recorded.latency_s * self._time_scale


def _answer(recorded: Recorded, model: Model) -> Answer:
    usage = Usage(input_tokens=recorded.input_tokens, output_tokens=recorded.output_tokens, cost_usd=recorded.cost_usd)
    confidence = recorded.confidence
    # JSON has no infinity: a confidence of 0 becomes the smallest number's logarithm, about -708.
    logprobs = () if confidence is None else (math.log(max(confidence, sys.float_info.min)),)
    return text_answer(
        recorded.response if recorded.response is not None else "",
        model=model.upstream_model,
        usage=usage,
        logprobs=logprobs,
        extra={BODY_KEY: {"score": recorded.score, "response_recorded": recorded.response is not None}},
    )


def _keyed(rows: Iterable[tuple[str, Row]], texts: Mapping[str, str] | None = None) -> dict[tuple[str, str], Recorded]:
    """Read rows, each with its place, into answers. Without `texts` a row has its text, or the id of it."""
    answers: dict[tuple[str, str], Recorded] = {}
    for place, row in rows:
        key = (_text_id(row, place, texts), _text(row, "model", place))
        if key in answers:
            raise DataError(f"{place}, column 'query_id': model {key[1]!r} has two outcomes on one text. Remove one.")
        answers[key] = Recorded.of(row, place)
    return answers


def _text_id(row: Row, place: str, texts: Mapping[str, str] | None) -> str:
    if texts is None:
        return _text(row, "query_id", place) if row.get("text") is None else text_id(_text(row, "text", place))
    query = _text(row, "query_id", place)
    if query not in texts:
        raise DataError(f"{place}, column 'query_id': {query!r} is not in queries.jsonl. Add it, or drop the row.")
    return text_id(texts[query])


def _lines(file: Path) -> Iterator[tuple[str, Row]]:
    """Yield each object of a JSONL file with its place, for messages; blank lines are skipped."""
    try:
        lines = file.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: cannot be read ({error}).") from None
    for number, line in enumerate(lines, 1):
        place = f"{file}, row {number}"
        if line.strip():
            yield place, _object(line, place)


def _object(line: str, place: str) -> Row:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: not JSON ({error}).") from None
    if not isinstance(row, dict):
        raise DataError(f"{place}: must be a JSON object, got {type(row).__name__}.")
    return row


def _text(row: Row, column: str, place: str) -> str:
    value = row.get(column)
    if not isinstance(value, str):
        raise DataError(f"{place}, column {column!r}: must be text, got {value!r}.")
    return value


def _number(row: Row, column: str, place: str, most: float = math.inf) -> float | None:
    value = row.get(column)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, Real | Decimal):
        raise DataError(f"{place}, column {column!r}: must be a number or null, got {value!r}.")
    number = float(value)
    if math.isnan(number):
        return None
    if not 0 <= number <= most or math.isinf(number):
        raise DataError(f"{place}, column {column!r}: must be in [0, {most:g}], got {value!r}.")
    return number


def _count(row: Row, column: str, place: str) -> int | None:
    number = _number(row, column, place)
    if number is not None and not number.is_integer():
        raise DataError(f"{place}, column {column!r}: must be a whole number or null, got {number!r}.")
    return None if number is None else int(number)
