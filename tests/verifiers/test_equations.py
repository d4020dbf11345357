"""Equations: what a text states about numbers, and whether it holds."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.attempt import Answer
from switchpoint.core.query import Query
from switchpoint.verifiers.arithmetic import arithmetic
from switchpoint.verifiers.equations import close, equations, evaluate

NUMBERS = st.integers(0, 999).map(lambda n: (str(n), float(n))) | st.integers(0, 99_999).map(
    lambda n: (f"{n / 100:.2f}", n / 100)
)


def joined(parts: tuple[tuple[str, float], str, tuple[str, float]]) -> tuple[str, float]:
    (left, a), sign, (right, b) = parts
    value = {"+": a + b, "-": a - b, "*": a * b, "/": a / b if b else math.nan}[sign]
    return f"({left} {sign} {right})", value


EXPRESSIONS = st.recursive(
    NUMBERS, lambda inner: st.tuples(inner, st.sampled_from("+-*/"), inner).map(joined), max_leaves=8
)


@given(EXPRESSIONS)
def test_the_evaluator_computes_what_python_computes(expression: tuple[str, float]) -> None:
    text, value = expression

    assert evaluate(text) == pytest.approx(value, nan_ok=True)


@given(st.integers(0, 999), st.integers(0, 999), st.integers(1, 999))
def test_precedence_is_that_of_arithmetic(a: int, b: int, c: int) -> None:
    assert evaluate(f"{a} - {b} * {c} / {c} - {a}") == pytest.approx(a - b * c / c - a)


@given(st.text())
def test_the_evaluator_never_raises_and_never_runs_anything(text: str) -> None:
    assert isinstance(evaluate(text), float)


@pytest.mark.parametrize("text", ["", "1 +", "(1", "1)", "__import__('os')", "1 2", "2^3", "1/0", "1 / (2 - 2)"])
def test_what_is_no_expression_or_divides_by_zero_has_no_value(text: str) -> None:
    assert math.isnan(evaluate(text))


@given(st.integers(1, 9_999), st.integers(1, 9_999))
def test_a_sum_written_in_prose_is_found_and_holds(a: int, b: int) -> None:
    [found] = equations(f"She has {a:,} apples + {b:,} apples = {a + b:,} apples in all.")

    assert found.holds
    assert (found.left, found.right, found.operands) == (a + b, a + b, (a, b))


@given(st.integers(20, 9_999), st.integers(20, 9_999), st.integers(5, 50))
def test_a_sum_that_is_off_does_not_hold(a: int, b: int, off: int) -> None:
    right = a + b + off + (a + b) // 100

    assert not equations(f"{a} + {b} = {right}")[0].holds


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("60 * 3 = <<60*3=180>>180", [(180, True)]),
        ("so that's 60 * 3 = 180 downloads.", [(180, True)]),
        ("60 (first month) + 180 (second month) + 126 (third month) = 366 downloads", [(366, True)]),
        ("30/100 * $1,800 = $540", [(540, True)]),
        (r"\( 5 \times 3 = 15 \)", [(15, True)]),
        ("3 x 60 = 181", [(181, False)]),
        ("1. 5 + 3 = 8\n- 5 + 3 = 8\n-5 + 3 = -2", [(8, True), (8, True), (-2, True)]),
        ("2 * 3 = 6 = 12 / 2", [(6, True)]),
        ("5*4 = 2*10 = 20", [(2, True), (20, True)]),
        ("30% * 180 = 54", [(54, True)]),
        ("10 / 3 = 3.33", [(3.33, True)]),
        ("5 / 0 = 0", [(0, False)]),
        ("10 - (-5) = 15", [(15, True)]),
    ],
)
def test_statements_are_found_in_the_ways_that_models_write_them(
    text: str, statements: list[tuple[float, bool]]
) -> None:
    assert [(each.right, each.holds) for each in equations(text)] == statements


@pytest.mark.parametrize(
    "text",
    [
        *("2x + 3 = 7", "2^3 + 1 = 9", "sqrt(16) + 2 = 6", "1 1/2 + 2 = 3.5", "12:30 + 1 = 13:30", "x = 5 + 3"),
        *("100 - 20% = 80", "price * 2 + 3 = 9", "5 + 3 <= 9", "5 + 3 == 9", r"\frac{1}{2} + 1 = 3", "f(2) + 1 = 9"),
    ],
)
def test_what_is_not_plainly_arithmetic_is_left_out(text: str) -> None:
    assert equations(text) == []


def test_an_equation_knows_its_divisions_and_whether_its_result_is_whole() -> None:
    whole, broken = equations("8 / 2 / 2 = 2\n1 / 2 = 0.5")

    assert (whole.divisions, whole.integer) == (2, True)
    assert (broken.divisions, broken.integer) == (1, False)


@given(st.floats(-1e6, 1e6), st.sampled_from([1.0, 100.0, 0.01]))
def test_a_value_is_close_to_itself_and_to_its_percentage(value: float, factor: float) -> None:
    assert close(value, value * factor)


@pytest.mark.parametrize(
    ("text", "score", "detail"),
    [
        ("1 + 1 = 2", 1.0, None),
        ("1 + 1 = 2\n2 + 2 = 5", 0.5, "1 of 2 equations do not hold"),
        ("Paris.", 1.0, "no equation"),
    ],
)
async def test_arithmetic_scores_the_share_of_statements_that_hold(text: str, score: float, detail: str | None) -> None:
    verdict = await arithmetic(Query.of("q"), Answer(text=text, body={}))

    assert (verdict.score, verdict.detail) == (score, detail)
