"""Outcomes: unknown is never zero."""

from dataclasses import replace

import numpy as np
import pytest

from switchpoint.core.errors import DataError, UnknownModel
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import Query

NAN = np.nan


def outcomes() -> Outcomes:
    return Outcomes(
        queries=tuple(Query.of(text) for text in "abc"),
        models=("mini", "big"),
        quality=np.array([[1.0, NAN], [0.0, NAN], [NAN, NAN]]),
        cost_usd=np.array([[0.1, NAN], [NAN, NAN], [0.3, NAN]]),
        domains=("x", "x", "y"),
    )


def test_means_leave_out_what_was_not_observed() -> None:
    np.testing.assert_allclose(outcomes().mean_quality(), [0.5, NAN])
    np.testing.assert_allclose(outcomes().mean_cost_usd(), [0.2, NAN])


def test_rows_can_be_taken_in_any_order_and_twice() -> None:
    taken = outcomes().take([2, 0, 0])

    assert [q.text for q in taken.queries] == ["c", "a", "a"]
    assert taken.domains == ("y", "x", "x")
    np.testing.assert_allclose(taken.quality[:, 0], [NAN, 1.0, 1.0])


def test_models_can_be_chosen_and_an_unknown_one_is_named() -> None:
    assert outcomes().of(["big"]).models == ("big",)
    with pytest.raises(UnknownModel, match="Did you mean 'mini'"):
        outcomes().of(["minni"])


def test_arrays_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="do not fit 1 queries and 1 models"):
        Outcomes(
            queries=(Query.of("a"),),
            models=("m",),
            quality=np.zeros((2, 1)),
            cost_usd=np.zeros((1, 1)),
            domains=("x",),
        )


def test_what_else_was_measured_is_carried_along() -> None:
    tokens = np.arange(6.0).reshape(3, 2)

    taken = replace(outcomes(), output_tokens=tokens).take([2, 0]).of(["big"])

    np.testing.assert_array_equal(taken.output_tokens, [[5.0], [1.0]])
    assert taken.latency_s is None
    assert list(taken.measured()) == ["output_tokens"]


def test_measurements_that_do_not_fit_are_named() -> None:
    with pytest.raises(DataError, match=r"latency_s \(2, 2\) does not fit 3 queries and 2 models"):
        replace(outcomes(), latency_s=np.zeros((2, 2)))


def test_where_no_answer_was_recorded_none_is_written() -> None:
    outcomes = Outcomes(
        queries=(Query.of("a"), Query.of("b")),
        models=("m",),
        quality=np.zeros((2, 1)),
        cost_usd=np.zeros((2, 1)),
        domains=("d", "d"),
        responses=np.array([["yes"], [None]], dtype=object),
    )

    assert outcomes.written.tolist() == [[True], [False]]
    assert not replace(outcomes, responses=None).written.any()
