"""Repetition: an answer that is stuck."""

import pytest

from switchpoint.core.attempt import Answer
from switchpoint.core.query import Query
from switchpoint.verifiers.repetition import repetition

PROSE = " ".join(f"Sentence {n} says that number {n * n} follows number {n + 7} in list {n % 5}." for n in range(40))
TABLE = "| name | value |\n|------|-------|\n" + "\n".join(f"| row {n} | {n * 37 % 101} |" for n in range(60))


async def scored(text: str) -> float:
    return (await repetition(Query.of("q"), Answer(text=text, body={}))).score


@pytest.mark.parametrize(
    "loop",
    [
        "I think so. " * 30,
        "the " * 100,
        "哈" * 2_000,
        "ab" * 500,
        "0 " * 300,
        "One step at a time, then another one. " * 20,
    ],
)
@pytest.mark.parametrize("start", ["", PROSE], ids=["alone", "after prose"])
@pytest.mark.parametrize("cut", [0, 1, 3])
async def test_an_answer_that_ends_in_a_loop_scores_zero_wherever_it_is_cut_off(
    loop: str, start: str, cut: int
) -> None:
    assert await scored(f"{start} {loop}"[: -cut or None]) == 0.0


@pytest.mark.parametrize("text", ["", "No. No. No.", "word " * 30, "-" * 5_000, "=-" * 500])
async def test_a_short_answer_or_a_ruler_is_no_loop(text: str) -> None:
    assert await scored(text) == 1.0


@pytest.mark.parametrize("text", [PROSE, TABLE], ids=["prose", "table"])
async def test_prose_and_tables_keep_a_high_score(text: str) -> None:
    assert await scored(text) > 0.8


async def test_the_score_falls_with_the_share_that_repeats() -> None:
    twice, thrice = await scored(PROSE * 2), await scored(PROSE * 3)

    assert twice == pytest.approx(1 / 2, abs=0.05)
    assert thrice == pytest.approx(1 / 3, abs=0.05)
