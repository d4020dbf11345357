"""Threats 8 and 17: an upstream that lies about who answered, or about what was used."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from switchpoint.records.claims import is_same
from tests.fake_openai import answering
from tests.security.conftest import SPOKEN, Stand, standing

ABSURD: dict[str, Any] = {
    "negative": {"prompt_tokens": -5, "completion_tokens": -1_000_000},
    "huge": {"prompt_tokens": 10**9, "completion_tokens": 10**9},
    "text": {"prompt_tokens": "many", "completion_tokens": None},
    "absent": None,
    "list": [1, 2],
    "beyond": {"prompt_tokens": 10**30, "completion_tokens": 1},
    "negative-bill": {"prompt_tokens": 1, "completion_tokens": 1, "cost": -100},
    "bill-of-nan": {"prompt_tokens": 1, "completion_tokens": 1, "cost": "NaN"},
}
BUDGET_USD = 1.0
WORST_USD = Decimal("0.001")
"""More than any request here can cost: a hundred tokens at two dollars a million, and a short question."""


@pytest.fixture(scope="module")
def lied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    behaviours = {name: answering(usage=usage) for name, usage in ABSURD.items()}
    with standing(tmp_path_factory.mktemp("lied"), behaviours) as stand:
        yield stand


def counted(stand: Stand) -> str:
    lines = stand.switchpoint.metrics.render().decode().splitlines()
    return next((line for line in lines if 'another_model_total{model="other-name"' in line), "")


@pytest.mark.parametrize("dialect", SPOKEN)
@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_in_another_models_name_is_recorded_counted_and_logged(
    stand: Stand, dialect: str, stream: bool, caplog: pytest.LogCaptureFixture
):
    """Threat 8: the record has the name that was claimed; the caller sees the name that was asked for."""
    before = counted(stand)
    stand.switchpoint.observability.claims._logged.clear()

    with caplog.at_level(logging.WARNING, "switchpoint.records.claims"):
        response = stand.ask(dialect, model="other-name", stream=stream)
        record = stand.record(response)

    assert record.answer is not None and record.answer.model not in (None, "other-name")
    assert "says that" in caplog.text and "other-name" in caplog.text
    assert counted(stand) != before and record.answer.model not in response.text


@pytest.mark.parametrize(
    ("asked", "claimed"),
    [
        ("gpt-4o", "gpt-4o-2024-08-06"),
        ("openai/gpt-4o", "gpt-4o"),
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("claude-x", "Claude-X"),
        ("gemini-pro", "gemini-pro-latest"),
        ("llama", "meta/llama"),
        ("llama", "llama:8b-v1"[:5]),
    ],
)
def test_a_version_of_a_name_is_the_same_model(asked: str, claimed: str):
    """Threat 8: vendors answer with dates; an alarm for each of them would be none."""
    assert is_same(asked, claimed) and is_same(claimed, asked)


@pytest.mark.parametrize(
    ("asked", "claimed"),
    [("gpt-4o", "gpt-4o-mini"), ("large", "small"), ("gpt-4", "gpt-4o"), ("a", "")],
)
def test_a_smaller_sibling_is_another_model(asked: str, claimed: str):
    """Threat 8."""
    assert not is_same(asked, claimed)


@pytest.mark.parametrize("name", [name for name in ABSURD if name != "huge"])
@pytest.mark.parametrize("stream", [False, True])
def test_usage_that_cannot_be_is_unknown_and_never_income(lied: Stand, name: str, stream: bool):
    """Threat 17: no bill is negative, and what is not understood is not free but unknown."""
    record = lied.record(lied.ask("chat", model=name, stream=stream))

    assert record.outcome == "answered"
    assert record.cost_usd is None or 0 < record.cost_usd < WORST_USD


@pytest.mark.parametrize("name", ["negative", "absent", "text"])
def test_a_budget_is_spent_by_answers_whose_usage_is_unknown(tmp_path: Path, name: str):
    """Threat 17: booked at the most that they can have cost, so hiding the usage buys nothing."""
    budget = [{"key": "*", "usd": 0.001, "per": "total"}]
    with standing(
        tmp_path, {name: answering(usage=ABSURD[name])}, access=lambda access: {**access, "budgets": budget}
    ) as stand:
        answers = [stand.ask("chat", model=name) for _ in range(20)]

    assert answers[0].status_code == 200 and answers[-1].status_code == 429
    assert answers[-1].json()["error"]["code"] == "insufficient_quota"


def test_usage_above_what_was_asked_for_is_booked_as_stated_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    """Threat 17: it is what the vendor will bill, so it counts; an operator is told that it cannot be right."""
    budget = [{"key": "*", "usd": 1.0, "per": "total"}]
    huge = {"huge": answering(usage=ABSURD["huge"])}
    with (
        caplog.at_level(logging.WARNING, "switchpoint.control"),
        standing(tmp_path, huge, access=lambda access: {**access, "budgets": budget}) as stand,
    ):
        first, second = (stand.ask("chat", model="huge", max_tokens=5) for _ in range(2))

    assert (first.status_code, second.status_code) == (200, 429)
    assert "more tokens than" in caplog.text
