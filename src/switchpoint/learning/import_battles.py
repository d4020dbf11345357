"""Battles: two models answered, and a person or a judge said whose answer was better (Chatbot Arena, RouteLLM, ours).

A battle says who won and no more, so it is a preference. Only where a judge scored each answer is it two outcomes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from switchpoint.core.errors import DataError
from switchpoint.core.outcome import Preferences
from switchpoint.core.query import Query, content_text
from switchpoint.learning.observations import Chunk, Row, of_rows
from switchpoint.learning.source import document, files, rows

WINNERS = {"model_a": 1.0, "model_b": 0.0, "tie": 0.5, "tie (bothbad)": 0.5}
PROMPTS = "prompts.json"


class _Battle(msgspec.Struct):
    """One battle; the winner is named, or marked in one of three columns. A text stands in one of four places."""

    model_a: str
    model_b: str
    winner: str | None = None
    winner_model_a: float | None = None
    winner_model_b: float | None = None
    winner_tie: float | None = None
    prompt: str | list[str | None] | None = None
    conversation_a: list[dict[str, Any]] | None = None
    idx: int | None = None
    score_a: float | None = None
    score_b: float | None = None
    response_a: Any = None
    response_b: Any = None


def battles(source: Path) -> Preferences:
    """Read battles: CSV, Parquet, JSON lines or JSON with model_a, model_b, who won, and the text.

    Who won: `winner` (model_a, model_b, tie, tie (bothbad)), or 1 in one of winner_model_a, winner_model_b, winner_tie.
    The text: `prompt`, which may be a JSON list of turns, or `conversation_a`; the first turn of the user is taken, as
    RouteLLM does. Where there is only `idx`, a `prompts.json` beside it lists the texts.

    Raises DataError, naming the file and the row, for a battle without a winner or a text, and of a model with itself.
    """
    queries: dict[str, Query] = {}
    asked: list[Query] = []
    a, b, result = [], [], []
    for path, number, battle in _rows(source):
        text = _text(path, number, battle)
        asked.append(queries.setdefault(text, Query.of(text)))
        a.append(battle.model_a)
        b.append(battle.model_b)
        result.append(_result(path, number, battle))
    if not asked:
        raise DataError(f"{source}: holds no battle.")
    return Preferences(queries=tuple(asked), a=tuple(a), b=tuple(b), result=np.array(result))


def judged(source: Path) -> Iterator[Chunk]:
    """Read battles in which a judge scored each answer, in `score_a` and `score_b`: two outcomes each."""
    for path in _files(source):
        pairs = ((n, row) for _, n, battle in _rows(path) for row in _answers(path, n, battle))
        yield from of_rows(path, pairs, {"text": "prompt", "score": "score_a or score_b"})


def _rows(source: Path) -> Iterator[tuple[Path, int, _Battle]]:
    for path in _files(source):
        for number, battle in _with_texts(path):
            if battle.model_a == battle.model_b:
                raise DataError(f"{path}: row {number}, column 'model_b': {battle.model_b!r} is also model_a.")
            yield path, number, battle


def _files(source: Path) -> list[Path]:
    return [path for path in files(source) if path.name != PROMPTS]


def _result(path: Path, number: int, battle: _Battle) -> float:
    if battle.winner is not None:
        if battle.winner not in WINNERS:
            allowed = ", ".join(WINNERS)
            raise DataError(f"{path}: row {number}, column 'winner': {battle.winner!r} is none of {allowed}.")
        return WINNERS[battle.winner]
    marks = (battle.winner_model_a, battle.winner_model_b, battle.winner_tie)
    for mark, value in zip(marks, (1.0, 0.0, 0.5), strict=True):
        if mark == 1:
            return value
    raise DataError(f"{path}: row {number}: nobody won; give 'winner', or 1 in one of the winner_ columns.")


def _text(path: Path, number: int, battle: _Battle) -> str:
    text = _first_turn(battle)
    if text is None or not text.strip():
        raise DataError(f"{path}: row {number}: no text in 'prompt' or 'conversation_a', nor under 'idx' in {PROMPTS}.")
    return text


def _first_turn(battle: _Battle) -> str | None:
    if battle.conversation_a:
        return next((content_text(m.get("content")) for m in battle.conversation_a if m.get("role") == "user"), None)
    turns = _turns(battle.prompt)
    return next((turn for turn in turns if turn), None)


def _turns(prompt: str | list[str | None] | None) -> Sequence[str | None]:
    if prompt is None or isinstance(prompt, list):
        return prompt or ()
    if prompt.lstrip().startswith("["):
        try:
            return msgspec.json.decode(prompt, type=list[str | None])
        except (msgspec.DecodeError, msgspec.ValidationError):
            return (prompt,)  # a text that happens to begin with a bracket
    return (prompt,)


def _with_texts(path: Path) -> Iterator[tuple[int, _Battle]]:
    """Give battles that name their text by `idx` the text itself."""
    beside = path.parent / PROMPTS
    prompts = document(beside, list[str]) if beside.is_file() else []
    for number, battle in rows(path, _Battle):
        if battle.prompt is None and battle.idx is not None and 0 <= battle.idx < len(prompts):
            battle.prompt = [prompts[battle.idx]]
        yield number, battle


def _answers(path: Path, number: int, battle: _Battle) -> Iterator[Row]:
    text = _text(path, number, battle)
    answers = (
        (battle.model_a, battle.score_a, battle.response_a),
        (battle.model_b, battle.score_b, battle.response_b),
    )
    for model, score, response in answers:
        answer = response if isinstance(response, str) else None
        yield {"text": text, "model": model, "score": score, "response": answer}
